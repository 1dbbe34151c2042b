package nginx

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"berth/applyers"
)

// lock keeps other agents from changing what one nginx is configured by, until
// unlock. The directory of its main file is locked, so nothing is left behind;
// a killed agent's lock ends with it.
func lock(config string) (unlock func(), err error) {
	dir, err := os.Open(filepath.Dir(config))
	if err != nil {
		return nil, fmt.Errorf("lock nginx's configuration: %w", err)
	}
	err = syscall.Flock(int(dir.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = &applyers.HeldError{Reason: "another agent is changing nginx's configuration: the next turn looks again"}
	}
	if err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	return func() { _ = dir.Close() }, nil
}
