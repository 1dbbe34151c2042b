//go:build !linux

package lock

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// dontDump has no equal here; no core dumps at all are made after [ForbidDumps].
func dontDump([]byte) error { return nil }

// ForbidDumps keeps this process and its children out of core dumps.
func ForbidDumps() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("forbid core dumps: %w", err)
	}
	return nil
}
