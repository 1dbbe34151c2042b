package ansible

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/desired"
	"berth/drift"
)

// planned are the hosts that each playbook of a plan is due on.
func planned(p *drift.Plan) map[string][]string {
	all := make(map[string][]string)
	for _, c := range p.Changes {
		for _, f := range c.Fields {
			all[c.String()] = append(all[c.String()], hostOf(f.Path))
		}
	}
	return all
}

func TestDue(t *testing.T) {
	for _, test := range []struct {
		name string
		set  func(b *bench, p *desired.Playbook)
		want map[string][]string
		note string
	}{
		{"nothing has run", func(*bench, *desired.Playbook) {}, map[string][]string{"play/base run": {"web-1", "web-2"}}, ""},
		{"manual", func(_ *bench, p *desired.Playbook) { onDemand(p) }, map[string][]string{}, ""},
		{"created", func(_ *bench, p *desired.Playbook) { p.Runs = []desired.Trigger{{When: desired.RunsCreated}} }, map[string][]string{"play/base run": {"web-1", "web-2"}}, ""},
		{
			"one has run", func(b *bench, p *desired.Playbook) { b.ran(p, "web-1") },
			map[string][]string{"play/base run": {"web-2"}},
			"",
		},
		{
			"a host of an earlier life", func(b *bench, p *desired.Playbook) {
				b.ran(p, "web-1")
				b.ran(p, "web-2")
				b.lives[1].Facts[desired.FactInstance] = "made anew"
			}, map[string][]string{"play/base run": {"web-2"}}, "",
		},
		{
			"one is stopped on purpose", func(b *bench, _ *desired.Playbook) { b.fleet.Guest("vm/web-2").State = desired.Stopped },
			map[string][]string{"play/base run": {"web-1"}},
			"runs on vm/web-2 when its manifest no longer says state: stopped",
		},
		{
			"a host no longer targeted", func(b *bench, p *desired.Playbook) {
				b.ran(p, "web-2")
				p.Targets = p.Targets[:1]
				delete(p.Due, "web-2")
			}, map[string][]string{"play/base run": {"web-1"}}, "",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t, "")
			b.guest("web-1", nil)
			b.guest("web-2", nil)
			test.set(b, b.play("base", "[]", "web-1", "web-2"))
			plan, _ := b.plan(t.Context())
			if diff := cmp.Diff(test.want, planned(plan)); diff != "" {
				t.Errorf("due (-want +got):\n%s", diff)
			}
			for _, c := range plan.Changes {
				if c.Held != "" || c.Fields[0].Held != "" {
					t.Errorf("held: %+v", c)
				}
			}
			notes := []drift.Note{{}}
			if len(plan.Notes) > 0 {
				notes = plan.Notes
			}
			if len(notes) != 1 || notes[0].Text != test.note {
				t.Errorf("noted is %+v, want %q", notes, test.note)
			}
		})
	}
}

// onDemand makes a playbook one that runs when somebody asks for it, as the loader does.
func onDemand(p *desired.Playbook) {
	p.Runs = []desired.Trigger{{When: desired.RunsManual}}
	for host, run := range p.Due {
		p.Due[host] = desired.Run{Guest: run.Guest, Play: run.Play, OnDemand: true}
	}
}

// ran notes that a playbook has run as it is now.
func (b *bench) ran(p *desired.Playbook, host string) {
	leaf, _ := p.Due[host].Resolve(drift.NewWorld(b.fleet, b.lives).Fact)
	b.memory.runs["play/"+p.Name+" "+host] = leaf.(desired.Run).Digest
}

func TestOrder(t *testing.T) {
	b := newBench(t, "")
	for _, name := range []string{"a", "b", "c"} {
		b.guest(name, nil)
	}
	b.play("base", "[]", "a", "b").Order = 10
	b.play("web", "[]", "b", "c")
	b.play("last", "[]", "c").After = desired.List{"play/base"}
	// As the loader gives them.
	b.fleet.Resource("play/web").Needs = []desired.ID{"edge/main", "play/base", "vm/b", "vm/c"}
	b.fleet.Resource("play/last").Needs = []desired.ID{"play/base", "vm/c"}
	plan, _ := b.plan(t.Context())
	type wait struct {
		Needs []desired.ID
		Wait  []drift.Key
		Hosts map[string][]desired.ID
		After map[string][]drift.FieldKey
		Lanes []string
	}
	have := make(map[string]wait)
	for _, c := range plan.Changes {
		w := wait{Needs: c.Needs, Wait: c.Wait, Hosts: make(map[string][]desired.ID), Lanes: c.Lanes}
		for _, f := range c.Fields {
			w.Hosts[hostOf(f.Path)] = f.Needs
			if f.WaitFields != nil {
				w.After = map[string][]drift.FieldKey{hostOf(f.Path): f.WaitFields}
			}
		}
		have[c.String()] = w
	}
	want := map[string]wait{
		"play/base run": {Hosts: map[string][]desired.ID{"a": {"vm/a"}, "b": {"vm/b"}}, Lanes: []string{"plays", "on:a", "on:b"}},
		"play/web run": {
			Needs: []desired.ID{"edge/main"}, Lanes: []string{"plays", "on:b", "on:c"},
			Hosts: map[string][]desired.ID{"b": {"vm/b"}, "c": {"vm/c"}},
			After: map[string][]drift.FieldKey{"b": {{Key: drift.Key{ID: "play/base", Step: drift.Run}, Path: "hosts.b"}}},
		},
		"play/last run": {
			Needs: []desired.ID{"play/base"}, Wait: []drift.Key{{ID: "play/base", Step: drift.Run}}, Lanes: []string{"plays", "on:c"},
			Hosts: map[string][]desired.ID{"c": {"vm/c"}},
		},
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	if first := plan.Changes[0].String(); first != "play/base run" {
		t.Errorf("first comes %s", first)
	}
}

// A guest that is being taken over has no instance of its own before it bears its stamp,
// and nobody has seen it ready: what is due there runs in the next turn, be it asked for.
func TestNotBeforeItIsOurs(t *testing.T) {
	for _, asked := range []bool{false, true} {
		b := newBench(t, "")
		b.guest("web-1", nil)
		b.guest("web-2", nil)
		p := b.play("base", "[]", "web-1", "web-2")
		if asked {
			onDemand(p)
			b.memory.asked["play/base web-1"], b.memory.asked["play/base web-2"] = "a webhook", "a webhook"
		}
		delete(b.lives[1].Facts, desired.FactInstance)
		plan, _ := b.plan(t.Context())
		for _, f := range plan.Changes[0].Fields {
			want := map[string]string{"web-2": "vm/web-2 becomes ours in this turn: the next one runs what is due there"}[hostOf(f.Path)]
			if f.Held != want {
				t.Errorf("asked for %v, %s is held by %q, want %q", asked, f.Path, f.Held, want)
			}
		}
	}
}
