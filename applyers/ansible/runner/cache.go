package runner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	// unused is how long an entry of the cache stays that nobody uses.
	unused = 30 * 24 * time.Hour

	freshSuffix = ".new"
	entryLock   = ".lock"
)

// entry is one directory of the cache. It is there whole or not at all: it is filled
// under another name, by one at a time, whoever they are.
type entry struct {
	dir string
}

// fill calls make, with a directory to be filled, unless the entry is there.
func (e entry) fill(ctx context.Context, make func(fresh string) error) error {
	if e.used() {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(e.dir), 0o700); err != nil {
		return fmt.Errorf("make the cache: %w", err)
	}
	lock, err := e.lock(ctx)
	if err != nil {
		return err
	}
	defer lock.Close()
	// Another may have been faster.
	if e.used() {
		return nil
	}
	fresh := e.dir + freshSuffix
	if err := os.RemoveAll(fresh); err != nil {
		return fmt.Errorf("clear the cache: %w", err)
	}
	defer os.RemoveAll(fresh)
	if err := os.Mkdir(fresh, 0o700); err != nil {
		return fmt.Errorf("make an entry of the cache: %w", err)
	}
	if err := make(fresh); err != nil {
		return err
	}
	if err := os.Rename(fresh, e.dir); err != nil {
		return fmt.Errorf("make an entry of the cache: %w", err)
	}
	return nil
}

// used tells whether the entry is there, and notes that it is used.
func (e entry) used() bool {
	now := time.Now()
	return os.Chtimes(e.dir, now, now) == nil
}

// lock waits until nobody else fills the entry.
func (e entry) lock(ctx context.Context) (*os.File, error) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		f, err := e.tryLock()
		switch {
		case err == nil:
			return f, nil
		case !errors.Is(err, syscall.EWOULDBLOCK):
			return nil, fmt.Errorf("lock the cache: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-tick.C:
		}
	}
}

// tryLock fails with EWOULDBLOCK if somebody else fills the entry.
func (e entry) tryLock() (*os.File, error) {
	f, err := os.OpenFile(e.dir+entryLock, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// sweepCache removes what nobody has used for long, and what killed agents left half
// done.
func sweepCache(cache string, log *slog.Logger) {
	entries, _ := os.ReadDir(cache)
	for _, found := range entries {
		path := filepath.Join(cache, found.Name())
		info, err := found.Info()
		switch {
		case err != nil:
		case strings.HasSuffix(path, freshSuffix):
			half(entry{dir: strings.TrimSuffix(path, freshSuffix)}, log)
		case found.IsDir() && time.Since(info.ModTime()) > unused:
			log.Info("removing requirements that nobody has used for long", slog.String("dir", path))
			_ = os.RemoveAll(path)
		}
	}
}

// half removes an entry that is half done, unless somebody is at it.
func half(e entry, log *slog.Logger) {
	lock, err := e.tryLock()
	if err != nil {
		return
	}
	defer lock.Close()
	log.Warn("removing requirements that a killed agent has installed by half", slog.String("dir", e.dir))
	_ = os.RemoveAll(e.dir + freshSuffix)
}
