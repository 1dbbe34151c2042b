package main

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/applyers/ansible/inventory"
	"berth/desired"
)

// exampleInventory is an example's inventory as its manifests have it, in a file.
func exampleInventory(t *testing.T, name string, only ...string) string {
	t.Helper()
	fleet, err := desired.Load(os.DirFS(filepath.Join("..", "examples", name)))
	if err != nil {
		t.Fatal(err)
	}
	known := written(fleet)
	inv := inventory.Make(fleet, known.Fact)
	if len(only) > 0 {
		inv = inv.Only(only)
	}
	text, err := inv.YAML()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "hosts.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// realAnsible runs one of Ansible's programs, which must not complain.
func realAnsible(t *testing.T, program string, args ...string) string {
	t.Helper()
	if os.Getenv("BERTH_REAL") == "" {
		t.Skip("set BERTH_REAL=1 to try real Ansible")
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = append(os.Environ(), "ANSIBLE_LOCAL_TEMP="+t.TempDir(), "ANSIBLE_CONFIG=/nonexistent", "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Contains(string(out), "WARNING") {
		t.Errorf("%s %q: %v\n%s", program, args, err, out)
	}
	return string(out)
}

// TestRealExamplePlaybooks has Ansible read every playbook of the examples.
func TestRealExamplePlaybooks(t *testing.T) {
	checked := 0
	for _, name := range exampleNames(t) {
		found, err := fs.Glob(os.DirFS(filepath.Join("..", "examples", name)), "ansible/*.yml")
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range found {
			path := filepath.Join("..", "examples", name, file)
			if text, err := os.ReadFile(path); err != nil || !strings.Contains(string(text), "hosts:") {
				continue // Variables, or requirements.
			}
			realAnsible(t, "ansible-playbook", "--syntax-check", "-i", exampleInventory(t, name), path)
			checked++
		}
	}
	if checked < 4 {
		t.Errorf("%d playbooks were checked", checked)
	}
}

// TestRealExampleKubespray holds that the inventory of one cluster is one that Kubespray
// takes: its groups, and the variables that it asks for.
func TestRealExampleKubespray(t *testing.T) {
	file := exampleInventory(t, "multi-site", "lille-master-1", "lille-master-2", "lille-master-3", "lille-worker-1")
	const want = `@k8s_cluster:
  |--@calico_rr:
  |--@kube_control_plane:
  |  |--lille-master-1
  |  |--lille-master-2
  |  |--lille-master-3
  |--@kube_node:
  |  |--lille-worker-1
`
	if diff := cmp.Diff(want, realAnsible(t, "ansible-inventory", "-i", file, "--graph", "k8s_cluster")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	vars := realAnsible(t, "ansible-inventory", "-i", file, "--host", "lille-master-2")
	for _, name := range []string{`"ip"`, `"access_ip"`, `"etcd_member_name": "{{ berth_name }}"`} {
		if !strings.Contains(vars, name) {
			t.Errorf("no %s in\n%s", name, vars)
		}
	}
	if etcd := realAnsible(t, "ansible-inventory", "-i", file, "--graph", "etcd"); strings.Count(etcd, "lille-master") != 3 {
		t.Errorf("etcd: %s", etcd)
	}
}
