package journal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// lockDir takes the directory for this process until the file is closed, or the
// process dies. Where another one has it, the error names that one.
func lockDir(dir string, now time.Time) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		who, _ := os.ReadFile(f.Name())
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s is another agent's (%s): stop that one, or ask it by agent drift and by agent sync without --once; an agent for another fleet needs a state directory of its own",
				dir, bytes.TrimSpace(who))
		}
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	// What it says is for people: on a full disk the lock holds without it, and an
	// agent that runs can tell what is wrong.
	if f.Truncate(0) == nil {
		_, _ = fmt.Fprintf(f, "process %d since %s\n", os.Getpid(), now.UTC().Format(time.RFC3339))
	}
	return f, nil
}
