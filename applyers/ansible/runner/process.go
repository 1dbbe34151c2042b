package runner

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const (
	// A run that is told to stop has this long before it is killed.
	grace = time.Second
	// What was written before the end is read within this time.
	drain = 2 * time.Second
	// Longer lines are no lines of ours.
	maxLine = 1 << 20
)

// process is one ansible-playbook to be run.
type process struct {
	bin  string
	args []string
	env  []string
	dir  string
	// run is the run's directory: its name tells the processes that belong to it.
	run *runDir
	// event gets the lines of BERTH_EVENTS as they come, if it is set, and output all
	// that the program writes; each from a goroutine of its own.
	event  func(line []byte)
	output io.Writer
}

// wait runs it to its end. It has a session of its own, so that it can ask
// nobody anything and is stopped whole. The error is an [*exec.ExitError] where
// the program itself ended badly.
func (p *process) wait(ctx context.Context) error {
	var readers sync.WaitGroup
	finish := func() {}
	if p.event != nil {
		path := p.run.in("events")
		events, keep, err := fifo(path)
		if err != nil {
			return err
		}
		readers.Go(func() { lines(events, p.event) })
		finish = func() {
			_ = keep.Close()
			_ = events.SetReadDeadline(time.Now().Add(drain))
			readers.Wait()
			_ = events.Close()
			_ = os.Remove(path)
		}
	}
	// What was written before the end is read after it.
	defer func() { finish() }()
	out, in, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make a pipe: %w", err)
	}
	defer out.Close()

	cmd := exec.CommandContext(ctx, p.bin, p.args...)
	cmd.Dir, cmd.Env = p.dir, p.env
	cmd.Stdout, cmd.Stderr = in, in
	cmd.SysProcAttr = session()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = grace
	err = cmd.Start()
	_ = in.Close()
	if err != nil {
		return fmt.Errorf("start %s: %w", filepath.Base(p.bin), err)
	}
	var reader sync.WaitGroup
	reader.Go(func() { _, _ = io.Copy(p.output, out) })
	err = cmd.Wait()
	// What is left of the group, and ssh's shared connections, end with it; after
	// a stop everything that carries the run's name does.
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	killMentioning(p.run.path, ctx.Err() != nil)
	_ = out.SetReadDeadline(time.Now().Add(drain))
	reader.Wait()
	if err != nil {
		return fmt.Errorf("run %s: %w", filepath.Base(p.bin), err)
	}
	return nil
}

// fifo makes a named pipe. keep holds it open: until it is closed the reader
// meets no end between two writers.
func fifo(path string) (reader, keep *os.File, err error) {
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		return nil, nil, fmt.Errorf("make a named pipe: %w", err)
	}
	reader, err = os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("open a named pipe: %w", err)
	}
	keep, err = os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		_ = reader.Close()
		return nil, nil, fmt.Errorf("open a named pipe: %w", err)
	}
	return reader, keep, nil
}

// lines calls take for each line that is not too long, until r ends.
func lines(r io.Reader, take func([]byte)) {
	in := bufio.NewReaderSize(r, 64<<10)
	var line []byte
	long := false
	for {
		part, err := in.ReadSlice('\n')
		if long = long || len(line)+len(part) > maxLine; !long {
			line = append(line, part...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if !long && len(line) > 0 {
			take(bytes.TrimRight(line, "\r\n"))
		}
		if err != nil {
			return
		}
		line, long = line[:0], false
	}
}

// killMentioning kills the processes that have dir in their command line, as
// ssh's shared connections do, or in their environment too.
func killMentioning(dir string, environment bool) {
	names := []string{"cmdline"}
	if environment {
		names = append(names, "environ")
	}
	for _, name := range names {
		files, _ := filepath.Glob("/proc/[0-9]*/" + name)
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil || !bytes.Contains(text, []byte(dir+"/")) {
				continue
			}
			if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil && pid != os.Getpid() {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	}
}
