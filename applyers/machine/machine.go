// Package machine is one machine that an applyer works on, this one or one over
// SSH: its files, its programs and its ports, and a container on it.
//
// Every call obeys its context, has an end of its own besides, and leaves no file
// half written, whatever becomes of the connection. What goes wrong says where:
// errors of a machine over SSH begin with its name, as in
// "vm/edge (root@10.1.1.4:22): …".
package machine

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"strings"
	"time"
)

// Files are the files of a machine or of a container. Paths are absolute. Errors
// are those of package fs where they fit: [fs.ErrNotExist], [fs.ErrPermission],
// and syscall.ENOSPC for a full disk; what can't be known is never ErrNotExist.
type Files interface {
	// Read gives up to limit bytes of a file, from an offset on. Where more
	// follow, it gives them with [ErrLonger]. A symbolic link is followed.
	Read(ctx context.Context, path string, from, limit int64) ([]byte, error)
	// Stat looks at what is there; a symbolic link is not followed.
	Stat(ctx context.Context, path string) (Info, error)
	// Glob lists what a pattern stands for, sorted: * ? and [] within one part of
	// the path. Nothing found is no error, a directory that can't be read is one.
	Glob(ctx context.Context, pattern string) ([]string, error)
	// Replace puts content in a file's place at once, and for good: others see the
	// file that was before or the new one, whole, even after a power cut. The
	// owner and the mode of the file that was before are kept; a new one gets
	// mode, and belongs to who writes it. What an earlier call that was cut off
	// has left beside it is removed. An error leaves the former file, save that
	// after an [UnreachableError] or a context that has ended the machine may
	// have either.
	Replace(ctx context.Context, path string, content []byte, mode fs.FileMode) error
	// Remove removes a file, for good; that it is gone already is no error.
	Remove(ctx context.Context, path string) error
	// MakeDir makes a directory of mode 0755, and those above it; that it is there
	// is no error.
	MakeDir(ctx context.Context, path string) error
}

// Place is where files are and programs run: a [Machine], or a [Container].
type Place interface {
	Files
	// Run runs a program to its end. A program that says no is an [*ExitError],
	// one that does not end in time context.DeadlineExceeded; with both comes
	// what was printed.
	Run(ctx context.Context, c Command) (Output, error)
	// String names the place for people: "local", "vm/edge (root@10.1.1.4:22)",
	// "container nginx".
	String() string
}

// Machine is a machine: this one, or one over SSH. It may be used from many
// goroutines at once.
type Machine interface {
	Place
	// Dial connects to an address as that machine sees it. Deadlines work, but a
	// connection over SSH is closed when one passes. A server that forbids it is a
	// [*ForwardingError].
	Dial(ctx context.Context, network, address string) (net.Conn, error)
	// Listen listens on a free port of 127.0.0.1 of that machine; the listener's
	// Addr has it. A server that forbids it is a [*ForwardingError]: go on
	// without.
	Listen(ctx context.Context) (net.Listener, error)
	// Lock keeps other agents, here and there, from a directory, until unlock;
	// [ErrLocked] tells that another has it. It leaves nothing behind: it ends
	// with this process, and over SSH at most [LockOutlives] after a connection
	// that was lost. When that happens, all further calls fail until unlock: what
	// was begun under the lock doesn't go on without it.
	Lock(ctx context.Context, dir string) (unlock func(), err error)
}

// Info is what is known of a file.
type Info struct {
	// Mode is its kind and its permissions.
	Mode fs.FileMode
	// Size is in bytes.
	Size int64
	// UID and GID are whom it belongs to.
	UID, GID int
}

// Command is a program to run.
type Command struct {
	// Argv is the program and its arguments; no shell reads them.
	Argv []string
	// Stdin is what it is given to read; then its input ends.
	Stdin []byte
	// Limit is how many bytes are kept of each of its outputs, the first ones;
	// 16 KiB unless set. Of stderr 16 KiB are kept in any case.
	Limit int
	// Timeout is how long it may run; 30 s unless set. It is ended then, over SSH
	// at once or 5 s later.
	Timeout time.Duration
	// Doing names it in errors in place of Argv, where that is nothing for people, as
	// a script. What it printed to stdout is not told by them then: it may be a file.
	Doing string
}

// name is what errors call it.
func (c Command) name() string { return strings.Join(c.words(), " ") }

// words are those of its name.
func (c Command) words() []string {
	if c.Doing != "" {
		return []string{c.Doing}
	}
	return c.Argv
}

// Output is what a program printed.
type Output struct {
	Stdout, Stderr []byte
}

// The bounds of a Command that says none.
const (
	outputMax  = 16 << 10
	runTimeout = 30 * time.Second
)

// LockOutlives is how long a machine keeps the lock of a connection that was lost.
const LockOutlives = 30 * time.Second

var (
	// ErrLonger is the error of a file that goes on after what was read.
	ErrLonger = errors.New("the file is longer than that")
	// ErrLocked is the error of a directory that another agent has locked.
	ErrLocked = errors.New("another agent is changing what is in there")
)
