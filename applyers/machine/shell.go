package machine

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed" // The scripts.
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// shell are files that are read and written by sh, with what coreutils and BusyBox
// both have: stat, head, tail, mktemp, wc, sync, mv, rm and mkdir.
type shell struct {
	// run runs a program where the files are.
	run func(ctx context.Context, c Command) (Output, error)
	// at begins each error; "" for none.
	at string
}

// The scripts take their arguments as $1, $2…, never in their text.
var (
	//go:embed scripts/replace.sh
	replaceScript string
	//go:embed scripts/read.sh
	readScript string
	//go:embed scripts/glob.sh
	globScript string
	//go:embed scripts/remove.sh
	removeScript string
	//go:embed scripts/mkdir.sh
	makeDirScript string
)

const (
	// fileTimeout is how long a file may take that isn't large.
	fileTimeout = 30 * time.Second
	// slowest is the rate, in bytes a second, at which content must at least go
	// over the line.
	slowest = 64 << 10
)

// script runs one, whose first argument is the file that something is done to.
func (s shell) script(ctx context.Context, op string, c Command, text string, args ...string) (Output, error) {
	c.Doing = op + " " + args[0]
	c.Argv = append([]string{"sh", "-c", text, "sh"}, args...)
	return s.run(ctx, c)
}

func (s shell) Read(ctx context.Context, file string, from, limit int64) ([]byte, error) {
	if err := s.valid("read", file); err != nil {
		return nil, err
	}
	out, err := s.script(ctx, "read", Command{Limit: int(limit) + 1, Timeout: fileTimeout + time.Duration(limit/slowest)*time.Second},
		readScript, file, strconv.FormatInt(from+1, 10), strconv.FormatInt(limit+1, 10))
	if err != nil {
		return nil, s.failed("read", file, err)
	}
	return cut(out.Stdout, limit)
}

func (s shell) Stat(ctx context.Context, file string) (Info, error) {
	if err := s.valid("stat", file); err != nil {
		return Info{}, err
	}
	out, err := s.run(ctx, Command{Argv: []string{"stat", "-c", statFormat, "--", file}, Doing: "stat " + file})
	if err != nil {
		return Info{}, s.failed("stat", file, err)
	}
	info, err := parseStat(out.Stdout)
	if err != nil {
		return Info{}, s.failed("stat", file, err)
	}
	return info, nil
}

// statFormat is mode (hex), size, user and group, in the words of stat.
const statFormat = "%f %s %u %g"

func parseStat(text []byte) (Info, error) {
	var mode, uid, gid uint32
	var size uint64
	if n, err := fmt.Sscanf(string(text), "%x %d %d %d\n", &mode, &size, &uid, &gid); err != nil || n != 4 || size > math.MaxInt64 {
		return Info{}, fmt.Errorf("stat answers %q", clip(string(text)))
	}
	info := Info{Mode: fs.FileMode(mode & 0o777), Size: int64(size), UID: int(uid), GID: int(gid)}
	for _, kind := range []struct {
		is  uint32
		was fs.FileMode
	}{
		{syscall.S_IFDIR, fs.ModeDir},
		{syscall.S_IFLNK, fs.ModeSymlink},
		{syscall.S_IFIFO, fs.ModeNamedPipe},
		{syscall.S_IFSOCK, fs.ModeSocket},
		{syscall.S_IFBLK, fs.ModeDevice},
		{syscall.S_IFCHR, fs.ModeDevice | fs.ModeCharDevice},
	} {
		if mode&syscall.S_IFMT == kind.is {
			info.Mode |= kind.was
		}
	}
	for bit, was := range map[uint32]fs.FileMode{syscall.S_ISUID: fs.ModeSetuid, syscall.S_ISGID: fs.ModeSetgid, syscall.S_ISVTX: fs.ModeSticky} {
		if mode&bit != 0 {
			info.Mode |= was
		}
	}
	return info, nil
}

func (s shell) Glob(ctx context.Context, pattern string) ([]string, error) {
	if err := s.valid("list", pattern); err != nil {
		return nil, err
	}
	const limit = 4 << 20
	out, err := s.script(ctx, "list", Command{Limit: limit}, globScript, pattern, literalDir(pattern))
	if err != nil {
		return nil, s.failed("list", pattern, err)
	}
	if len(out.Stdout) >= limit {
		return nil, s.failed("list", pattern, errors.New("it stands for too many files"))
	}
	var files []string
	for name := range bytes.SplitSeq(out.Stdout, []byte{0}) {
		if len(name) > 0 {
			files = append(files, string(name))
		}
	}
	slices.Sort(files)
	return files, nil
}

// literalDir is the directory that a pattern looks into; "" if it is a pattern
// itself.
func literalDir(pattern string) string {
	if dir := path.Dir(pattern); !strings.ContainsAny(dir, `*?[\`) {
		return dir
	}
	return ""
}

func (s shell) Replace(ctx context.Context, file string, content []byte, mode fs.FileMode) error {
	if err := s.valid("replace", file); err != nil {
		return err
	}
	sum := sha256.Sum256(content)
	dir, base := path.Split(file)
	if content == nil {
		content = []byte{}
	}
	_, err := s.script(ctx, "replace", Command{Stdin: content, Timeout: fileTimeout + time.Duration(len(content)/slowest)*time.Second},
		replaceScript, file, path.Clean(dir), base, strconv.Itoa(len(content)), hex.EncodeToString(sum[:]), strconv.FormatUint(uint64(mode.Perm()), 8))
	return s.failed("replace", file, err)
}

func (s shell) Remove(ctx context.Context, file string) error {
	if err := s.valid("remove", file); err != nil {
		return err
	}
	_, err := s.script(ctx, "remove", Command{}, removeScript, file, path.Dir(file))
	return s.failed("remove", file, err)
}

func (s shell) MakeDir(ctx context.Context, dir string) error {
	if err := s.valid("make directory", dir); err != nil {
		return err
	}
	_, err := s.script(ctx, "make directory", Command{}, makeDirScript, dir, path.Dir(dir))
	return s.failed("make directory", dir, err)
}

// valid refuses what could not be meant.
func (s shell) valid(op, file string) error {
	if !path.IsAbs(file) || strings.ContainsRune(file, 0) || path.Clean(file) != file {
		return s.failed(op, file, errors.New("a clean path from / on is needed"))
	}
	return nil
}

// failed is the error of work on a file, in the words of package fs where the
// programs' own words allow it; nil for nil.
func (s shell) failed(op, file string, err error) error {
	if err == nil {
		return nil
	}
	exit, ok := errors.AsType[*ExitError](err)
	switch {
	case ok:
		err = s.because(exit)
	case isOurs(err): // It says where already.
		return err
	}
	err = &fs.PathError{Op: op, Path: file, Err: err}
	if s.at != "" {
		return fmt.Errorf("%s: %w", s.at, err)
	}
	return err
}

// isOurs tells an error that names the machine already.
func isOurs(err error) bool {
	_, far := errors.AsType[*UnreachableError](err)
	_, sudo := errors.AsType[*SudoError](err)
	_, late := errors.AsType[*timeoutError](err)
	_, box := errors.AsType[*ContainerError](err)
	return far || sudo || late || box
}

// because finds the system's error in what a program says: sh, coreutils and
// BusyBox all say it in libc's words, in the C locale; dash has shorter ones of
// its own for files that are not there.
func (s shell) because(exit *ExitError) error {
	for _, known := range []struct {
		words string
		err   error
	}{
		{"No space left on device", syscall.ENOSPC},
		{"Disk quota exceeded", syscall.EDQUOT},
		{"Read-only file system", syscall.EROFS},
		{"Permission denied", syscall.EACCES},
		{"Operation not permitted", syscall.EPERM},
		{"Not a directory", syscall.ENOTDIR},
		{"Is a directory", syscall.EISDIR},
		{"No such file", syscall.ENOENT},
		{"Directory nonexistent", syscall.ENOENT},
		{"Input/output error", syscall.EIO},
	} {
		if strings.Contains(exit.Said, known.words) {
			return known.err
		}
	}
	if exit.Said != "" {
		return errors.New(clip(exit.Said))
	}
	if exit.Signal != "" {
		return fmt.Errorf("sh was ended by signal %s", exit.Signal)
	}
	return fmt.Errorf("sh ended with %d and said nothing", exit.Code)
}

// clip bounds what goes into an error.
func clip(text string) string {
	const most = 500
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}
