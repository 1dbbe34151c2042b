//go:build !race

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// What a look at a thousand guests may cost, a quarter above what it does. These are
// figures to lower: raise one only for something that is worth it to everybody.
const (
	mostBytes    = 35 << 20
	mostObjects  = 390_000
	mostRequests = 1017
	// mostResident is of a whole process, cold, in KiB: the program itself takes a
	// third of it.
	mostResident = 56 << 10
)

// TestALookAtAThousandGuestsStaysCheap holds what a look costs that finds all as it
// should be: its requests, and what it allocates, which is most of its time and does
// not depend on the machine.
func TestALookAtAThousandGuestsStaysCheap(t *testing.T) {
	if os.Getenv("BERTH_REAL") != "1" {
		t.Skip("set BERTH_REAL=1: a thousand guests are made for it")
	}
	program, err := exec.LookPath("agent") // The tests' own; see TestMain.
	if err != nil {
		t.Fatal(err)
	}
	settings := simulated(t, program, 1000)
	look := looker(t, settings)
	look()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	requests := look()
	runtime.ReadMemStats(&after)
	if requests > mostRequests {
		t.Errorf("a look took %d requests, at most %d are allowed", requests, mostRequests)
	}
	if bytes := after.TotalAlloc - before.TotalAlloc; bytes > mostBytes {
		t.Errorf("a look allocated %d KiB, at most %d are allowed", bytes>>10, mostBytes>>10)
	}
	if objects := after.Mallocs - before.Mallocs; objects > mostObjects {
		t.Errorf("a look made %d objects, at most %d are allowed", objects, mostObjects)
	}
	t.Logf("%d requests, %d KiB, %d objects", requests, (after.TotalAlloc-before.TotalAlloc)>>10, after.Mallocs-before.Mallocs)
}

// TestAThousandGuestsNeedLittleMemory holds the peak of the whole process, from its
// start on, with a clone of its own.
func TestAThousandGuestsNeedLittleMemory(t *testing.T) {
	if os.Getenv("BERTH_REAL") != "1" {
		t.Skip("set BERTH_REAL=1: the program is built for it")
	}
	program := filepath.Join(t.TempDir(), "agent")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	settings := simulated(t, program, 1000)
	cmd := exec.CommandContext(t.Context(), program, "drift", "--config", settings)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	peak, err := runWatched(cmd)
	if err != nil {
		t.Fatalf("%v\n%s", err, out.Bytes())
	}
	if peak == 0 {
		t.Skip("the system does not tell a process's peak")
	}
	if peak > mostResident {
		t.Errorf("the peak was %d KiB, at most %d are allowed", peak, mostResident)
	}
	t.Logf("peak %d KiB, %s of CPU", peak, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
}
