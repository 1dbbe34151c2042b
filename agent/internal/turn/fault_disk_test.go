package turn_test

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	past "berth/agent/internal/history"
	"berth/agent/internal/turn"
	"berth/applyers/proxmox/pvesim"
	"berth/drift/report"
)

// alone runs a test in a process of its own, where fullAt concerns no file of others,
// and tells whether this is that process.
func alone(t *testing.T) bool {
	t.Helper()
	const name = "BERTH_TEST_ALONE"
	if os.Getenv(name) == t.Name() {
		return true
	}
	args := []string{"-test.run=^" + t.Name() + "$", "-test.timeout=100s"}
	if *update {
		args = append(args, "-update")
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), name+"="+t.Name())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

// fullAt lets no file grow beyond so many bytes, until the disk has room again: what
// is written up to there stays, and the rest is refused, as on a full disk.
func fullAt(t *testing.T, bytes uint64) (room func()) {
	t.Helper()
	signal.Ignore(syscall.SIGXFSZ)
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: bytes, Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
			t.Fatal(err)
		}
	}
}

// The agent's disk is full at each write of a turn: before its first change nothing
// is done, and later nothing more is begun, what runs is told, and the next turn that
// has room brings everything to the same end, with nothing made twice.
func TestDiskIsFullAtEachWrite(t *testing.T) {
	if !alone(t) {
		return
	}
	o := pvesim.Options{TaskTime: func(string) time.Duration { return 3 * time.Second }}
	s := &story{t: t, name: "faults/disk-full"}
	t.Cleanup(s.compare)
	alone := []string{ct("cache", 4002, "")}
	fullAtEach(t, o, alone, 1, func(l *land, line string, rep *report.Report, err error) {
		s.mask = append(s.mask, l.dir, "DIR")
		if err != nil {
			s.fails(line, err)
			l.nothing(line)
			return
		}
		s.report(line, rep)
	})
	// Of several at once nobody can say which write comes next.
	several := []string{vm("web", 4001, ""), ct("cache", 4002, "")}
	fullAtEach(t, o, several, 3, func(l *land, line string, rep *report.Report, err error) {
		switch {
		case err != nil:
			l.nothing(line)
		case rep.Error == "":
			l.t.Error("the report does not say that the disk is full")
		}
	})
}

// fullAtEach lets the disk be full in the middle of every so many-th line that a turn
// writes down, hands on what comes of it, and asserts that it ends well.
func fullAtEach(t *testing.T, o pvesim.Options, docs []string, step int, tell func(l *land, line string, rep *report.Report, err error)) {
	t.Helper()
	size := 0
	for i, line := range journalLines(t, o, docs) {
		at := size + len(line)/2
		size += len(line)
		if i%step != 0 {
			continue
		}
		scenario(t, o, func(l *land) {
			prepared(l)
			l.push("aaaa", docs...)
			l.mark()
			agent, stop := l.agent("journal")
			room := fullAt(t, uint64(at))
			rep, err := agent.Run(l.t.Context(), turn.Request{Mode: report.Run})
			room()
			tell(l, fmt.Sprintf("in the middle of line %d", i+1), rep, err)
			if i%2 == 0 {
				stop()
				agent, stop = l.agent("journal")
			}
			defer stop()
			for range 3 {
				pass(time.Minute)
				if rep, err = agent.Run(l.t.Context(), turn.Request{Mode: report.Run}); err != nil {
					l.t.Fatal(err)
				}
			}
			if said := told(rep); said != "" {
				l.t.Errorf("line %d, at last:\n%s", i+1, said)
			}
			var vmids []int
			for _, g := range l.sim.Guests() {
				vmids = append(vmids, g.VMID)
			}
			if len(vmids) != len(docs) {
				l.t.Errorf("line %d: guests %v", i+1, vmids)
			}
			l.madeOnce(vmids...)
			// What could be told is told, and the rest is no error to who reads it.
			if story := l.history(past.Query{}); len(story) == 0 || !strings.Contains(story[0], "turn") && !strings.Contains(story[0], "recovered") {
				l.t.Errorf("line %d: the history ends with %q", i+1, story)
			}
		})
	}
}

// prepared is a land whose edge is as it shall be, and whose images lie ready.
func prepared(l *land) {
	l.sim.AddVolume(pvesim.Volume{ID: "local:import/debian-12.qcow2", Size: 2 << 30})
	l.sim.AddVolume(pvesim.Volume{ID: "local:vztmpl/debian-ct.tar.zst", Size: 100 << 20})
	l.write("berth/stream.conf", "")
	l.push("0000")
	l.turn()
}

// journalLines are the lines that a turn writes down.
func journalLines(t *testing.T, o pvesim.Options, docs []string) (lines []string) {
	t.Helper()
	scenario(t, o, func(l *land) {
		prepared(l)
		l.push("aaaa", docs...)
		l.apply()
		files, err := filepath.Glob(l.path("journal/*.jsonl"))
		if err != nil || len(files) == 0 {
			l.t.Fatalf("no journal: %v", err)
		}
		text, err := os.ReadFile(files[len(files)-1])
		if err != nil {
			l.t.Fatal(err)
		}
		lines = strings.SplitAfter(strings.TrimSuffix(string(text), "\n"), "\n")
	})
	return lines
}

// The disk is full while a commit is fetched, or taken: nothing is done on what could
// not be kept, and the last commit goes on being enforced as long as it can be read.
func TestDiskIsFullForTheClone(t *testing.T) {
	if !alone(t) {
		return
	}
	gitScenario(t, "disk-full-clone", func(g *gitted) {
		g.commit("Enlarge the web", "guests/web.yaml", strings.Replace(ct("web", 4001, ""), "512MiB", "1GiB", 1))
		room := fullAt(t, 16)
		g.tell("a commit can't be fetched")
		room()
		agent, stop := g.agent("journal")
		if _, err := agent.Run(g.t.Context(), turn.Request{Mode: report.Drift}); err != nil {
			g.t.Fatal(err)
		}
		room = fullAt(t, 16)
		_, err := agent.Run(g.t.Context(), turn.Request{Mode: report.Run})
		stop()
		room()
		g.story.fails("a commit was fetched, and that it is the last one can't be kept", err)
		g.nothing("it can't be kept")
		g.goes(g.story, "there is room again")
		if got := g.guest(4001).Config["memory"]; got != "1024" {
			g.t.Errorf("memory %s", got)
		}
	})
}
