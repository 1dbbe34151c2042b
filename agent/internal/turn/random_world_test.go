package turn_test

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"berth/applyers/proxmox/pvesim"
)

// apart is how far the clocks may differ while something is deleted by date.
const apart = 5 * time.Minute

// clock is the agent's, which jumps.
func (r *round) clock() time.Time { return time.Now().Add(r.skew) }

// synced stands for the disk below the journal: the agent may die at any of its writes.
func (r *round) synced(*os.File) error {
	if r.way == nil {
		return nil
	}
	r.way.mu.Lock()
	defer r.way.mu.Unlock()
	if r.way.dead || r.journalLeft == 0 {
		return nil
	}
	if r.journalLeft--; r.journalLeft > 0 {
		return nil
	}
	r.way.hit = true
	r.way.die()
	return errBroken
}

// beyond lets somebody set by hand what no manifest speaks of.
func (r *round) beyond(g pvesim.Guest) {
	options := []string{"cpulimit=0.5", "tablet=0", "localtime=1", "numa=1"}
	if g.Kind == pvesim.KindCT {
		options = []string{"swap=64", "cpulimit=0.5", "cpuunits=70", "console=0"}
	}
	key, value, _ := strings.Cut(pick(r, options...), "=")
	r.sim.Edit("root@pam", g.VMID, map[string]string{key: value})
	if r.outside[g.VMID] == nil {
		r.outside[g.VMID] = make(map[string]string)
	}
	r.outside[g.VMID][key] = value
	r.outside[g.VMID]["instance"] = instanceOf(g)
	r.tell("by hand, beyond the manifest: %d %s=%s", g.VMID, key, value)
}

var instanceWord = regexp.MustCompile(` instance=(\S+)`)

// instanceOf tells a guest from one that was made in its place.
func instanceOf(g pvesim.Guest) string {
	if m := instanceWord.FindStringSubmatch(g.Config["description"]); m != nil {
		return m[1]
	}
	return ""
}

// keptBeyond asserts that nobody took back what no manifest speaks of.
func (r *round) keptBeyond() {
	for _, vmid := range slices.Sorted(maps.Keys(r.outside)) {
		g, ok := r.sim.Guest(vmid)
		if !ok || instanceOf(g) != r.outside[vmid]["instance"] {
			delete(r.outside, vmid) // It was made anew.
			continue
		}
		for key, value := range r.outside[vmid] {
			if key != "instance" && g.Config[key] != value {
				r.fail("beyond the manifest", "guest %d: %s was %s and is %q", vmid, key, value, g.Config[key])
			}
		}
	}
}

// adopted takes a guest out of those that are not ours, once it bears our stamp as its
// manifest asks.
func (r *round) adopted() {
	w := r.git.guests[squatter]
	if _, foreign := r.foreign[squatter]; !foreign || w == nil || !w.adopt {
		return
	}
	g, ok := r.sim.Guest(squatter)
	if !ok || !strings.Contains(g.Config["description"], "berth: pegasus/vm/"+w.name+" ") {
		return
	}
	if !strings.Contains(g.Config["smbios1"], taken) {
		r.fail("adoption", "guest %d is not the one that the manifest names: %v", squatter, g.Config)
	}
	r.tell("adopted %d", squatter)
	delete(r.foreign, squatter)
	r.strange = r.strangers()
}

// neighbours takes all that stands in the cluster for guests that are not ours.
func (r *round) neighbours() {
	for _, g := range r.sim.Guests() {
		r.foreign[g.VMID] = g
	}
	r.strange = r.strangers()
}

// open tells whether the fleet's window, if it has one, is open now, or was when the
// turn began.
func (r *round) open(since time.Time) bool {
	if !r.git.windows {
		return true
	}
	for at := since; !at.After(time.Now().Add(time.Minute)); at = at.Add(time.Minute) {
		if h := at.Add(r.skew).UTC().Hour(); h == 3 || h == 4 {
			return true
		}
	}
	return false
}

// approvals are documents that allow something for ten days.
func (w *wanted) approvals(b *strings.Builder) {
	for _, allow := range slices.Sorted(maps.Keys(w.allowed)) {
		fmt.Fprintf(b, "---\nkind: Approval\nallow: %s\nuntil: %q\nwhy: number %d\n", allow, w.allowed[allow].UTC().Format(time.RFC3339), w.allowed[allow].Unix())
	}
}

// lets tells whether an approval that has not ended allows something.
func (w *wanted) lets(allow string, now time.Time) bool {
	until, ok := w.allowed[allow]
	return ok && now.Before(until)
}
