// Package aftermath tells what has become of a simulated cluster, and by which
// writes, so that what a client has come to after an accident can be held against
// what it comes to undisturbed. The package is for tests alone.
package aftermath

import (
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"berth/applyers/proxmox/pvesim"
)

// State is what has become of a cluster.
type State struct {
	// Guests are all guests: those that bear no stamp byte for byte, the others but
	// for what is made up anew in each life, and what a clock tells.
	Guests  []pvesim.Guest
	Volumes []pvesim.Volume
	// Tasks are those that ended well, by type and guest; Written are the writes
	// that were carried out, by what they ask for.
	Tasks, Written map[string]int
}

// made matches what is made up anew in each life, and what is told by a clock.
var made = []struct {
	text *regexp.Regexp
	as   string
}{
	{regexp.MustCompile(`(?i)\b[0-9a-f]{2}(:[0-9a-f]{2}){5}\b`), "MAC"},
	{regexp.MustCompile(`\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b`), "UUID"},
	{regexp.MustCompile(`\bctime=\d+`), "ctime="},
	{regexp.MustCompile(`\binstance=[0-9a-f]{16}`), "instance="},
	{regexp.MustCompile(`\b(archived|reseeded)=\S+`), "$1="},
	{regexp.MustCompile(`\bchecksum=[0-9a-f]{64}`), "checksum="},
	{regexp.MustCompile(`\bberth-(\d+)-[0-9a-f]+`), "berth-$1-"},
}

func masked(text string) string {
	for _, m := range made {
		text = m.text.ReplaceAllString(text, m.as)
	}
	return text
}

// Of is how things stand; from is the first request that counts.
func Of(c *pvesim.Cluster, from int) State {
	s := State{Tasks: make(map[string]int), Written: make(map[string]int)}
	own := make(map[int]bool)
	for _, g := range c.Guests() {
		if own[g.VMID] = strings.Contains(g.Config["description"], "berth: "); own[g.VMID] {
			g.Digest = ""
			for key, value := range g.Config {
				g.Config[key] = masked(value)
			}
		}
		s.Guests = append(s.Guests, g)
	}
	for _, v := range c.Volumes() {
		if own[v.Owner] && v.Data != nil {
			v.SHA256 = "" // A seed names the instance and the MACs.
		}
		v.Data = nil // Its sum tells.
		s.Volumes = append(s.Volumes, v)
	}
	for _, t := range c.Tasks() {
		if t.Exit == "OK" {
			s.Tasks[t.Type+" "+masked(t.ID)]++
		}
	}
	for _, r := range c.Requests()[from:] {
		if r.Write() && r.Status < 400 {
			s.Written[asked(r)]++
		}
	}
	return s
}

// asked is what a request asks for.
func asked(r pvesim.Request) string {
	form := url.Values{}
	for key, values := range r.Form {
		if key != "digest" {
			form[key] = values
		}
	}
	text, err := url.QueryUnescape(form.Encode())
	if err != nil {
		text = form.Encode()
	}
	return masked(fmt.Sprintf("%s %s %s", r.Method, r.Path, text))
}

// Against lists in what this is not where an undisturbed life has come to: nothing
// may be there twice, nothing lost, and nothing asked for oftener. None is nil.
func (s State) Against(undisturbed State) []string {
	var all []string
	// To look for the difference takes far longer than to see that there is none.
	if !reflect.DeepEqual(undisturbed.Guests, s.Guests) {
		all = append(all, "guests are not as after an undisturbed life (-): "+cmp.Diff(undisturbed.Guests, s.Guests))
	}
	if !reflect.DeepEqual(undisturbed.Volumes, s.Volumes) {
		all = append(all, "volumes are not as after an undisturbed life (-): "+cmp.Diff(undisturbed.Volumes, s.Volumes))
	}
	for _, counts := range [][2]map[string]int{{s.Tasks, undisturbed.Tasks}, {s.Written, undisturbed.Written}} {
		for _, what := range slices.Sorted(maps.Keys(counts[0])) {
			most := counts[1][what]
			if ofSeed(what) {
				most++
			}
			if counts[0][what] > most {
				all = append(all, fmt.Sprintf("%d times, not %d: %s", counts[0][what], most, what))
			}
		}
	}
	return all
}

// ofSeed tells whether a seed is uploaded or removed. One that was uploaded and that
// no guest holds yet is uploaded again by who comes after: a new guest is another
// instance, and of a file of the same name nobody can tell whether it is whole. All
// are removed.
func ofSeed(what string) bool {
	return strings.Contains(what, "=berth-") || strings.Contains(what, "import/berth-") ||
		strings.HasPrefix(what, "imgcopy ") || strings.HasPrefix(what, "imgdel ")
}
