package drift_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"berth/desired"
	"berth/drift"
)

// random makes what a turn may meet: guests wanted, live, both, archived,
// protected, needing one another, in circles even; names and playbooks on them;
// things unread and foreign.
func random(r *rand.Rand) drift.Input {
	var in drift.Input
	var wanted []*desired.Resource
	var ids []desired.ID
	n := 1 + r.IntN(8)
	name := func() string { return fmt.Sprintf("g%d", r.IntN(n)) }
	have := edgeSpec()
	for i := range n {
		guestName := fmt.Sprintf("g%d", i)
		address := []string{"", fmt.Sprintf("10.1.1.%d", i+1)}[r.IntN(2)]
		if r.IntN(3) > 0 {
			w := guest(guestName, address)
			w.Spec.(*desired.VM).Memory.Size = desired.Size(r.IntN(2)) * desired.GiB
			w.Set.Put("memory.size", desired.Source{Line: 1})
			for range r.IntN(3) {
				w.Needs = append(w.Needs, desired.ID("vm/"+name()))
			}
			wanted, ids = append(wanted, w), append(ids, w.ID)
		}
		if r.IntN(3) > 0 {
			l := up(guestName, address)
			l.Protected, l.Archived = r.IntN(4) == 0, r.IntN(4) == 0
			if r.IntN(5) == 0 {
				l.Site = "paris"
			}
			in.Observed.Lives = append(in.Observed.Lives, l)
			if address != "" && r.IntN(2) == 0 {
				have.TLS.Routes[guestName+".example.com"] = desired.Target{Text: address + ":443"}
			}
		}
	}
	var routes []string
	for range r.IntN(4) {
		routes = append(routes, name()+".example.com", "vm/"+name()+":443")
	}
	e := edge(routes...)
	if len(ids) > 0 {
		wanted = append(wanted, play("base", ids...))
		if r.IntN(2) == 0 {
			e.Needs = append(e.Needs, "play/base")
		}
	}
	in.Fleet = fleet(append(wanted, e)...)
	in.Observed.Lives = append(in.Observed.Lives, drift.Live{ID: e.ID, Spec: have})
	for range r.IntN(3) {
		in.Observed.Blind = append(in.Observed.Blind, []drift.Blind{
			{ID: desired.ID("vm/" + name()), Reason: "403"}, {Site: "paris", Reason: "401"}, {Kind: desired.KindEdge, Reason: "no right"},
		}[r.IntN(3)])
	}
	for range r.IntN(2) {
		in.Observed.Foreign = append(in.Observed.Foreign, drift.Foreign{ID: desired.ID("vm/" + name()), What: "ct 118", Reason: "it has no stamp"})
	}
	return in
}

// TestEveryPlan asks of many plans what must hold for each.
func TestEveryPlan(t *testing.T) {
	met := make(map[string]int) // A property that nothing was asked of is not tested.
	for seed := range uint64(800) {
		in := random(rand.New(rand.NewPCG(seed, 1)))
		free := plan(t, in)
		in.Guards = []drift.Guard{drift.Ownership(), drift.Protection(), drift.Unknown(), drift.Amount(desired.Guards{Deletes: 2, Percent: 100})}
		p := plan(t, in)
		if again := plan(t, in); again.Digest != p.Digest {
			t.Fatalf("seed %d: made again it is another plan", seed)
		}
		if a, b := sortedKeys(free), sortedKeys(p); !slices.Equal(a, b) {
			t.Fatalf("seed %d: guards made %v of %v", seed, b, a)
		}
		for _, problem := range check(p, met) {
			t.Errorf("seed %d: %s\n%v", seed, problem, keys(p))
		}
		if t.Failed() {
			break
		}
	}
	for _, rule := range []string{"wait", "field wait", "held wait", "held field wait", "circle", "stop", "drain"} {
		if met[rule] < 20 {
			t.Errorf("only %d plans were asked about: %s", met[rule], rule)
		}
	}
}

// check lists what does not hold for a plan.
func check(p *drift.Plan, met map[string]int) (problems []string) {
	bad := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	at := make(map[drift.Key]int)
	for i, c := range p.Changes {
		if _, twice := at[c.Key]; twice {
			bad("%s is there twice", c.Key)
		}
		at[c.Key] = i
	}
	for i := range p.Changes {
		c := &p.Changes[i]
		circle := strings.HasPrefix(c.Held, "waits for itself")
		if circle {
			met["circle"]++
		}
		for _, k := range c.Wait {
			j, there := at[k]
			if !there {
				bad("%s waits for %s, which is not in the plan", c.Key, k)
				continue
			}
			met["wait"]++
			if j >= i && !circle {
				bad("%s comes before %s, for which it waits", c.Key, k)
			}
			if p.Changes[j].Held != "" {
				met["held wait"]++
				if c.Held == "" {
					bad("%s goes, but waits for %s, which is held", c.Key, k)
				}
			}
		}
		for _, f := range c.Fields {
			for _, k := range f.Wait {
				met["field wait"]++
				j, there := at[k]
				if !there || j >= i && !circle {
					bad("%s %s comes before %s", c.Key, f.Path, k)
					continue
				}
				if p.Changes[j].Held != "" {
					met["held field wait"]++
					if f.Held == "" && c.Held == "" {
						bad("%s %s goes, but waits for %s, which is held", c.Key, f.Path, k)
					}
				}
			}
			if f.After.From != "" && len(f.Wait) == 0 && f.Held == "" && c.Held == "" {
				bad("%s %s goes, but nobody makes its value known", c.Key, f.Path)
			}
		}
		if c.Step == drift.Stop {
			if last := p.Change(drift.Key{ID: c.ID, Step: drift.Archive}); last != nil && last.Held != "" {
				met["stop"]++
				if c.Held == "" {
					bad("%s is stopped, though its archive is held", c.ID)
				}
			}
		}
		if c.Step == drift.Drain {
			for _, f := range c.Fields {
				for _, id := range f.Frees {
					if last := p.Change(drift.Key{ID: id, Step: drift.Archive}); last != nil && last.Held != "" {
						met["drain"]++
						if c.Held == "" && f.Held == "" {
							bad("%s of %s is taken away, though it stays", f.Path, id)
						}
					}
				}
			}
		}
		for _, b := range p.Blind {
			if b.Covers(c.ID, c.Site) {
				bad("%s is planned, though it is unknown: %+v", c.Key, b)
			}
		}
	}
	return problems
}

func sortedKeys(p *drift.Plan) []string {
	var all []string
	for _, c := range p.Changes {
		all = append(all, c.String())
	}
	slices.Sort(all)
	return all
}

func BenchmarkMake(b *testing.B) {
	for _, n := range []int{100, 1_000, 10_000} {
		var resources []*desired.Resource
		var lives []drift.Live
		routes := make([]string, 0, 2*n)
		for i := range n {
			w := guest(fmt.Sprintf("g%05d", i), fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255))
			if i > 0 && i%10 == 0 {
				w.Needs = []desired.ID{"vm/g00000"}
			}
			resources = append(resources, w)
			routes = append(routes, w.ID.Name()+".example.com", string(w.ID)+":443")
			if i%2 == 0 {
				lives = append(lives, up(w.ID.Name(), ""))
			}
		}
		f := fleet(append([]*desired.Resource{edge(routes...)}, resources...)...)
		f = f.Of(f.Resources) // As a loaded one, it finds resources by their ids at once.
		in := drift.Input{
			Fleet: f, Observed: drift.Observed{Lives: lives},
			Steps:  map[string]drift.Steps{desired.KindVM: guests, desired.KindEdge: edges},
			Guards: []drift.Guard{drift.Ownership(), drift.Protection(), drift.Unknown(), drift.Amount(desired.Guards{Deletes: 3, Percent: 100})},
		}
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := drift.Make(in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
