package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
)

// advise adds to an error of the file system what to do about it.
func advise(dir string, err error) error {
	remedy := ""
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG):
		remedy = "free some space for " + dir
	case errors.Is(err, syscall.EROFS):
		remedy = "mount what holds " + dir + " so that it can be written"
	case errors.Is(err, fs.ErrPermission):
		remedy = "let the agent's user read and write all of " + dir
	case errors.Is(err, syscall.EISDIR), errors.Is(err, syscall.ENOTDIR):
		remedy = "move what is in its place out of " + dir
	case errors.Is(err, syscall.EIO):
		remedy = "the disk that holds " + dir + " fails: look at the kernel's log"
	default:
		return err
	}
	return fmt.Errorf("%w: %s", err, remedy)
}
