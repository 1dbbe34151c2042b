package explain_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/desired"
	"berth/drift"
	"berth/drift/explain"
)

const manifests = `
kind: Fleet
name: tested
uid: 5b1f0c2e
windows: [{cron: "0 3 * * *", for: 2h, zone: UTC}]
---
kind: Site
name: home
endpoints: ["https://10.1.1.11:8006"]
token: {secret: pve}
node: pve1
storage: {ssd: {store: local-lvm}}
images: local
networks: {lan: {bridge: vmbr0, subnet: 10.1.1.0/24}}
---
kind: Image
name: debian
url: https://example.com/debian-12.tar.zst
sha256: 9f8a0d84b81a1d481aafca2337cb9f0c1fdf697239ac488177cf29c97d706c25
---
kind: Profile
name: small
memory: 512MiB
tags: [lab]
---
kind: Container
name: web
id: 201
uses: [small]
ignore: [tags]
lifecycle: {reboot: window}
disks: {rootfs: {image: debian, storage: ssd, size: 8GiB}}
networks: {net0: {address: 10.1.1.5}}
---
kind: Host
name: nas
address: 10.1.1.9
---
kind: Playbook
name: base
path: ansible/base.yml
hosts: web:nas
---
kind: Edge
name: main
tls: {routes: {web.example.net: "ct/web:443"}, default: reject}
---
kind: Approval
allow: delete ct/web
until: 2026-12-01
why: moved
---
kind: Approval
allow: delete ct/gone
until: 2026-11-01
`

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// world is what explanations are made of.
type world struct {
	*testing.T
	input drift.Input
	waits map[desired.ID][]explain.Wait
}

func newWorld(t *testing.T) *world {
	t.Helper()
	fleet, err := desired.Load(fstest.MapFS{
		"fleet.yaml":           {Data: []byte(manifests)},
		"ansible/.berthignore": {},
		"ansible/base.yml":     {Data: []byte("- hosts: all\n  tasks: []\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	steps := func(_ *drift.World, want *desired.Resource, have *drift.Live, fields []drift.Field) []drift.Change {
		switch {
		case want == nil:
			return []drift.Change{{Key: drift.Key{ID: have.ID, Step: drift.Archive}, Reason: "gone from Git"}}
		case have == nil && want.ID.Kind() != desired.KindPlaybook:
			return []drift.Change{{Key: drift.Key{ID: want.ID, Step: drift.Create}, Fields: fields, Reason: "new in Git"}}
		case len(fields) > 0 && want.ID.Kind() == desired.KindPlaybook:
			return []drift.Change{{Key: drift.Key{ID: want.ID, Step: drift.Run}, Fields: fields}}
		case len(fields) > 0:
			return []drift.Change{{Key: drift.Key{ID: want.ID, Step: drift.Online}, Fields: fields}}
		}
		return nil
	}
	kinds := map[string]drift.Steps{desired.KindContainer: steps, desired.KindPlaybook: steps, desired.KindEdge: steps, desired.KindImage: nil}
	return &world{T: t, input: drift.Input{Commit: "aaaa", Fleet: fleet, Now: now, Steps: kinds}, waits: map[desired.ID][]explain.Wait{}}
}

// is lets a container of the fleet be live, edited.
func (w *world) is(id desired.ID, edit func(*desired.Container), live drift.Live) {
	spec := *w.input.Fleet.Resource(id).Spec.(*desired.Container)
	if edit != nil {
		edit(&spec)
	}
	live.ID, live.Site, live.Spec = id, "home", &spec
	w.input.Observed.Lives = append(w.input.Observed.Lives, live)
}

func (w *world) explain(id desired.ID) *explain.Explanation {
	w.Helper()
	plan, err := drift.Make(w.input)
	if err != nil {
		w.Fatal(err)
	}
	return explain.Of(id, explain.Input{Fleet: w.input.Fleet, World: w.input.World(), Plan: plan, Waits: w.waits, Now: now})
}

// brief is a value in a line.
func brief(e *explain.Explanation, path desired.Path) string {
	for _, f := range e.Fields {
		if f.Path == path {
			text := fmt.Sprintf("%s %s→%s", f.Rule, f.Live, f.Desired)
			if f.Source.File != "" {
				text += " " + f.Source.String()
			}
			if f.Differs {
				text += " differs"
			}
			return strings.TrimSpace(text + " " + f.Held)
		}
	}
	return ""
}

func (w *world) wants(e *explain.Explanation, standing string, values map[desired.Path]string) {
	w.Helper()
	if e == nil {
		w.Fatal("nothing is explained")
	}
	if e.Standing != standing {
		w.Errorf("it stands: %q, want %q", e.Standing, standing)
	}
	for path, want := range values {
		if got := brief(e, path); got != want {
			w.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

func TestWhereValuesComeFrom(t *testing.T) {
	w := newWorld(t)
	w.is("ct/web", func(c *desired.Container) { c.Memory, c.Tags = desired.GiB, nil }, drift.Live{
		Running: true, Protected: true, Facts: map[string]string{desired.FactInstance: "abc"}, By: map[desired.Path]string{"memory": "root@pam"},
	})
	w.input.Guards = []drift.Guard{func(_ *drift.World, p *drift.Plan) { p.Changes[0].Fields[0].Held = "not on a Saturday" }}
	w.waits["ct/web"] = []explain.Wait{{Until: now.Add(time.Minute), Reason: "it was reset"}}
	e := w.explain("ct/web")
	w.wants(e, "there, and not as Git says: 1 to change", map[desired.Path]string{
		"memory":               "enforced 1GiB→512MiB fleet.yaml:23 (profile/small) differs not on a Saturday",
		"tags":                 "ignored →lab fleet.yaml:24 (profile/small)",
		"disks.rootfs.size":    "enforced 8GiB→8GiB fleet.yaml:32",
		"disks.rootfs.image":   "settled at creation debian→debian fleet.yaml:32",
		"networks.net0.bridge": "",
	})
	if len(e.Steps) != 1 || len(e.Waits) != 1 || e.Source.Line != 26 {
		t.Errorf("steps %v, waits %v, source %v", e.Steps, e.Waits, e.Source)
	}
	want := []drift.Trait{{Name: "running", Text: "yes"}, {Name: "protected", Text: "yes: it is never taken away"}, {Name: "address", Text: "10.1.1.5"}, {Name: "instance", Text: "abc"}}
	if diff := cmp.Diff(want, e.Traits); diff != "" {
		t.Errorf("traits (-want +got):\n%s", diff)
	}
	if e.Windows != "the next maintenance window opens Sun 22 Nov 2026 03:00 UTC" {
		t.Errorf("windows: %q", e.Windows)
	}
	if diff := cmp.Diff([]explain.Approval{{Allow: "delete ct/web", Until: "2026-12-01", Why: "moved", Source: e.Approvals[0].Source}}, e.Approvals); diff != "" {
		t.Errorf("approvals (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]explain.Play{{ID: "play/base", Source: e.Playbooks[0].Source, Due: true, Reason: "it has not run here"}}, e.Playbooks); diff != "" {
		t.Errorf("playbooks (-want +got):\n%s", diff)
	}
	if len(e.Names) != 1 || e.Names[0].Name != "web.example.net" || e.Names[0].State != "new" {
		t.Errorf("names %+v", e.Names)
	}
	if text, err := json.Marshal(e); err != nil || !strings.Contains(string(text), `"layer":"profile/small"`) {
		t.Errorf("%v %s", err, text)
	}
}

// TestWhatLiveCannotTell is no value that is gone.
func TestWhatLiveCannotTell(t *testing.T) {
	w := newWorld(t)
	spec := *w.input.Fleet.Resource("ct/web").Spec.(*desired.Container)
	root := spec.Disks["rootfs"]
	root.Image = ""
	spec.Disks = map[string]desired.Disk{"rootfs": root}
	w.input.Observed.Lives = []drift.Live{{ID: "ct/web", Site: "home", Spec: &spec, Running: true}}
	e := w.explain("ct/web")
	w.wants(e, "as Git says", map[desired.Path]string{"disks.rootfs.image": "settled at creation →debian fleet.yaml:32"})
	for _, f := range e.Fields {
		if f.Path == "disks.rootfs.image" && f.Seen {
			t.Error("the image is seen, and is none")
		}
	}
}

func TestWhatIsAsItShallBe(t *testing.T) {
	w := newWorld(t)
	w.input.Observed.Lives = []drift.Live{{ID: "ct/web", Site: "home", Spec: w.input.Fleet.Resource("ct/web").Spec, Running: true}}
	w.wants(w.explain("ct/web"), "as Git says", map[desired.Path]string{
		"memory": "enforced 512MiB→512MiB fleet.yaml:23 (profile/small)",
		"tags":   "ignored →lab fleet.yaml:24 (profile/small)",
	})
}

func TestWhatIsNotThere(t *testing.T) {
	w := newWorld(t)
	w.wants(w.explain("ct/web"), "in Git, and not there yet", map[desired.Path]string{"memory": "enforced →512MiB fleet.yaml:23 (profile/small) differs"})
	w.wants(w.explain("host/nas"), "a Host: it is named and routed to, playbooks run on it, and it is not ours to make or change", nil)
	if e := w.explain("host/nas"); len(e.Playbooks) != 1 || !e.Playbooks[0].Due {
		t.Errorf("playbooks of the host: %+v", e.Playbooks)
	}
	for _, id := range []desired.ID{"ct/none", "host/none", "site/home", ""} {
		if e := w.explain(id); e != nil {
			t.Errorf("%q is explained: %+v", id, e)
		}
	}
}

func TestWhatIsGoneFromGit(t *testing.T) {
	w := newWorld(t)
	w.is("ct/web", nil, drift.Live{Archived: true})
	w.input.Observed.Lives[0].ID = "ct/gone"
	e := w.explain("ct/gone")
	w.wants(e, "gone from Git, ours, and in the archive: its manifest coming back restores it", map[desired.Path]string{"memory": "unmanaged 512MiB→"})
	if len(e.Approvals) != 1 || e.Approvals[0].Void != "it is over" {
		t.Errorf("approvals %+v", e.Approvals)
	}
	w.input.Observed.Lives[0].Archived = false
	w.wants(w.explain("ct/gone"), "gone from Git, and ours: it is taken away as the steps below say", nil)
}

func TestWhatIsUnknownOrForeign(t *testing.T) {
	w := newWorld(t)
	w.input.Observed.Blind = []drift.Blind{{Site: "home", Reason: "401", Remedy: "renew the token"}}
	e := w.explain("ct/web")
	w.wants(e, "unknown: 401; nothing is planned for it", map[desired.Path]string{"memory": "enforced →512MiB fleet.yaml:23 (profile/small)"})
	if e.Remedy != "renew the token" {
		t.Errorf("remedy %q", e.Remedy)
	}
	w.input.Observed = drift.Observed{Foreign: []drift.Foreign{{Site: "home", What: `ct 118 "pihole" on pve1`, Reason: "it has no stamp", Remedy: "adopt it"}}}
	w.wants(w.explain("ct/pihole"), `not ours, and never touched: ct 118 "pihole" on pve1: it has no stamp`, nil)
}

func TestNoSecretIsExplained(t *testing.T) {
	w := newWorld(t)
	w.is("ct/web", func(c *desired.Container) { c.Memory = desired.GiB }, drift.Live{})
	w.input.Guards = []drift.Guard{func(_ *drift.World, p *drift.Plan) {
		f := &p.Changes[0].Fields[0]
		f.Before, f.After = drift.Value{Text: "hunter1", Secret: true}, drift.Value{Text: "hunter2", Secret: true}
	}}
	e := w.explain("ct/web")
	w.wants(e, e.Standing, map[desired.Path]string{"memory": "enforced (secret)→(secret) fleet.yaml:23 (profile/small) differs"})
	if text, err := json.Marshal(e); err != nil || strings.Contains(string(text), "hunter") {
		t.Errorf("%v %s", err, text)
	}
}
