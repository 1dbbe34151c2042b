package applyertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/applyers"
	"berth/desired"
	"berth/drift"
)

// shelf is a world of boxes: the smallest that guests can be kept in.
type shelf struct {
	mu     sync.Mutex
	boxes  []box
	writes int
	// left is how many writes there are before do is called.
	left int
	do   func()
}

type box struct {
	name     string
	memory   desired.Size
	archived bool
}

// write changes something, under the lock.
func (s *shelf) write(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	if s.left--; s.left == 0 && s.do != nil {
		s.do()
	}
	change()
}

// find is the place of a box; -1 if there is none.
func (s *shelf) find(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.index(name)
}

func (s *shelf) index(name string) int {
	return slices.IndexFunc(s.boxes, func(b box) bool { return b.name == name })
}

// ensure makes a box, unless it is there.
func (s *shelf) ensure(name string) {
	if s.find(name) >= 0 {
		return
	}
	s.write(func() {
		if s.index(name) < 0 {
			s.boxes = append(s.boxes, box{name: name})
		}
	})
}

func (s *shelf) things() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, b := range s.boxes {
		all = append(all, fmt.Sprintf("%s %s %v", b.name, b.memory, b.archived))
	}
	return all
}

// keeper looks after boxes. fault is what it does wrong; "" is nothing.
type keeper struct {
	shelf *shelf
	fault string

	mu    sync.Mutex
	calls int
	seen  *drift.Observed
	known map[string]bool
}

func (k *keeper) Kinds() []string {
	if k.fault == "has no kinds" {
		return nil
	}
	return []string{desired.KindVM}
}

func (k *keeper) Observe(_ context.Context, _ *desired.Fleet, only applyers.Scope) (drift.Observed, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fault == "writes when it looks" {
		k.shelf.write(func() {})
	}
	if k.fault == "looks once" && k.seen != nil && len(k.seen.Lives) > 0 {
		return *k.seen, nil
	}
	var o drift.Observed
	k.shelf.mu.Lock()
	defer k.shelf.mu.Unlock()
	for _, b := range k.shelf.boxes {
		if k.fault == "overlooks stubs" && b.memory == 0 {
			continue
		}
		spec := &desired.VM{}
		spec.Memory.Size = b.memory
		if k.fault == "can't tell memory" || k.fault == "knows by heart" && !k.known[b.name] || k.fault == "sees less alone" && only.IDs != nil {
			spec.Memory.Size = 0
		}
		o.Lives = append(o.Lives, drift.Live{ID: desired.MakeID(desired.KindVM, b.name), Site: "home", Spec: spec, Archived: b.archived})
	}
	if k.fault == "can't read" && len(o.Lives) > 0 {
		o.Blind = append(o.Blind, drift.Blind{Site: "home", Reason: "401"})
	}
	k.seen = &o
	return o, nil
}

func (k *keeper) Steps(_ *drift.World, want *desired.Resource, have *drift.Live, fields []drift.Field) []drift.Change {
	step := func(id desired.ID, s drift.Step) drift.Change {
		return drift.Change{Key: drift.Key{ID: id, Step: s}, Fields: fields, Lanes: []string{"guest:" + string(id)}}
	}
	switch k.fault {
	case "counts":
		k.calls++
		if len(fields) > 0 {
			fields[0].Held = strconv.Itoa(k.calls)
		}
	case "edits the manifest":
		if want != nil {
			want.Spec.(*desired.VM).Description += "x"
		}
	case "is never done":
		if want != nil && len(fields) == 0 {
			return []drift.Change{step(want.ID, drift.Reboot)}
		}
	}
	switch {
	case want == nil && have.Archived:
		return nil
	case want == nil:
		return []drift.Change{step(have.ID, drift.Stop), step(have.ID, drift.Archive)}
	case have == nil:
		return []drift.Change{step(want.ID, drift.Create), step(want.ID, drift.Ready)}
	case len(fields) > 0:
		return []drift.Change{step(want.ID, drift.Online)}
	}
	return nil
}

func (k *keeper) Apply(ctx context.Context, job applyers.Job, p applyers.Progress) error {
	if ctx.Err() != nil && k.fault != "goes on when stopping" {
		if k.fault == "says it otherwise" {
			return errors.New("interrupted")
		}
		return applyers.ErrLeft
	}
	name := job.ID.Name()
	switch job.Step {
	case drift.Create:
		return k.create(ctx, job, p)
	case drift.Online:
		if k.fault == "trips over stubs" && k.memory(name) == 0 {
			return errors.New("the box is not whole")
		}
		k.fill(name, job.Want.Spec.(*desired.VM).Memory.Size)
	case drift.Archive:
		if i := k.shelf.find(name); i >= 0 && !k.archived(name) {
			k.shelf.write(func() { k.shelf.boxes[i].archived = true })
		}
	case drift.Reboot:
		k.shelf.write(func() {})
	default:
	}
	return nil
}

func (k *keeper) create(ctx context.Context, job applyers.Job, p applyers.Progress) error {
	name := job.ID.Name()
	switch k.fault {
	case "makes another":
		k.shelf.write(func() { k.shelf.boxes = append(k.shelf.boxes, box{name: name}) })
	case "overlooks stubs":
		if k.memory(name) == 0 {
			k.shelf.write(func() { k.shelf.boxes = append(k.shelf.boxes, box{name: name}) })
		}
	case "looks, then leaps":
		if k.shelf.find(name) < 0 {
			<-time.After(time.Second)
			k.shelf.write(func() { k.shelf.boxes = append(k.shelf.boxes, box{name: name}) })
		}
	case "refuses what is there":
		if k.shelf.find(name) >= 0 {
			return errors.New("already exists")
		}
		k.shelf.ensure(name)
	default:
		k.shelf.ensure(name)
	}
	if err := p.Task("task:" + name); err != nil {
		return err
	}
	if ctx.Err() != nil && k.fault != "goes on when stopping" {
		if k.fault == "gives up in the middle" {
			return errors.New("interrupted")
		}
		return applyers.ErrLeft
	}
	k.fill(name, job.Want.Spec.(*desired.VM).Memory.Size)
	k.mu.Lock()
	if k.known == nil {
		k.known = make(map[string]bool)
	}
	k.known[name] = true
	k.mu.Unlock()
	return nil
}

func (k *keeper) memory(name string) desired.Size {
	k.shelf.mu.Lock()
	defer k.shelf.mu.Unlock()
	if i := k.shelf.index(name); i >= 0 {
		return k.shelf.boxes[i].memory
	}
	return 0
}

func (k *keeper) archived(name string) bool {
	k.shelf.mu.Lock()
	defer k.shelf.mu.Unlock()
	i := k.shelf.index(name)
	return i >= 0 && k.shelf.boxes[i].archived
}

// fill gives a box its memory; the newest where there are doubles.
func (k *keeper) fill(name string, size desired.Size) {
	if k.memory(name) == size && k.fault != "makes another" && k.fault != "looks, then leaps" && k.fault != "overlooks stubs" {
		return
	}
	k.shelf.write(func() {
		for i := range k.shelf.boxes {
			if k.shelf.boxes[i].name == name && (k.fault != "overlooks stubs" || i == len(k.shelf.boxes)-1) {
				k.shelf.boxes[i].memory = size
			}
		}
	})
}

func machines(sizes ...desired.Size) *desired.Fleet {
	f := &desired.Fleet{}
	for i, size := range sizes {
		if size == 0 {
			continue
		}
		spec := &desired.VM{}
		spec.Memory.Size = size
		f.Resources = append(f.Resources, &desired.Resource{
			ID: desired.MakeID(desired.KindVM, string(rune('a'+i))), Site: "home", Spec: spec,
			Set: desired.SettingsOf(map[desired.Path]desired.Source{"memory.size": {File: "a.yaml", Line: 1}}),
		})
	}
	return f
}

// setup makes shelves for a keeper with a fault.
func setup(fault string) Setup {
	return func(testing.TB) World {
		s := &shelf{}
		another := func() applyers.Applyer { return &keeper{shelf: s, fault: fault} }
		return World{
			Applyer: another(), Another: another,
			Fleet: machines(desired.GiB, desired.GiB), Next: []*desired.Fleet{machines(2*desired.GiB, 0, desired.GiB)},
			Writes: func() int {
				s.mu.Lock()
				defer s.mu.Unlock()
				return s.writes
			},
			Things: s.things,
			Damage: func() {
				if len(s.boxes) > 0 {
					s.boxes[0].memory = desired.MiB
				}
			},
			AtWrite: func(n int, do func()) {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.left, s.do = n, do
			},
		}
	}
}

// rules joins the names of the rules that an error list is of.
func rules(broken map[string]error) string {
	var all []string
	for _, c := range checks() {
		if err := broken[c.name]; err != nil {
			all = append(all, c.name+": "+err.Error())
		}
	}
	return strings.Join(all, "\n")
}
