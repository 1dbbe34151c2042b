package turn_test

import (
	"testing"

	"berth/applyers/proxmox/pvesim"
)

func TestRenamedManifestLeavesWhatIsRouted(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		l.push("aaaa", ct("cache", 4002, expose("cache.example.net")))
		l.apply()
		l.push("bbbb", ct("store", 4002, expose("cache.example.net")))
		l.turn()
		if to := l.routes()["cache.example.net"]; to == "10.1.1.2:443" && !l.guest(4002).Running {
			l.t.Error("cache.example.net leads to a guest that was stopped, and nothing takes its place")
		}
	})
}

// The same edge of it: an Edge's own route names the address literally.
func TestLiteralRouteToAGuestThatGoes(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		l.push("aaaa", ct("cache", 4002, ""), ct("keep", 4003, ""))
		route := func(docs ...string) string {
			l.push("x", docs...)
			text := l.repo.commits["x"]
			return replaceOnce(text, "default: reject}", "default: reject, routes: {lit.example.net: \"10.1.1.2:443\"}}")
		}
		l.repo.push("bbbb", route(ct("cache", 4002, ""), ct("keep", 4003, "")))
		l.apply()
		l.repo.push("cccc", route(ct("keep", 4003, "")))
		l.turn()
		if to := l.routes()["lit.example.net"]; to == "10.1.1.2:443" && !l.guest(4002).Running {
			l.t.Error("lit.example.net leads to a guest that was stopped")
		}
	})
}

func replaceOnce(text, old, with string) string {
	for i := range text {
		if len(text)-i >= len(old) && text[i:i+len(old)] == old {
			return text[:i] + with + text[i+len(old):]
		}
	}
	return text
}
