package turn_test

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"

	"berth/agent/internal/turn"
	"berth/applyers/proxmox/pvesim"
	"berth/desired"
	"berth/drift"
	"berth/drift/report"
)

// The guest on which the agent runs, and the one that its commits come from, are
// never put away by it; and an address once found counts as long as none is found.
func TestVitalGuestsStay(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		l.push("aaaa", vm("self", 4001, ""), vm("git", 4002, ""), ct("mac", 4003, ""), ct("other", 4004, ""))
		l.apply()
		uuid := regexp.MustCompile(`uuid=([0-9a-f-]+)`).FindStringSubmatch(l.guest(4001).Config["smbios1"])
		mac := regexp.MustCompile(`hwaddr=([0-9A-Fa-f:]+)`).FindStringSubmatch(l.guest(4003).Config["net0"])
		if uuid == nil || mac == nil {
			l.t.Fatalf("%v %v", l.guest(4001).Config, l.guest(4003).Config)
		}
		l.write("product_uuid", strings.ToUpper(uuid[1])+"\n")
		down := false
		agent, stop := l.agent("other")
		defer stop()
		agent.Surroundings = &turn.Surroundings{
			UUIDFile: l.path("product_uuid"), MACs: func() []string { return []string{strings.ToLower(mac[1])} },
			Repository: "git@git.example.net:fleet.git",
			Resolve: func(_ context.Context, host string) ([]string, error) {
				if down || host != "git.example.net" {
					return nil, errors.New("no such host")
				}
				return []string{"10.1.1.2"}, nil
			},
		}
		l.push("bbbb")
		for range 2 {
			rep, err := agent.Run(l.t.Context(), turn.Request{Mode: report.Run})
			if err != nil {
				l.t.Fatal(err)
			}
			for id, want := range map[desired.ID]string{
				"vm/self": "the agent itself runs in it (product UUID",
				"vm/git":  "the Git server git.example.net answers there (10.1.1.2)",
				"ct/mac":  "the agent itself runs in it (MAC",
			} {
				if c := rep.Plan.Change(drift.Key{ID: id, Step: drift.Archive}); c == nil || !strings.HasPrefix(c.Held, want) {
					l.t.Errorf("%s: %+v", id, c)
				}
			}
			down = true
		}
		for vmid, runs := range map[int]bool{4001: true, 4002: true, 4003: true, 4004: false} {
			if l.guest(vmid).Running != runs {
				l.t.Errorf("guest %d runs: %v", vmid, !runs)
			}
		}
	})
}
