package turn_test

import (
	"strings"
	"testing"
	"time"

	"berth/agent/internal/turn"
	"berth/applyers/proxmox/pvesim"
	"berth/drift/report"
)

func TestDeafGuestIsLeftAloneForAWhile(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		l.push("aaaa", vm("web", 4001, ""), ct("cache", 4002, ""))
		l.apply()
		l.sim.SetDeaf(4001, true)
		l.push("bbbb", ct("cache", 4002, ""))
		agent, stop := l.agent("journal")
		defer stop()
		l.mark()
		for range 4 {
			if _, err := agent.Run(l.t.Context(), turn.Request{Mode: report.Run}); err != nil {
				l.t.Fatal(err)
			}
			pass(time.Second)
		}
		n := 0
		for _, w := range l.written() {
			if strings.HasSuffix(w, "/shutdown") {
				n++
			}
		}
		if n > 1 {
			l.t.Errorf("asked to shut down %d times within seconds", n)
		}
	})
}
