package turn_test

import (
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/applyers/proxmox/pvesim"
)

// state is what a history has come to, and by which ways.
type state struct {
	// Guests are all guests, those that are not ours byte for byte.
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
	{regexp.MustCompile(`\b(instance)=[0-9a-f]{16}`), "$1="},
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

// state is how things stand; from is the first request that counts.
func (l *land) state(from int) state {
	s := state{Tasks: make(map[string]int), Written: make(map[string]int)}
	own := make(map[int]bool)
	for _, g := range l.sim.Guests() {
		if own[g.VMID] = strings.Contains(g.Config["description"], "berth: "); own[g.VMID] {
			g.Digest = ""
			for key, value := range g.Config {
				g.Config[key] = masked(value)
			}
		}
		s.Guests = append(s.Guests, g)
	}
	for _, v := range l.sim.Volumes() {
		if own[v.Owner] && v.Data != nil {
			v.SHA256 = "" // A seed names the instance and the MACs.
		}
		v.Data = nil // Its sum tells.
		s.Volumes = append(s.Volumes, v)
	}
	for _, t := range l.sim.Tasks() {
		if t.Exit == "OK" {
			s.Tasks[t.Type+" "+masked(t.ID)]++
		}
	}
	for _, r := range l.sim.Requests()[from:] {
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
	text, _ := url.QueryUnescape(form.Encode())
	return masked(fmt.Sprintf("%s %s %s", r.Method, r.Path, text))
}

// as asserts that this is where an undisturbed life has come to: nothing is there
// twice, nothing is lost, and nothing was asked for oftener.
func (s state) as(t *testing.T, want state) {
	t.Helper()
	// To look for the difference takes far longer than to see that there is none.
	if !reflect.DeepEqual(want.Guests, s.Guests) {
		t.Errorf("guests are not as after an undisturbed turn (-): %s", cmp.Diff(want.Guests, s.Guests))
	}
	if !reflect.DeepEqual(want.Volumes, s.Volumes) {
		t.Errorf("volumes are not as after an undisturbed turn (-): %s", cmp.Diff(want.Volumes, s.Volumes))
	}
	for _, counts := range [][2]map[string]int{{s.Tasks, want.Tasks}, {s.Written, want.Written}} {
		for _, what := range slices.Sorted(maps.Keys(counts[0])) {
			most := counts[1][what]
			if ofSeed(what) {
				most++
			}
			if counts[0][what] > most {
				t.Errorf("%d times, not %d: %s", counts[0][what], most, what)
			}
		}
	}
}

// left sums up what a dead agent has left behind: what it has done since a request,
// what of that runs, and what its journal says, but for times. A life that went no
// other way than one before it has left the same.
func (l *land) left(from int) string {
	var b strings.Builder
	for _, r := range l.sim.Requests()[from:] {
		if r.Write() {
			path, _, _ := strings.Cut(r.Path, "/berth-")
			fmt.Fprintln(&b, r.Method, path, r.Status < 400)
		}
	}
	for _, t := range l.sim.Tasks() {
		fmt.Fprintln(&b, t.Type, t.ID, t.Exit)
	}
	files, err := filepath.Glob(l.path("journal/2*"))
	if err != nil {
		l.t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			l.t.Fatal(err)
		}
		fmt.Fprintln(&b, filepath.Ext(file))
		for line := range strings.Lines(string(text)) {
			// {"at":"…","key":{"id":"vm/web","step":"create"},"task":"pve:home:UPID:…"}
			_, what, _ := strings.Cut(line, `"key":`)
			what, _, _ = strings.Cut(what, `"outcome":`)
			what, task, _ := strings.Cut(what, "UPID:")
			words := strings.Split(task, ":")
			fmt.Fprintln(&b, what, words[max(0, len(words)-4):], strings.HasSuffix(line, "\n"))
		}
	}
	return b.String()
}

// ofSeed tells whether a seed is uploaded or removed. One that was uploaded and that
// no guest holds yet is uploaded again by who comes after: a new guest is another
// instance, and of a file of the same name nobody can tell whether it is whole. All
// are removed.
func ofSeed(what string) bool {
	return strings.Contains(what, "=berth-") || strings.Contains(what, "import/berth-") || strings.HasPrefix(what, "imgcopy ") || strings.HasPrefix(what, "imgdel ")
}
