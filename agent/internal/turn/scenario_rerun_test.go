package turn_test

import (
	"regexp"
	"strings"
	"testing"

	"berth/applyers/proxmox/pvesim"
	"berth/drift/report"
)

// TestAnEditedSeedIsTakenInOneTurn says that cloud-init's part changed, never what is
// in it, and is verified like any change. The route waits with the guest for its boot.
func TestAnEditedSeedIsTakenInOneTurn(t *testing.T) {
	for reboot, says := range map[string]string{
		"never": `cloudInit +changed .*waits for a reboot \(lifecycle.reboot: never\)`,
		"now":   `cloudInit +changed`,
	} {
		scenario(t, pvesim.Options{}, func(l *land) {
			edited := func(packages, address string) string {
				text := vm("web", 4001, "lifecycle: {reboot: "+reboot+"}\n"+expose("web.example.net"))
				return strings.NewReplacer("[git]", packages+", onChange: rerun", "10.1.1.1}", address+"}").Replace(text)
			}
			l.push("aaaa", edited("[git]", "10.1.1.1"))
			l.apply()
			pass(3600e9)
			l.push("bbbb", edited("[git, tmux]", "10.1.1.9"))
			rep := l.turn()
			if text := told(rep); text != "" {
				l.t.Errorf("reboot %s:\n%s", reboot, text)
			}
			var page strings.Builder
			if err := report.Text(&page, rep, report.TextOptions{Width: 120}); err != nil {
				l.t.Fatal(err)
			}
			if !regexp.MustCompile(says).MatchString(page.String()) || strings.Contains(page.String(), "tmux") {
				l.t.Errorf("reboot %s: the report says:\n%s", reboot, page.String())
			}
			want := map[string]string{"never": "10.1.1.1:443", "now": "10.1.1.9:443"}[reboot]
			if reboot == "now" {
				l.apply()
			}
			if got := l.routes()["web.example.net"]; got != want {
				l.t.Errorf("reboot %s: the route leads to %s, want %s", reboot, got, want)
			}
			if reboot == "never" {
				l.sim.SetRunning(4001, false)
				pass(60e9)
				l.sim.SetRunning(4001, true)
				l.apply()
				if got := l.routes()["web.example.net"]; got != "10.1.1.9:443" {
					l.t.Errorf("it has booted, and the route leads to %s", got)
				}
			}
			l.settled()
		})
	}
}
