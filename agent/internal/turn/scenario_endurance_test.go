package turn_test

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"berth/agent/internal/turn"
	"berth/applyers/proxmox/pvesim"
	"berth/drift/report"
)

// Turns by the hundred, with a change behind the agent's back at each hundredth, leave
// no goroutine and no memory behind: two thousand of them where BERTH_EVERY=1 asks for
// that, and as many as BERTH_TURNS says.
func TestTurnsLeaveNothingBehind(t *testing.T) {
	turns, settled := 120, 40
	if os.Getenv("BERTH_EVERY") == "1" {
		turns, settled = 2000, 500
	}
	if more, err := strconv.Atoi(os.Getenv("BERTH_TURNS")); err == nil && more > 500 {
		turns, settled = more, 500
	}
	scenario(t, pvesim.Options{}, func(l *land) {
		l.push("aaaa", ct("cache", 4001, ""), ct("queue", 4002, ""))
		agent, stop := l.agent("journal")
		defer stop()
		var goroutines int
		var heap uint64
		for i := range turns {
			switch i % 100 {
			case 50:
				l.sim.Edit("root@pam", 4001, map[string]string{"memory": "768"})
			case 70:
				l.repo.err = os.ErrDeadlineExceeded // The repository can't be asked for a while.
			case 80:
				l.repo.err = nil
			}
			rep, err := agent.Run(l.t.Context(), turn.Request{Mode: report.Run, Quick: i%10 != 0})
			if err != nil || rep.Summary.Failed > 0 {
				l.t.Fatalf("turn %d: %v", i, err)
			}
			_ = agent.Look(l.t.Context())
			pass(time.Minute)
			if i == settled {
				l.forget()
				synctest.Wait()
				goroutines, heap = bubbled(l.t), lives()
			}
		}
		l.forget()
		synctest.Wait()
		if n := bubbled(l.t); n > goroutines {
			l.t.Errorf("%d goroutines, %d before", n, goroutines)
		}
		if grown := int64(lives()) - int64(heap); grown > 1<<20 {
			l.t.Errorf("%d KiB more after %d turns", grown>>10, turns-settled)
		}
	})
}

// forget drops what the land itself remembers of requests.
func (l *land) forget() {
	l.sim.ForgetRequests()
	l.log.mu.Lock()
	defer l.log.mu.Unlock()
	l.log.lines = nil
}

// bubbled is how many goroutines the bubble of synctest has: the runtime's own, such as
// the one that closes files which nobody holds any more, come and go.
func bubbled(t testing.TB) int {
	t.Helper()
	all := make([]byte, 1<<20)
	n := bytes.Count(all[:runtime.Stack(all, true)], []byte(", synctest bubble "))
	if n == 0 {
		t.Fatal("the runtime does not say what is in the bubble")
	}
	return n
}

// lives is how many bytes of the heap live.
func lives() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
