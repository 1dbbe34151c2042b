package desired

import (
	"slices"
	"testing"
	"time"
)

// TestRunEqual holds when a host is due.
func TestRunEqual(t *testing.T) {
	for name, test := range map[string]struct {
		live, want Run
		same       bool
	}{
		"the same":                {Run{Digest: "a"}, Run{Digest: "a"}, true},
		"another":                 {Run{Digest: "a"}, Run{Digest: "b"}, false},
		"never":                   {Run{}, Run{Digest: "b"}, false},
		"due all the same":        {Run{Digest: "a", Due: "asked for"}, Run{Digest: "a"}, false},
		"on demand":               {Run{Digest: "a"}, Run{OnDemand: true}, true},
		"on demand, never":        {Run{}, Run{OnDemand: true}, true},
		"on demand, and demanded": {Run{Due: "its schedule came"}, Run{OnDemand: true}, false},
	} {
		if test.live.Equal(test.want) != test.same || test.want.Equal(test.live) != test.same {
			t.Errorf("%s: not %v", name, test.same)
		}
	}
	long := Run{Digest: "0123456789abcdef"}
	if long.String() != "0123456789ab" || (Run{Due: "asked for"}).String() != "asked for" || (Run{OnDemand: true}).String() != "a run when it is due" || (Run{Digest: "a"}).String() != "a" {
		t.Errorf("%s", long)
	}
}

// TestRunResolve holds what is asked for, and that each answer counts.
func TestRunResolve(t *testing.T) {
	known := map[string]string{"vm/a instance": "1", "play/p version a": "v1", "play/p version nas": "v1"}
	fact := func(id ID, fact string) (string, bool) {
		value, ok := known[string(id)+" "+fact]
		return value, ok
	}
	resolve := func(r Run) string {
		leaf, from := r.Resolve(fact)
		if from != "" {
			return "waits for " + from
		}
		return leaf.(Run).Digest
	}
	refs := []SecretRef{{Secret: "apps"}}
	guest := Run{Digest: "d", Guest: "vm/a", Play: "play/p"}
	secret, git := guest, guest
	secret.Secrets, git.Git = refs, true
	host := Run{Digest: "d", Guest: "host/nas", Play: "play/p"}
	hostSecret := host
	hostSecret.Secrets = refs
	first := []string{resolve(guest), resolve(secret), resolve(host), resolve(hostSecret)}
	if slices.Contains(first[:2], "d") || first[0] == first[1] || first[1] != resolve(git) || len(first[0]) != 64 {
		t.Errorf("%q", first)
	}
	known["vm/a instance"] = "2"
	if resolve(guest) == first[0] || resolve(secret) == first[1] || resolve(host) != first[2] {
		t.Error("another instance")
	}
	known["vm/a instance"], known["play/p version a"], known["play/p version nas"] = "1", "v2", "v2"
	if resolve(guest) != first[0] || resolve(secret) == first[1] || resolve(host) != first[2] || resolve(hostSecret) == first[3] {
		t.Error("another version")
	}
	clear(known)
	if got := resolve(guest); got != "waits for vm/a instance" {
		t.Error(got)
	}
	if got := resolve(hostSecret); got != "waits for play/p version nas" {
		t.Error(got)
	}
	if leaf, from := (Run{Guest: "vm/a", OnDemand: true}).Resolve(fact); from != "" || !leaf.(Run).OnDemand {
		t.Errorf("%v %s", leaf, from)
	}
}

// TestPlaybookNext holds when schedules come.
func TestPlaybookNext(t *testing.T) {
	fleet := load(t, files("a.yaml", `kind: Playbook
name: p
path: play/p.yml
hosts: all
runs: [created, {schedule: "11 11 * * *", zone: Europe/Berlin}, {schedule: "@hourly"}]
---
{kind: Playbook, name: q, path: play/p.yml, hosts: all}
---
{kind: Playbook, name: r, path: play/p.yml, hosts: all, runs: [manual]}
`, "play/p.yml", "- hosts: all\n", "play/.berthignore", ""))
	play := func(name string) *Playbook { return fleet.Resource(MakeID(KindPlaybook, name)).Spec.(*Playbook) }
	p := play("p")
	for after, want := range map[string]string{
		"2026-07-01T09:05:00Z": "2026-07-01T09:11:00Z", "2026-07-01T09:11:00Z": "2026-07-01T10:00:00Z", "2026-01-01T10:00:00Z": "2026-01-01T10:11:00Z",
	} {
		at, err := time.Parse(time.RFC3339, after)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Next(at).UTC().Format(time.RFC3339); got != want {
			t.Errorf("after %s comes %s, want %s", after, got, want)
		}
	}
	if !p.Scheduled() || !p.Automatic() || p.RunsWhen(RunsChanged) || !p.RunsWhen(RunsCreated) {
		t.Errorf("%+v", p.Runs)
	}
	if q := play("q"); q.Scheduled() || !q.RunsWhen(RunsChanged) || !q.RunsWhen(RunsCreated) || q.RunsWhen(RunsManual) || !q.Next(time.Now()).IsZero() || !q.Retry {
		t.Errorf("%+v", q)
	}
	if r := play("r"); r.Automatic() || r.Scheduled() || !r.RunsWhen(RunsManual) {
		t.Errorf("%+v", r)
	}
	if none := (&Playbook{}); !none.Automatic() || none.RunsWhen(RunsManual) {
		t.Error("no runs")
	}
}

// TestShare holds how many hosts are meant.
func TestShare(t *testing.T) {
	for _, test := range []struct {
		share    Share
		hosts, n int
		known    bool
	}{
		{"", 10, 0, false},
		{"0", 10, 0, true},
		{"3", 10, 3, true},
		{"30", 10, 10, true},
		{"25%", 10, 2, true},
		{"100%", 7, 7, true},
		{"1%", 10, 0, true},
		{"x", 10, 0, false},
	} {
		if n, known := test.share.Of(test.hosts); n != test.n || known != test.known {
			t.Errorf("%q of %d: %d %v", test.share, test.hosts, n, known)
		}
	}
}

// TestFamilyTargets holds that a group of groups names who is there of what it is made
// of, and runs.
func TestFamilyTargets(t *testing.T) {
	fleet := load(t, files("a.yaml", `{kind: VM, name: b, groups: [front]}
---
{kind: VM, name: a, groups: [front], state: stopped}
---
{kind: VM, name: gone, state: absent, groups: [front]}
---
{kind: Host, name: nas, address: 10.1.1.250, groups: [front]}
---
{kind: Playbook, name: p, path: play/p.yml, hosts: servers, groups: {servers: [front, ct]}}
`, "play/p.yml", "- hosts: all\n", "play/.berthignore", ""))
	if p := fleet.Resource("play/p").Spec.(*Playbook); !slices.Equal(p.Targets, []ID{"host/nas", "vm/b"}) {
		t.Errorf("%v", p.Targets)
	}
}

// TestSecretRefs holds that references are found at any depth, and all of a playbook's.
func TestSecretRefs(t *testing.T) {
	a, b, c := SecretRef{Secret: "a"}, SecretRef{Secret: "a", Key: "k"}, SecretRef{Secret: "c"}
	vars := map[string]any{"x": c, "y": []any{map[string]any{"z": b}, a, "text"}, "again": a}
	if got := SecretRefs(vars); !slices.Equal(got, []SecretRef{a, b, c}) {
		t.Errorf("%v", got)
	}
	if SecretRefs(map[string]any{"x": "y"}) != nil || a.String() != "{secret: a}" || b.String() != "{secret: a, key: k}" {
		t.Error("nothing")
	}
	p := Playbook{
		Vars: map[string]any{"x": c}, Vaults: map[string]SecretRef{"lab": b}, Git: &PlaybookGit{Key: a},
		Runner: Runner{Webhook: &WebhookRunner{Headers: map[string]Header{"X": {Secret: "d"}, "Y": {Value: "y"}}}},
	}
	if got := p.Secrets(); !slices.Equal(got, []SecretRef{a, b, c, {Secret: "d"}}) {
		t.Errorf("%v", got)
	}
}
