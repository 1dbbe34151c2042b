package ansible

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"berth/applyers"
	"berth/applyers/applyertest"
	"berth/desired"
)

// TestApplyer holds playbooks to what every applyer must hold to. A write is a
// run of the program, or something remembered.
func TestApplyer(t *testing.T) {
	applyertest.Run(t, func(t testing.TB) applyertest.World {
		ran := filepath.Join(t.TempDir(), "ran")
		b := newBench(t, fake(t, "echo run >> "+ran+`
tell '{"event":"task","name":"Install"}'
while read host; do tell '{"event":"host","host":"'$host'","ok":1}'; done < ${BERTH_EVENTS%/events}/limit
ended; tell '{"event":"stats"}'`))
		b.guest("web-1", nil)
		b.guest("web-2", nil)
		guests := b.fleet.Resources
		plays := func(digests ...string) *desired.Fleet {
			b.fleet = &desired.Fleet{Resources: guests}
			for i, digest := range digests {
				name := string(rune('a' + i))
				p := b.play(name, "[]", "web-1", "web-2")
				p.Order = i
				for host, run := range p.Due {
					run.Digest = digest
					p.Due[host] = run
				}
			}
			return b.fleet
		}
		at := &atWrite{Memory: b.memory}
		another := func() applyers.Applyer {
			o := b.Options
			o.Memory = at
			a, err := New(o)
			if err != nil {
				t.Fatal(err)
			}
			return a
		}
		return applyertest.World{
			Applyer: another(), Another: another,
			Fleet: plays("first", "first"), Next: []*desired.Fleet{plays("second", "first"), plays("second", "third", "first")},
			Others: b.lives,
			Writes: func() int {
				text, _ := os.ReadFile(ran)
				return strings.Count(string(text), "run") + at.count()
			},
			Things: func() []string {
				b.nothingLeft()
				return b.memory.hosts()
			},
			Damage: func() {
				b.memory.mu.Lock()
				defer b.memory.mu.Unlock()
				delete(b.memory.runs, "play/b web-2")
			},
			AtWrite: at.set,
		}
	})
}

// atWrite counts what is remembered, and calls something in the middle.
type atWrite struct {
	Memory

	mu         sync.Mutex
	made, left int
	do         func()
}

func (a *atWrite) set(n int, do func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.left, a.do = n, do
}

func (a *atWrite) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.made
}

func (a *atWrite) Remember(play desired.ID, runs map[string]string) error {
	a.mu.Lock()
	a.made++
	a.left--
	now := a.do != nil && a.left == 0
	a.mu.Unlock()
	if now {
		a.do()
	}
	return a.Memory.Remember(play, runs)
}
