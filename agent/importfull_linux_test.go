package main

import (
	"bytes"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestAFullDiskLeavesNothing writes until no more can be written: neither whole nor
// half a file stays, nor a directory, so that the import can simply be run again.
func TestAFullDiskLeavesNothing(t *testing.T) {
	const child = "BERTH_TEST_FULL_DISK"
	if os.Getenv(child) == "" {
		// The limit is a whole process's, and go test writes files of its own.
		itself := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		itself.Env = append(os.Environ(), child+"=1")
		out, err := itself.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	dir := filepath.Join(t.TempDir(), "deep", "fleet")
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 4096, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	err := writeNew(dir, map[string][]byte{"a.yaml": []byte("x"), "guests/b.yaml": bytes.Repeat([]byte("x"), 8192), "site.yaml": []byte("x")})
	if reset := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before); reset != nil {
		t.Fatal(reset)
	}
	if err == nil {
		t.Fatal("there is no limit")
	}
	if _, stat := os.Lstat(filepath.Dir(dir)); stat == nil {
		t.Errorf("something is left after %v", err)
	}
}
