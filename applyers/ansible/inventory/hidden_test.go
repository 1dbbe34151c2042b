package inventory

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/desired"
)

// TestSecretsAreLeftOut holds that a variable that is a secret is printed in no
// form, is named instead, and that what it stands among keeps its place.
func TestSecretsAreLeftOut(t *testing.T) {
	own := map[string]any{
		"token": desired.SecretRef{Secret: "apps", Key: "pote.token"},
		"db":    map[string]any{"user": "pote", "password": desired.SecretRef{Secret: "db"}},
		"list":  []any{"a", &desired.SecretRef{Secret: "second"}, map[string]any{"deep": desired.SecretRef{Secret: "deep"}}},
		"value": desired.MakeSecret([]byte("S3CRET")),
		"open":  []any{map[string]any{"x": int64(1)}},
	}
	fleet := &desired.Fleet{Resources: []*desired.Resource{guest("web-1", func(g *desired.Guest) { g.Vars = own })}}
	inv := Make(fleet, func(desired.ID, string) (string, bool) { return "", false })
	const want = `{
  "berth_id": "vm/web-1",
  "berth_name": "web-1",
  "berth_secrets": {
    "db.password": "db",
    "list.1": "second",
    "list.2.deep": "deep",
    "token": "apps pote.token",
    "value": "(secret)"
  },
  "berth_site": "home",
  "db": {
    "user": "pote"
  },
  "list": [
    "a",
    null,
    {}
  ],
  "open": [
    {
      "x": 1
    }
  ]
}
`
	vars, err := inv.Host("web-1")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(vars)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for form, write := range map[string]func() ([]byte, error){"list": inv.List, "run": inv.JSON, "yaml": inv.YAML, "ini": inv.INI} {
		text, err := write()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(text, []byte("apps pote.token")) || bytes.Contains(text, []byte("S3CRET")) || strings.Contains(string(text), "password\": {") {
			t.Errorf("%s:\n%s", form, text)
		}
	}
	if inv.Hosts["web-1"]["token"] != own["token"] {
		t.Error("the reference is gone from the inventory itself")
	}
	if _, err := inv.Host("web-2"); err == nil || err.Error() != `the fleet has no host "web-2"; did you mean web-1?` {
		t.Error(err)
	}
}

// TestForms shows a small inventory in each form.
func TestForms(t *testing.T) {
	fleet := &desired.Fleet{Resources: []*desired.Resource{
		guest("web-1", func(g *desired.Guest) {
			g.Project, g.Environment, g.Tags = "my-shop", "qa", desired.Words{"public.net"}
			g.Vars = map[string]any{"mode": "0755", "deep": map[string]any{"on": []any{true, nil, "it's"}}, "empty": map[string]any{}, "none": []any{}}
		}),
		guest("web-2", nil),
	}}
	inv := Make(fleet, func(id desired.ID, _ string) (string, bool) { return "10.1.1.5", id == "vm/web-1" })
	inv.gather(map[string]desired.List{"everything": {"vm", "calico_rr"}})
	for name, write := range map[string]func() ([]byte, error){"list.json": inv.List, "hosts.yaml": inv.YAML, "hosts.ini": inv.INI} {
		text, err := write()
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "testdata/"+name, text)
	}
}

// TestOnly holds that a part of an inventory has all groups, with its own hosts.
func TestOnly(t *testing.T) {
	fleet := &desired.Fleet{Resources: []*desired.Resource{
		guest("web-1", func(g *desired.Guest) { g.Groups = desired.Words{"web"} }), guest("web-2", func(g *desired.Guest) { g.Groups = desired.Words{"web", "second"} }),
	}}
	inv := Make(fleet, func(desired.ID, string) (string, bool) { return "", false })
	inv.gather(map[string]desired.List{"both": {"web", "second"}})
	some := inv.Only([]string{"web-1", "unknown"})
	want := map[string][]string{"vm": {"web-1"}, "site_home": {"web-1"}, "web": {"web-1"}, "second": nil, "both": nil}
	if diff := cmp.Diff(want, some.Groups); diff != "" {
		t.Error(diff)
	}
	if len(some.Hosts) != 1 || len(some.Children["both"]) != 2 || len(inv.Groups["web"]) != 2 {
		t.Errorf("%+v of %+v", some, inv)
	}
}

// TestGroupsOfGroups holds that the groups of groups of all playbooks are the fleet's.
func TestGroupsOfGroups(t *testing.T) {
	fleet := &desired.Fleet{Resources: []*desired.Resource{
		{ID: "play/a", Spec: &desired.Playbook{Groups: map[string]desired.List{"web": {"front"}}}},
		{ID: "play/b", Spec: &desired.Playbook{Groups: map[string]desired.List{"web": {"front"}, "all_of_it": {"web", "back"}}}},
	}}
	inv := Make(fleet, func(desired.ID, string) (string, bool) { return "", false })
	if diff := cmp.Diff(map[string][]string{"web": {"front"}, "all_of_it": {"back", "web"}}, inv.Children); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string][]string{"web": nil, "front": nil, "all_of_it": nil, "back": nil}, inv.Groups); diff != "" {
		t.Error(diff)
	}
}
