//go:build race

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// scripted is a directory with the program that scripts run: it is made without the race
// detector, which makes a process some ten times dearer. What runs in it runs with the
// detector in other tests.
func scripted(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", filepath.Join(dir, "agent"), ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the program of the scripts: %v\n%s", err, out)
	}
	return dir
}
