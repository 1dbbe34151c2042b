package turn_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"runtime/debug"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"berth/agent/internal/turn"
	"berth/applyers/proxmox/pvesim"
	"berth/desired"
	"berth/drift/report"
)

// TestRandom lets random fleets be edited, changed by hand and disturbed over many
// turns, and holds the loop to what Berth promises. Without more it plays the same
// 200 rounds each time; BERTH_ROUNDS=2000 plays so many new ones, and -rapid.checks
// and -rapid.seed beat both, as deploy/test does. A failure prints its story, and the
// seed that plays it again: go test ./agent/internal/turn -run '^TestRandom$' -rapid.seed=N.
func TestRandom(t *testing.T) {
	checks, seed := itoa(rounds), "4"
	if n := os.Getenv("BERTH_ROUNDS"); n != "" {
		checks, seed = n, "0"
	}
	for name, value := range map[string]string{"rapid.checks": checks, "rapid.seed": seed, "rapid.nofailfile": "true", "rapid.shrinktime": "10s"} {
		given := false
		flag.Visit(func(f *flag.Flag) { given = given || f.Name == name })
		if !given {
			if err := flag.Set(name, value); err != nil {
				t.Fatal(err)
			}
		}
	}
	// Each round makes a cluster and throws it away.
	usual := debug.SetGCPercent(800)
	t.Cleanup(func() { debug.SetGCPercent(usual) })
	var story []string
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the story of the last round that was looked at:\n%s", strings.Join(story, "\n"))
		}
	})
	rapid.Check(t, func(rt *rapid.T) {
		var thrown any
		var broken []string
		synctest.Test(t, func(t *testing.T) {
			// What rapid throws to end a round must not end the bubble.
			defer func() { thrown = recover() }()
			r := newRound(t, rt)
			defer func() {
				if broken = r.broken; len(broken) > 0 || len(story) == 0 {
					story = r.story
				}
			}()
			r.play()
		})
		// Rapid tells failures apart by the line that they come from.
		if len(broken) > 0 {
			rt.Fatalf("%s", broken[0])
		}
		if thrown != nil {
			panic(thrown)
		}
	})
}

// round is one random fleet's life.
type round struct {
	*land
	rt     *rapid.T
	git    *wanted
	story  []string
	broken []string
	agent  *turn.Turner
	stop   func()
	// way is the agent's, and breaks.
	way *breaker
	ctx context.Context //nolint:containedctx // A round is a call, with a struct for its variables.

	commits int
	// last is what Git last said of a guest, gone since when it says so no more.
	last map[int]*wish
	gone map[int]time.Time
	// foreign are the guests that are not ours, as they must stay.
	foreign map[int]pvesim.Guest
	strange []pvesim.Volume
	locked  map[int]bool
	// disturbed is set from a fault to when it is healed.
	disturbed bool
	// skew is how far the agent's clock is ahead; journalLeft is at which write of the
	// journal the agent dies, 0 at none.
	skew        time.Duration
	journalLeft int
	// outside is what was set by hand and stands in no manifest, by VMID and option.
	outside map[int]map[string]string
	// chance is what the next choices are made of.
	chance []byte
}

func newRound(t *testing.T, rt *rapid.T) *round {
	slow := rapid.Bool().Draw(rt, "slow")
	o := pvesim.Options{Nodes: []string{"pve1", "pve2", "pve3"}, LockWait: 2 * time.Second}
	if slow {
		o.TaskTime = slowly
	}
	mixed := rapid.IntRange(0, 3).Draw(rt, "mixed") == 0
	sim, store := pvesim.New(o), "local-lvm"
	if mixed {
		sim, store = pvesim.Mixed(o, pvesim.Mix{Guests: 12, Troubled: true}), "local-nvme"
	}
	l := &land{t: t, sim: sim, repo: &repository{}, dir: t.TempDir(), log: &events{}}
	l.token = l.sim.AddToken("berth@pve", "agent", false, pvesim.ACL{Path: "/", Role: "Administrator", Propagate: true})
	r := &round{
		land: l, rt: rt, last: make(map[int]*wish), gone: make(map[int]time.Time),
		foreign: make(map[int]pvesim.Guest), locked: make(map[int]bool), ctx: t.Context(),
		outside: make(map[int]map[string]string),
		git: &wanted{
			store:   store,
			archive: []time.Duration{0, time.Hour, 72 * time.Hour}[r3(rt, "archive")], deletes: []int{1, 3, 50}[r3(rt, "deletes")],
			guests: make(map[int]*wish), data: make(map[int]*holder), allowed: make(map[string]time.Time),
		},
	}
	l.now, l.sync = r.clock, r.synced
	if mixed {
		r.neighbours()
	}
	l.sim.SetPool(strange, "shop")
	l.sim.AddVolume(pvesim.Volume{ID: store + ":base-9000-disk-0", Node: "pve1", Owner: golden, Size: 4 << 30, Format: "raw", Content: "images"})
	r.stranger(golden, true, map[string]string{
		"name": "golden", "tags": "golden", "template": "1", "scsi0": store + ":base-9000-disk-0,size=4G", "boot": "order=scsi0",
		"net0": "virtio=BC:24:11:01:02:03,bridge=vmbr0", "meta": "creation-qemu=7.2,ctime=100", "scsihw": "virtio-scsi-pci",
	})
	r.stranger(strange, true, map[string]string{"name": "Strange", "tags": "", "scsi0": store + ":vm-150-disk-0,size=4G", "net0": "virtio=bc:24:11:01:02:04,bridge=vmbr0", "onboot": "1"})
	if rapid.Bool().Draw(rt, "squatter") {
		l.sim.AddVolume(pvesim.Volume{ID: store + ":vm-4004-disk-0", Node: "pve1", Owner: squatter, Size: 4 << 30, Format: "raw", Content: "images"})
		r.stranger(squatter, true, map[string]string{"name": "aux", "scsi0": store + ":vm-4004-disk-0,size=4G", "smbios1": "uuid=" + taken})
	}
	l.over = func(below http.RoundTripper) http.RoundTripper {
		r.way = &breaker{l: l, below: l.sim.Endpoints(), left: -1}
		return r.way
	}
	return r
}

// nameOf is what Git calls a guest, or last called it.
func (r *round) nameOf(vmid int) string {
	short := map[string]string{"VM": "vm/", "Container": "ct/", "DataVM": "data/"}
	w := r.git.guests[vmid]
	if w == nil {
		w = r.last[vmid]
	}
	if w == nil {
		return ""
	}
	return short[w.kind] + w.name
}

func r3(rt *rapid.T, label string) int { return rapid.IntRange(0, 2).Draw(rt, label) }

// chances draws what the next choices are made of. How many of them are made may
// hang on what the agent did, and must not shift what is drawn after them.
func (r *round) chances(label string, n int) {
	r.chance = rapid.SliceOfN(rapid.Byte(), n, n).Draw(r.rt, label)
}

// n is a choice from 0 to most; 0 once no chance is left.
func (r *round) n(most int) int {
	if len(r.chance) == 0 {
		return 0
	}
	c := int(r.chance[0])
	r.chance = r.chance[1:]
	return c % (most + 1)
}

func pick[T any](r *round, of ...T) T { return of[r.n(len(of)-1)] }

func (r *round) tell(format string, args ...any) {
	r.story = append(r.story, time.Now().UTC().Format("02 15:04:05 ")+fmt.Sprintf(format, args...))
}

// fail ends the round: one line says which promise was broken.
func (r *round) fail(promise, format string, args ...any) {
	text := promise + ": " + fmt.Sprintf(format, args...)
	r.tell("BROKEN %s", text)
	r.broken = append(r.broken, text)
	panic(errBroken)
}

// stranger puts a guest there that is not ours.
func (r *round) stranger(vmid int, runs bool, conf map[string]string) {
	r.sim.AddGuest(pvesim.Guest{Kind: pvesim.KindVM, VMID: vmid, Node: "pve1", Config: conf, Running: runs && conf["template"] == ""})
	r.foreign[vmid], _ = r.sim.Guest(vmid)
	r.strange = r.strangers()
}

// strangers are the volumes of those who are not ours.
func (r *round) strangers() []pvesim.Volume {
	var all []pvesim.Volume
	for _, v := range r.sim.Volumes() {
		if _, ok := r.foreign[v.Owner]; ok {
			all = append(all, v)
		}
	}
	return all
}

func (r *round) play() {
	r.start()
	defer func() { r.stop() }()
	turns := 1 + rapid.IntRange(0, 3).Draw(r.rt, "turns")
	r.chances("fleet", 40)
	r.edit(true)
	r.run(false)
	for range turns {
		r.chances("edits", 32)
		for range r.n(3) {
			r.edit(false)
		}
		r.chances("by hand", 8)
		if r.n(2) == 1 {
			r.byHand()
		}
		r.chances("beyond", 4)
		if all := r.ours(); len(all) > 0 && r.n(2) == 1 {
			if g := all[r.n(len(all)-1)]; g.VMID < 9501 && len(g.Pending) == 0 {
				r.beyond(g)
			}
		}
		if !r.disturbed {
			r.looked()
		}
		r.chances("fault", 8)
		if r.n(2) == 1 {
			r.fault()
		}
		r.chances("crash", 5)
		r.crash()
		r.run(true)
		r.chances("pause", 4)
		pass(pick(r, 20*time.Second, 10*time.Minute, 2*time.Hour, 3*time.Hour, 80*time.Hour))
		if r.n(3) == 1 {
			r.skew = pick(r, -2*time.Hour, -10*time.Minute, 2*time.Minute, 10*time.Minute, 100*time.Hour)
			r.tell("the agent's clock jumps: %s ahead", r.skew)
		}
		if r.n(1) == 0 {
			r.heal()
		}
	}
	r.heal()
	r.rest()
}

func (r *round) start() {
	r.agent, r.stop = r.land.agent("journal")
}

// crash lets something happen to the agent at a random request of the next turn.
func (r *round) crash() {
	r.way.mu.Lock()
	defer r.way.mu.Unlock()
	r.way.left, r.way.hit, r.way.dead = -1, false, false
	if r.n(5) == 1 {
		r.journalLeft = 1 + r.n(20)
		r.way.what = killed
		r.tell("accident: killed at write %d of the journal", r.journalLeft)
		return
	}
	if r.n(3) == 1 {
		r.way.what = pick(r, toldToStop, killed, unheard, lost)
		r.way.left = 1 + r.n(60)
		r.tell("accident: %s, %d", r.way.what, r.way.left)
	}
}

// run makes a turn, looks at what it did, and starts the agent again if it was
// killed.
func (r *round) run(disturbed bool) *report.Report {
	r.seen()
	before, since := r.look(), time.Now()
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	r.way.kill = cancel
	rep, err := r.agent.Run(ctx, turn.Request{Mode: report.Run})
	if err != nil && !disturbed {
		r.fail("a turn", "%v", err)
	}
	if rep != nil {
		r.tell("turn\n%s", whole(rep))
	} else {
		r.tell("turn: %v", err)
	}
	if r.way.hit && r.way.what != lost {
		r.stop()
		if r.way.dead {
			if err := errors.Join(os.RemoveAll(r.path("journal")), os.Rename(r.path("left"), r.path("journal"))); err != nil {
				r.fail("test", "%v", err)
			}
		}
		r.start()
	}
	r.way.left, r.journalLeft = -1, 0
	r.adopted()
	r.kept(before, since)
	r.keptBeyond()
	return rep
}

// heal ends all that disturbs.
func (r *round) heal() {
	r.sim.Heal()
	r.sim.SetQuorum(true)
	for _, node := range []string{"pve1", "pve2", "pve3"} {
		r.sim.SetOnline(node, true)
	}
	for _, g := range r.sim.Guests() {
		r.sim.SetDeaf(g.VMID, false)
		if r.locked[g.VMID] && g.Lock == "backup" {
			r.sim.Edit("root@pam", g.VMID, map[string]string{"lock": ""})
		}
	}
	clear(r.locked)
	r.skew = 0
	r.disturbed = false
	r.tell("healed")
}

// look is all volumes that hold data: their guest was made whole, and is ours.
func (r *round) look() map[string]int {
	all := make(map[string]int)
	for _, v := range r.sim.Volumes() {
		g, ok := r.sim.Guest(v.Owner)
		if !ok || g.Lock != "" || !strings.Contains(g.Config["description"], "berth: ") {
			continue
		}
		if strings.Contains(g.Config["description"], " state=making") && !g.Running {
			continue // Nothing was ever written to it: its creation has not ended.
		}
		all[v.ID+" "+v.Node] = v.Owner
		// What made the seed can make it again.
		for slot, value := range g.Config {
			if (slot == "scsi30" || slot == "ide2") && strings.HasPrefix(value, v.ID) {
				delete(all, v.ID+" "+v.Node)
			}
		}
	}
	return all
}

func (r *round) commit(to *wanted, what string) {
	text := to.manifests()
	if _, err := desired.Load(fstest.MapFS{"fleet.yaml": {Data: []byte(text)}}); err != nil {
		r.tell("an edit that does not load, left out: %s: %v", what, err)
		return
	}
	r.git = to
	r.commits++
	r.repo.push(fmt.Sprintf("%08d", r.commits), text)
	r.tell("commit %d: %s", r.commits, what)
}
