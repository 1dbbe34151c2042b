package turn_test

import (
	"strings"
	"testing"

	"berth/applyers/proxmox/pvesim"
)

func TestEdgeThatIsGoneIsNotForgotten(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		l.push("aaaa", ct("cache", 4002, expose("cache.example.net")), ct("keep", 4009, ""))
		l.apply()
		l.push("bbbb", ct("keep", 4009, ""))
		before, edge, _ := strings.Cut(l.repo.commits["bbbb"], "kind: Edge")
		_, after, _ := strings.Cut(edge, "---\n")
		l.repo.push("cccc", before+after)
		rep := l.turn()
		if to := l.routes()["cache.example.net"]; to == "10.1.1.2:443" && !l.guest(4002).Running && len(rep.Plan.Notes) == 0 {
			l.t.Error("cache.example.net leads to a guest that was stopped, and nothing is said about it")
		}
	})
}
