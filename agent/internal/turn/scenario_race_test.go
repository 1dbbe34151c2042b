package turn_test

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"berth/agent/internal/turn"
	"berth/applyers/proxmox/pvesim"
	"berth/drift"
	"berth/drift/report"
)

func TestHandEditBetweenPlanAndApplyIsNotLost(t *testing.T) {
	edit := map[string]string{"vga": "serial0"}
	for name, fault := range map[string]pvesim.Fault{
		"before the last look":        {Method: "GET", Path: "/nodes/*/qemu/4001/pending", Nth: 2},
		"between last look and write": {Method: "POST", Path: "/nodes/*/qemu/4001/config"},
		"of the very thing":           {Method: "GET", Path: "/nodes/*/qemu/4001/pending", Nth: 2},
	} {
		t.Run(name, func(t *testing.T) {
			scenario(t, pvesim.Options{}, func(l *land) {
				l.push("aaaa", vm("web", 4001, "tags: [old]\n"))
				l.apply()
				set := edit
				if strings.Contains(name, "very thing") {
					set = map[string]string{"vga": "serial0", "tags": "berth.pegasus;by-hand"}
				}
				fault.Then = func() { l.sim.Edit("root@pam", 4001, set) }
				l.sim.Inject(fault)
				l.push("bbbb", vm("web", 4001, "tags: [new]\n"))
				l.turn()
				l.turn()
				if c := l.guest(4001).Config; c["vga"] != "serial0" || c["tags"] != "berth.pegasus;new" {
					l.t.Errorf("config %v", c)
				}
				l.settled()
			})
		})
	}
}

func TestGuestDeletedByHandMeanwhile(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		l.push("aaaa", vm("web", 4001, ""), ct("cache", 4002, ""))
		l.apply()
		first := l.guest(4001).Config["description"]
		l.sim.Inject(pvesim.Fault{Method: "GET", Path: "/nodes/*/qemu/4001/pending", Nth: 2, Then: func() { l.sim.Remove(4001) }})
		l.push("bbbb", vm("web", 4001, "tags: [new]\n"), ct("cache", 4002, ""))
		rep := l.turn()
		if o := rep.Outcomes[0]; o.Status != drift.Held || !strings.Contains(o.Reason, "no longer there") {
			l.t.Errorf("outcome %+v", o)
		}
		l.apply()
		if g := l.guest(4001); !g.Running || g.Config["description"] == first {
			l.t.Errorf("made anew is %v %v", g.Running, g.Config)
		}
		l.settled()
	})
}

func TestWhatNeedsAGuestMadeAnewIsHeldAlone(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		l.push("aaaa", vm("web", 4001, ""), ct("cache", 4002, ""))
		l.apply()
		l.sim.AddGuest(pvesim.Guest{VMID: 777, Running: true, Config: map[string]string{"name": "taken"}})
		taken := l.guest(777).Digest
		l.mark()
		l.push("bbbb",
			strings.NewReplacer("id: 4001", "id: 4009", "size: 8GiB", "size: 4GiB", "memory: 1GiB", "memory: 2GiB").Replace(vm("web", 4001, "hostname: taken\n")),
			strings.Replace(ct("cache", 4002, "tags: [x]\n"), "size: 4GiB", "size: 1GiB", 1))
		rep := l.turn()
		l.turn()
		if _, made := l.sim.Guest(4009); made || len(l.sim.Guests()) != 3 || l.guest(777).Digest != taken {
			l.t.Error("a guest was made, or somebody else's touched")
		}
		c := l.guest(4001)
		if c.Config["name"] != "taken" || c.Pending["memory"] != "2048" || !strings.Contains(c.Config["scsi0"], "size=8G") {
			l.t.Errorf("what is not held was not made: %v %v", c.Config, c.Pending)
		}
		if c := l.guest(4002).Config; c["tags"] != "berth.pegasus;x" || !strings.Contains(c["rootfs"], "size=4G") {
			l.t.Errorf("container %v", c)
		}
		held := 0
		for _, c := range rep.Plan.Changes {
			for _, f := range c.Fields {
				if f.Held != "" {
					held++
				}
			}
		}
		if held != 3 {
			l.t.Errorf("%d fields are held, want the VMID and two sizes: %+v", held, rep.Plan.Changes)
		}
		for _, w := range l.written() {
			if strings.HasPrefix(w, "DELETE") || strings.Contains(w, "shutdown") || strings.Contains(w, "resize") {
				l.t.Errorf("written: %s", w)
			}
		}
	})
}

func TestNodeThatGoesDownInMidPlan(t *testing.T) {
	two := pvesim.Options{TaskTime: slowly, Nodes: []string{"pve1", "pve2"}}
	for _, at := range []time.Duration{2 * time.Second, 3 * time.Second, 4 * time.Second} {
		scenario(t, two, func(l *land) {
			l.push("aaaa", vm("web", 4001, "node: pve2\n"), ct("cache", 4002, "node: pve2\n"), ct("keep", 4003, ""))
			time.AfterFunc(at, func() { l.sim.SetOnline("pve2", false) })
			agent, stop := l.agent("journal")
			defer stop()
			if _, err := agent.Run(l.t.Context(), turn.Request{Mode: report.Run}); err != nil {
				l.t.Fatal(err)
			}
			if !l.guest(4003).Running {
				l.t.Error("the guest on the other node was not made")
			}
			l.mark()
			rep, err := agent.Run(l.t.Context(), turn.Request{Mode: report.Run})
			if err != nil || rep.Summary.Unknown == 0 {
				l.t.Errorf("%v, told:\n%s", err, told(rep))
			}
			for _, w := range l.written() {
				l.t.Errorf("written while the node is down: %s", w)
			}
			l.sim.SetOnline("pve2", true)
			for range 3 {
				pass(time.Hour)
				if _, err := agent.Run(l.t.Context(), turn.Request{Mode: report.Run}); err != nil {
					l.t.Error(err)
				}
			}
			stop()
			l.madeOnce(4001, 4002, 4003)
			l.settled()
		})
	}
}

func TestTheTokenIsToldNowhere(t *testing.T) {
	scenario(t, pvesim.Options{}, func(l *land) {
		var log bytes.Buffer
		_, secret, _ := strings.Cut(l.token, "=")
		docs := []string{vm("web", 4001, expose("web.example.net")), ct("cache", 4002, "")}
		l.push("aaaa", docs...)
		for _, fault := range []pvesim.Fault{
			{Method: "write", Drop: true},
			{Method: "write", Status: 500, Reason: "no"},
			{Method: "write", Status: 403, Body: `{"message":"Permission check failed (/, X)"}`},
			{Method: "write", TaskError: "it broke"},
			{Path: "/cluster/resources", Drop: true, Count: -1},
			{Status: 401},
		} {
			l.sim.Inject(fault)
			text, err := json.Marshal(l.turn())
			if err != nil {
				l.t.Fatal(err)
			}
			log.Write(text)
			l.sim.Heal()
		}
		l.turn()
		for path := range l.files() {
			text, err := os.ReadFile(path)
			if err != nil {
				l.t.Fatal(err)
			}
			if bytes.Contains(text, []byte(secret)) {
				l.t.Errorf("the token stands in %s", path)
			}
		}
		if secret == "" || bytes.Contains(log.Bytes(), []byte(secret)) {
			l.t.Error("a report tells the token")
		}
	})
}
