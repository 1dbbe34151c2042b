package inventory

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/desired"
)

// ansible runs the real ansible-inventory, which must not warn of anything.
func ansible(t *testing.T, args ...string) []byte {
	t.Helper()
	if os.Getenv("BERTH_REAL") == "" {
		t.Skip("set BERTH_REAL=1 to try real Ansible")
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "ansible-inventory", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "ANSIBLE_CONFIG="+filepath.Join(dir, "none.cfg"), "ANSIBLE_LOCAL_TEMP="+dir, "ANSIBLE_INVENTORY_UNPARSED_FAILED=True", "LC_ALL=C.UTF-8")
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("ansible-inventory %q: %v\n%s", args, err, said.String())
	}
	if said.Len() > 0 {
		t.Errorf("ansible-inventory %q says:\n%s", args, said.String())
	}
	return out.Bytes()
}

// file writes an inventory where Ansible finds it.
func file(t *testing.T, name string, mode os.FileMode, text []byte, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, text, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// forms are the ways in which an inventory is written.
func forms(t *testing.T, inv Inventory) map[string]string {
	t.Helper()
	out := make(map[string]string)
	text, err := inv.JSON()
	out["run"] = file(t, "hosts.json", 0o600, text, err)
	text, err = inv.YAML()
	out["yaml"] = file(t, "hosts.yaml", 0o600, text, err)
	text, err = inv.INI()
	out["ini"] = file(t, "hosts", 0o600, text, err)
	list, err := inv.List()
	out["script"] = file(t, "hosts.sh", 0o700, []byte("#!/bin/sh\n[ \"$1\" = --list ] || exit 3\ncat <<'END OF LIST'\n"+string(list)+"END OF LIST\n"), err)
	return out
}

// odd are texts that one reader or another takes for something else.
var odd = []string{
	"", " ", "yes", "No", "on", "y", "null", "None", "~", "true", "True", "0755", "0o17", "1_000", "1e3", "1e+06", ".4", "4.", "1.10", "12:30:45", "0x1f", "0b1",
	"2026-12-01", "2026-12-01T10:00:00Z", "=", "<<", "-", "---", "...", "#no comment", "a #b", "key: value", "{a: 1}", "[1, 2]", "{{ berth_name }}", "{% raw %}", "!vault",
	"&anchor", "*alias", "@at", "`tick`", "%percent", "|", ">", "it's", `say "hi"`, `back\slash`, `\n`, `\x41`, `'''`, `"""`, "two\nlines\n", "\ttab", "cr\r\nlf", " lead", "trail ", "ünï", "🚢 ahoy",
	"a\u2028b", "a\u0085b", "a\x00b", "a\x7fb", "\u00a0", "\ufeff", "\ufffe", "u\u0301", "x=y", "$HOME", "$(id)", "inf", ".inf", "nan", "+1", "-0", "1/2", "10.1.1.5", "fd00::1", "b'bytes'", "u'text'", "lambda: 0",
	strings.Repeat("long words ", 40),
}

// oddValue is any value that a manifest can hold.
func oddValue(r *rand.Rand, depth int) any {
	switch r.IntN(10) {
	case 0:
		return int64(r.Uint64())
	case 1:
		return r.NormFloat64() * 1e6
	case 2:
		return []any{nil, true, false, int64(0), 0.5, 1e15, 3e-7}[r.IntN(7)]
	case 3, 4:
		if depth > 0 {
			list := make([]any, r.IntN(4))
			for i := range list {
				list[i] = oddValue(r, depth-1)
			}
			return list
		}
	case 5, 6:
		if depth > 0 {
			table := make(map[string]any)
			for range r.IntN(4) {
				table[odd[r.IntN(len(odd))]] = oddValue(r, depth-1)
			}
			return table
		}
	}
	text := odd[r.IntN(len(odd))]
	if r.IntN(3) == 0 {
		text += odd[r.IntN(len(odd))]
	}
	return text
}

// TestRealReadsBack holds that real Ansible reads each form of an inventory back
// to the very same hosts, variables and groups, whatever the values are.
func TestRealReadsBack(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	inv := Inventory{Hosts: make(map[string]map[string]any), Groups: map[string][]string{"empty": nil, "kube_node": nil}, Children: map[string][]string{"k8s_cluster": {"empty", "kube_node"}}}
	for i := range 60 {
		vars := map[string]any{"ansible_port": 22, "berth_name": "x"}
		for v := range 6 {
			vars[fmt.Sprintf("var_%d", v)] = oddValue(r, 3)
		}
		name := fmt.Sprintf("web-%d", i)
		inv.Hosts[name] = vars
		if i%3 == 0 {
			inv.Groups["kube_node"] = append(inv.Groups["kube_node"], name)
		}
	}
	for i, text := range odd { // Each at least once.
		inv.Hosts["web-7"][fmt.Sprintf("odd_%d", i)] = text
	}
	inv.Groups["k8s_cluster"] = []string{"web-1"}
	want := plainHosts(t, inv.Hosts)
	for form, path := range forms(t, inv) {
		var have struct {
			Meta struct {
				HostVars map[string]map[string]any `json:"hostvars"`
			} `json:"_meta"`
			Cluster struct{ Hosts, Children []string } `json:"k8s_cluster"`
			Nodes   struct{ Hosts []string }           `json:"kube_node"`
		}
		dec := json.NewDecoder(bytes.NewReader(ansible(t, "-i", path, "--list")))
		dec.UseNumber()
		if err := dec.Decode(&have); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, have.Meta.HostVars, cmp.Comparer(sameNumber)); diff != "" {
			t.Errorf("%s, seed %d (-want +got):\n%s", form, seed, diff)
		}
		if diff := cmp.Diff([]string{"web-1"}, have.Cluster.Hosts); diff != "" {
			t.Errorf("%s: k8s_cluster: %s", form, diff)
		}
		if diff := cmp.Diff([]string{"empty", "kube_node"}, have.Cluster.Children); diff != "" {
			t.Errorf("%s: k8s_cluster's children: %s", form, diff)
		}
		if len(have.Nodes.Hosts) != 20 {
			t.Errorf("%s: kube_node has %q", form, have.Nodes.Hosts)
		}
	}
}

// plainHosts are variables as JSON has them.
func plainHosts(t *testing.T, hosts map[string]map[string]any) (out map[string]map[string]any) {
	t.Helper()
	raw, err := json.Marshal(hosts)
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

// sameNumber compares numbers by value and kind: 1 is another than 1.0 is not told
// apart by JSON's writers, but by having a point or an exponent.
func sameNumber(a, b json.Number) bool {
	if a == b {
		return true
	}
	x, err := a.Float64()
	y, err2 := b.Float64()
	return err == nil && err2 == nil && x == y && (strings.ContainsAny(string(a), ".e") || strings.ContainsAny(string(b), ".e"))
}

// TestRealKubespray holds that the groups and variables that Kubespray asks for
// come out of a fleet.
func TestRealKubespray(t *testing.T) {
	fleet := &desired.Fleet{}
	node := func(name string, n int, groups ...string) *desired.Resource {
		return guest(name, func(g *desired.Guest) {
			g.Number, g.Groups = n, groups
			g.Vars = map[string]any{"ip": "{{ ansible_host }}", "access_ip": "{{ ansible_host }}", "etcd_member_name": "etcd{{ berth_n }}"}
		})
	}
	fleet.Resources = []*desired.Resource{
		node("prod-master-1", 1, "kube_control_plane", "etcd"), node("prod-master-2", 2, "kube_control_plane", "etcd"), node("prod-worker-1", 1, "kube_node"),
	}
	inv := Make(fleet, func(id desired.ID, _ string) (string, bool) { return "10.0.0.1", true })
	inv.gather(map[string]desired.List{"k8s_cluster": {"kube_control_plane", "kube_node", "calico_rr"}})
	const want = `@k8s_cluster:
  |--@calico_rr:
  |--@kube_control_plane:
  |  |--prod-master-1
  |  |--prod-master-2
  |--@kube_node:
  |  |--prod-worker-1
`
	for form, path := range forms(t, inv) {
		if diff := cmp.Diff(want, string(ansible(t, "-i", path, "--graph", "k8s_cluster"))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", form, diff)
		}
		if out := string(ansible(t, "-i", path, "--graph", "--vars", "etcd")); !strings.Contains(out, "{etcd_member_name = etcd{{ berth_n }}}") || !strings.Contains(out, "{ip = {{ ansible_host }}}") {
			t.Errorf("%s: etcd is\n%s", form, out)
		}
	}
}
