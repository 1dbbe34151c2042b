package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// TestDemo plays the scripted round, with nginx and Ansible where they are
// installed, and within the time that a newcomer is promised.
func TestDemo(t *testing.T) {
	var out, errs bytes.Buffer
	began := time.Now()
	code := run(t.Context(), streams{In: strings.NewReader(""), Out: &out, Err: &errs, Env: func(string) string { return "" }},
		[]string{"demo", "--once"})
	if code != exitSame {
		t.Fatalf("exit code %d\n%s%s", code, out.String(), errs.String())
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %s", took)
	}
	text := out.String()
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
}
