package lock

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

func dontDump(memory []byte) error {
	if err := unix.Madvise(memory, unix.MADV_DONTDUMP); err != nil {
		return fmt.Errorf("keep a page out of core dumps: %w", err)
	}
	return nil
}

// ForbidDumps keeps this process out of core dumps, and from being read by other
// processes of its user. Its children can't dump either, but can be read.
func ForbidDumps() error {
	err := errors.Join(unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}), unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0))
	if err != nil {
		return fmt.Errorf("forbid core dumps: %w", err)
	}
	return nil
}
