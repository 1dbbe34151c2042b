package main

import (
	"bytes"
	"strings"
	"testing"

	"berth/applyers/proxmox/pvesim"
	"berth/applyers/proxmox/pvesim/schemacheck"
)

// TestDemo plays the scripted round, with nginx and Ansible where they are
// installed. How long a newcomer waits for it, deploy/test measures on the real
// command.
func TestDemo(t *testing.T) {
	t.Parallel() // It mostly waits.
	text := playDemo(t)
	for _, want := range []string{
		"create   vm/lab-proxy",     // the first apply
		"memory.size   2GiB → 3GiB", // the pushed commit
		"+ vm/lab-wiki", "- vm/lab-certbot",
		"changed live, by root@pam", // the change behind its back
		"archive  vm/lab-certbot",
		"\nno differences. ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the demo does not show %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "unknown") {
		t.Errorf("the demo's guests are not all known:\n%s", text)
	}
}

// TestDemoAlone plays it where nothing else is installed, and expects to be told
// what is left out.
func TestDemoAlone(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	text := playDemo(t)
	for _, want := range []string{"left out: the edge", "left out: the playbook", "\nno differences. "} {
		if !strings.Contains(text, want) {
			t.Errorf("the demo does not show %q:\n%s", want, text)
		}
	}
}

func playDemo(t *testing.T) string {
	t.Helper()
	var out, errs bytes.Buffer
	watch := func(c *pvesim.Cluster) { schemacheck.Watch(t, c) }
	code := run(t.Context(), streams{In: strings.NewReader(""), Out: &out, Err: &errs, Env: func(string) string { return "" }, Simulated: watch},
		[]string{"demo", "--once"})
	if code != exitSame {
		t.Fatalf("exit code %d\n%s%s", code, out.String(), errs.String())
	}
	return out.String()
}
