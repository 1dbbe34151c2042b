package turn_test

import (
	"os"
	"strings"
	"testing"

	"berth/applyers/proxmox/pvesim"
)

func TestEdgeIsNotOursAnyMoreAndStillRoutes(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		l.push("aaaa", ct("cache", 4002, expose("cache.example.net")), ct("keep", 4003, ""))
		l.apply()
		text, err := os.ReadFile(l.path("berth/stream.conf"))
		if err != nil {
			l.t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(text), "\n")
		l.write("berth/stream.conf", "# mine now\n"+rest)
		l.push("bbbb", ct("keep", 4003, ""))
		rep := l.turn()
		if to := l.routes()["cache.example.net"]; to != "" && !l.guest(4002).Running {
			l.t.Errorf("cache.example.net leads to %s, which was stopped\n%s", to, told(rep))
		}
	})
}
