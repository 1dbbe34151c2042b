package turn_test

import (
	"bytes"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/agent/internal/turn"
	"berth/applyers/proxmox/pvesim"
	"berth/drift/report"
)

// fault is one thing that goes wrong at the cluster while an agent makes turns.
// TestFaults lets it befall a fleet that stands, and holds the words of each
// report, and what was written, to testdata/faults/NAME.txt.
type fault struct {
	// what happens, in a sentence.
	what string
	// stands is what was made before, and asked what Git asks for when the fault
	// comes; nil is what stands.
	stands, asked []string
	// strike brings the fault about, right before the first of its turns.
	strike func(l *stricken)
	// turns is how many are made under the fault, one if zero, with a minute between.
	turns int
	// heal takes away what pvesim's Heal does not.
	heal func(l *stricken)
	// options change the cluster.
	options func(o *pvesim.Options)
	// spared are the guests that must not be written to while the fault lasts,
	// besides those that a report calls unknown; all is every one.
	spared []int
	all    bool
	// still is what must be done while it lasts: lines of "METHOD path" without its
	// parameters.
	does []string
	// ends asserts what holds in the end.
	ends func(l *stricken)
}

// stricken is a land that a fault befalls.
type stricken struct {
	*land
	story  *story
	agent  *turn.Turner
	before int
}

const (
	strangerVM = 150
	strangerCT = 151
)

// The fleet that stands: one guest on each node, one more on the first.
var (
	web   = vm("web", 4001, expose("web.example.net"))
	cache = ct("cache", 4002, "node: pve2\n"+expose("cache.example.net"))
	third = ct("third", 4003, "")
	fleet = []string{web, cache, third}
)

// with puts other documents in the place of those of the same name, and adds the
// rest.
func with(docs ...string) []string {
	name := regexp.MustCompile(`(?m)^name: .*$`)
	all := slices.Clone(fleet)
	for _, d := range docs {
		i := slices.IndexFunc(all, func(o string) bool { return name.FindString(o) == name.FindString(d) })
		if i < 0 {
			all = append(all, d)
		} else {
			all[i] = d
		}
	}
	return all
}

// without takes the document of a name out.
func without(docs []string, name string) []string {
	return slices.DeleteFunc(slices.Clone(docs), func(d string) bool { return strings.Contains(d, "\nname: "+name+"\n") })
}

// larger gives a machine more memory.
func larger(doc string) string {
	return strings.NewReplacer("memory: 1GiB", "memory: 2GiB", "memory: 512MiB", "memory: 1GiB").Replace(doc)
}

func TestFaults(t *testing.T) {
	rows := make(map[string]fault)
	for _, some := range []map[string]fault{tokenFaults(), answerFaults(), clusterFaults(), taskFaults(), guestFaults()} {
		maps.Copy(rows, some)
	}
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := rows[name]
			o := pvesim.Options{Nodes: []string{"pve1", "pve2"}, AuthDelay: 3 * time.Second, LockWait: 10 * time.Second}
			if f.options != nil {
				f.options(&o)
			}
			scenario(t, o, func(l *land) { f.befall(&stricken{land: l}, name) })
		})
	}
}

func (f fault) befall(l *stricken, name string) {
	l.t.Helper()
	l.strange()
	strangers := l.strangers()
	stands, asked := f.stands, f.asked
	if stands == nil {
		stands = fleet
	}
	if asked == nil {
		asked = stands
	}
	var stop func()
	l.agent, stop = l.land.agent("journal")
	defer stop()
	l.push("aaaa", stands...)
	for l.run().Differs() {
		if pass(time.Minute); time.Since(began()) > time.Hour {
			l.t.Fatal("the fleet does not come to stand")
		}
	}
	pass(time.Minute)

	l.story = l.tells("faults/" + name)
	l.story.mask = append(l.story.mask, l.edge.listener.Addr().String(), "127.0.0.1:443")
	l.story.say("the fault", f.what)
	from := len(l.sim.Requests())
	if !slices.Equal(stands, asked) {
		l.push("bbbb", asked...)
	}
	f.strike(l)
	for i := range max(f.turns, 1) {
		if i > 0 {
			pass(time.Minute)
		}
		l.turn(f, fmt.Sprintf("turn %d", i+1))
	}
	for _, want := range f.does {
		if !slices.ContainsFunc(l.sim.Requests()[from:], func(r pvesim.Request) bool { return r.Method+" "+r.Path == want }) {
			l.t.Errorf("%s was not done", want)
		}
	}
	l.sim.Heal()
	if f.heal != nil {
		f.heal(l)
	}
	for i := 1; ; i++ {
		pass(time.Minute)
		if !l.turn(fault{}, fmt.Sprintf("healed, turn %d", i)).Differs() {
			break
		}
		if i == 4 {
			l.t.Error("it does not come to rest")
			break
		}
	}
	l.quiet()
	if d := cmp.Diff(strangers, l.strangers()); d != "" {
		l.t.Errorf("what is not ours was touched: %s", d)
	}
	l.tidy()
	if f.ends != nil {
		f.ends(l)
	}
}

// began is when a bubble's time begins.
func began() time.Time { return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) }

// strange puts guests there that are not ours.
func (l *stricken) strange() {
	l.sim.AddGuest(pvesim.Guest{VMID: strangerVM, Node: "pve1", Running: true, Config: map[string]string{"name": "stranger", "scsi0": "local-lvm:vm-150-disk-0,size=4G", "onboot": "1"}})
	l.sim.AddGuest(pvesim.Guest{Kind: pvesim.KindCT, VMID: strangerCT, Node: "pve2", Config: map[string]string{"hostname": "guest", "rootfs": "local-lvm:vm-151-disk-0,size=4G"}})
}

// strangers is all that must stay as it is.
func (l *stricken) strangers() any {
	vm, _ := l.sim.Guest(strangerVM)
	ct, _ := l.sim.Guest(strangerCT)
	volumes := l.sim.Volumes()
	return []any{vm, ct, slices.DeleteFunc(volumes, func(v pvesim.Volume) bool { return v.Owner != strangerVM && v.Owner != strangerCT })}
}

func (l *stricken) run() *report.Report {
	l.t.Helper()
	l.before = len(l.sim.Requests())
	rep, err := l.agent.Run(l.t.Context(), turn.Request{Mode: report.Run})
	if err != nil {
		l.t.Fatalf("turn: %v", err)
	}
	return rep
}

// turn makes one, writes down what is reported and written, and asserts that
// nothing was written to what is unknown or spared.
func (l *stricken) turn(f fault, title string) *report.Report {
	l.t.Helper()
	rep := l.run()
	text := l.shown(rep)
	if lines := l.writes(); len(lines) > 0 {
		text += "\nwritten:\n" + strings.Join(lines, "\n")
	}
	l.story.say(title, text)
	for _, r := range l.sim.Requests()[l.before:] {
		if !r.Write() {
			continue
		}
		if f.all {
			l.t.Errorf("%s: written: %s %s", title, r.Method, r.Path)
		}
		for _, vmid := range f.spared {
			if guestOf(r) == vmid {
				l.t.Errorf("%s: %d was to be spared: %s %s", title, vmid, r.Method, r.Path)
			}
		}
		for _, b := range rep.Plan.Blind {
			if b.ID == "" && b.Site != "" || b.ID.Guest() && guestOf(r) == l.vmid(string(b.ID)) {
				l.t.Errorf("%s: written to what is unknown (%s%s): %s %s", title, b.ID, b.Site, r.Method, r.Path)
			}
		}
	}
	return rep
}

// vmid is a guest's, by the manifests as they stand.
func (l *stricken) vmid(id string) int {
	_, name, _ := strings.Cut(id, "/")
	m := regexp.MustCompile(`\nname: ` + name + `\nid: (\d+)`).FindStringSubmatch(l.repo.commits[l.repo.tip])
	if m == nil {
		return map[string]int{"web": 4001, "cache": 4002, "third": 4003}[name]
	}
	n, _ := strconv.Atoi(m[1])
	return n
}

// guestOf is the VMID that a request is about; 0 for none.
func guestOf(r pvesim.Request) int {
	parts := strings.Split(r.Path, "/")
	n := 0
	if len(parts) > 4 && (parts[3] == "qemu" || parts[3] == "lxc") {
		n, _ = strconv.Atoi(parts[4])
	} else if len(parts) == 4 {
		n, _ = strconv.Atoi(r.Form.Get("vmid"))
	}
	return n
}

// shown is a report as people read it, without what differs from run to run.
func (l *stricken) shown(rep *report.Report) string {
	var b bytes.Buffer
	shown := *rep
	shown.Stats = report.Stats{} // How often a read was tried again is up to chance.
	if err := report.Text(&b, &shown, report.TextOptions{}); err != nil {
		l.t.Fatal(err)
	}
	text := regexp.MustCompile(`UPID:(\w+):\w+:\w+:\w+:`).ReplaceAllString(b.String(), "UPID:$1:…:")
	text = regexp.MustCompile(`\d\d:\d\d:\d\d UTC`).ReplaceAllString(text, "HH:MM:SS UTC")
	text = regexp.MustCompile(`turn \d{8}T[\d.]+Z`).ReplaceAllString(text, "turn ID")
	return strings.TrimRight(text, "\n") + "\n"
}

// writes are those of the last turn, those of one guest together and in order,
// with what they are about and how they were answered.
func (l *stricken) writes() []string {
	type write struct {
		to   string
		line string
	}
	var all []write
	for _, r := range l.sim.Requests()[l.before:] {
		if !r.Write() {
			continue
		}
		keys := slices.DeleteFunc(slices.Sorted(maps.Keys(r.Form)), func(k string) bool { return k == "digest" || k == "vmid" })
		if strings.HasSuffix(r.Path, "/qemu") || strings.HasSuffix(r.Path, "/lxc") {
			keys = []string{"vmid=" + r.Form.Get("vmid")}
		}
		answer := strconv.Itoa(r.Status)
		if r.Status == 0 {
			answer = "no answer"
		}
		line := strings.TrimSpace(fmt.Sprintf("%s %s %s", r.Method, r.Path, strings.Join(keys, " ")))
		line = regexp.MustCompile(`berth-[-\w.]+`).ReplaceAllString(line, "berth-…")
		all = append(all, write{fmt.Sprintf("%d %s", guestOf(r), map[bool]string{true: r.Path}[guestOf(r) == 0]), line + " → " + answer})
	}
	slices.SortStableFunc(all, func(a, b write) int { return strings.Compare(a.to, b.to) })
	lines := make([]string, len(all))
	for i, w := range all {
		lines[i] = w.line
	}
	return lines
}

// quiet asserts that another turn finds nothing to do and writes nothing.
func (l *stricken) quiet() {
	l.t.Helper()
	rep := l.run()
	if len(rep.Plan.Changes) > 0 || len(l.writes()) > 0 {
		l.t.Errorf("there is more to do:\n%s%s", told(rep), l.writes())
	}
}

// tidy asserts that no guest has volumes that stand nowhere in its configuration,
// that no upload is left, and that all guests of ours run.
func (l *stricken) tidy() {
	l.t.Helper()
	for _, v := range l.sim.Volumes() {
		if strings.Contains(v.ID, "berth-") {
			l.t.Errorf("an upload is left: %s", v.ID)
		}
		g, ok := l.sim.Guest(v.Owner)
		used := slices.ContainsFunc(slices.Collect(maps.Values(g.Config)), func(s string) bool { return s == v.ID || strings.HasPrefix(s, v.ID+",") })
		if v.Owner != 0 && (!ok || !used) {
			l.t.Errorf("volume %s of %d is left over", v.ID, v.Owner)
		}
	}
	for _, g := range l.sim.Guests() {
		if !g.Running && g.VMID != strangerCT && !strings.Contains(g.Config["description"], " archived=") {
			l.t.Errorf("guest %d does not run", g.VMID)
		}
	}
}

// tagged gives a machine another tag, which takes effect at once.
func tagged(doc string) string { return strings.Replace(doc, "\nmemory:", "\ntags: [lab]\nmemory:", 1) }

// taking lets each task take its time.
func taking(d time.Duration) func(*pvesim.Options) {
	return func(o *pvesim.Options) { o.TaskTime = func(string) time.Duration { return d } }
}
