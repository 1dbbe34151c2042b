package ansible

import (
	"fmt"
	"io/fs"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"berth/applyers"
	"berth/desired"
	"berth/drift"
)

// counting is a tree that counts how often its files are opened.
type counting struct {
	fstest.MapFS
	opened *atomic.Int64
}

func (c counting) Open(name string) (fs.File, error) {
	if strings.HasPrefix(name, "ansible/") && strings.HasSuffix(name, ".yml") {
		c.opened.Add(1)
	}
	return c.MapFS.Open(name)
}

func (c counting) ReadFile(name string) ([]byte, error) {
	if strings.HasPrefix(name, "ansible/") && strings.HasSuffix(name, ".yml") {
		c.opened.Add(1)
	}
	return c.MapFS.ReadFile(name)
}

// crowd is a fleet of many hosts and some playbooks for all of them.
func crowd(t testing.TB, hosts, plays int) (*desired.Fleet, *atomic.Int64) {
	t.Helper()
	var text strings.Builder
	text.WriteString("kind: Fleet\nname: demo\nuid: 5b1f0c2e\n")
	for i := range hosts {
		fmt.Fprintf(&text, "---\nkind: Host\nname: h-%d\naddress: 10.1.%d.%d\ngroups: [g%d]\nvars: {x: %d}\n", i, i/250, i%250+1, i%7, i)
	}
	files := fstest.MapFS{"ansible/.berthignore": {}}
	for i := range plays {
		fmt.Fprintf(&text, "---\nkind: Playbook\nname: p-%d\npath: ansible/p%d.yml\nhosts: all\norder: %d\n", i, i, i)
		files[fmt.Sprintf("ansible/p%d.yml", i)] = &fstest.MapFile{Data: []byte("[]\n")}
	}
	files["fleet.yaml"] = &fstest.MapFile{Data: []byte(text.String())}
	opened := new(atomic.Int64)
	fleet, err := desired.Load(counting{files, opened})
	if err != nil {
		t.Fatal(err)
	}
	return fleet, opened
}

// Each file of a playbook is read once a commit, whatever many hosts and playbooks
// there are, and never to see who is due.
func TestDueReadsFilesOnce(t *testing.T) {
	fleet, opened := crowd(t, 200, 5)
	if n := opened.Load(); n > 5 {
		t.Errorf("loading has read the files of 5 playbooks %d times", n)
	}
	opened.Store(0)
	b := newBench(t, "")
	b.fleet = fleet
	for range 2 {
		plan, _ := b.plan(t.Context())
		if len(plan.Changes) != 5 || len(plan.Changes[0].Fields) != 200 {
			t.Errorf("%d changes", len(plan.Changes))
		}
	}
	if n := opened.Load(); n > 0 {
		t.Errorf("looking has read %d files", n)
	}
}

// BenchmarkDue is the look at 10 playbooks for 200 hosts, and the plan: where nothing is
// due, and where all is.
func BenchmarkDue(b *testing.B) {
	for _, due := range []bool{false, true} {
		b.Run(fmt.Sprintf("due=%v", due), func(b *testing.B) {
			fleet, _ := crowd(b, 200, 10)
			bench := newBench(b, "")
			bench.fleet = fleet
			if !due {
				for _, r := range fleet.Resources {
					play, ok := r.Spec.(*desired.Playbook)
					if !ok {
						continue
					}
					for host, run := range play.Due {
						leaf, _ := run.Resolve(drift.NewWorld(fleet, nil).Fact)
						bench.memory.runs[string(r.ID)+" "+host] = leaf.(desired.Run).Digest
					}
				}
			}
			for b.Loop() {
				seen, err := bench.Observe(b.Context(), fleet, applyers.Scope{})
				if err != nil {
					b.Fatal(err)
				}
				plan, err := drift.Make(drift.Input{Fleet: fleet, Observed: seen, Steps: map[string]drift.Steps{desired.KindPlaybook: bench.Steps}})
				if err != nil || (len(plan.Changes) > 0) != due {
					b.Fatal(len(plan.Changes), err)
				}
			}
		})
	}
}
