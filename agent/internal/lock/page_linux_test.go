package lock_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"berth/agent/internal/lock"
)

// TestMemoryIsLockedAndWiped asks the kernel about the page, and looks into it.
func TestMemoryIsLockedAndWiped(t *testing.T) {
	l, _ := made(t)
	if err := l.Unlock(t.Context(), []byte(passphrase)); err != nil {
		t.Fatal(err)
	}
	page := l.Page()
	if !bytes.HasPrefix(page, []byte("AGE-SECRET-KEY-1")) {
		t.Fatal("the identity is not in its page")
	}
	flags := mapping(t, uintptr(unsafe.Pointer(&page[0])))
	for _, want := range []string{"lo", "dd"} { // locked; not dumped (proc(5))
		if !strings.Contains(" "+flags+" ", " "+want+" ") {
			t.Errorf("the page has the flags %q, not %s", flags, want)
		}
	}
	l.Lock()
	if l.Page() != nil {
		t.Error("locked, and the page is there")
	}
	if wiped, err := lock.Wiped([]byte("s3cret")); err != nil || len(bytes.Trim(wiped, "\x00")) > 0 {
		t.Errorf("%q is left in the page, %v", wiped, err)
	}
}

// mapping gives the flags of the mapping that an address lies in.
func mapping(t *testing.T, address uintptr) string {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	inside := false
	for line := range strings.Lines(string(maps)) {
		var from, to uintptr
		if n, _ := fmt.Sscanf(line, "%x-%x ", &from, &to); n == 2 {
			inside = from <= address && address < to
		} else if flags, is := strings.CutPrefix(line, "VmFlags:"); is && inside {
			return strings.TrimSpace(flags)
		}
	}
	t.Fatal("the page is in no mapping")
	return ""
}

// TestForbidDumps runs in a process of its own, which is its own test again.
func TestForbidDumps(t *testing.T) {
	if os.Getenv("BERTH_TEST_DUMPS") == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestForbidDumps$", "-test.v")
		cmd.Env = append(os.Environ(), "BERTH_TEST_DUMPS=1")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	if err := lock.ForbidDumps(); err != nil {
		t.Fatal(err)
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &limit); err != nil || limit != (unix.Rlimit{}) {
		t.Errorf("core dumps of %v bytes (%v)", limit, err)
	}
	if dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err != nil || dumpable != 0 {
		t.Errorf("dumpable is %d (%v)", dumpable, err)
	}
}
