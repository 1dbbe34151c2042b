package runner

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
)

// batches is one run: the program is started for some of its hosts at a time.
type batches struct {
	Spec
	runner *Runner
	dir    *runDir
	hide   *mask
	words  words
	say    func(string)
	room   int
	// at is what is being done before the program is started; "" for nothing long.
	at string
	// proc is the program as it is started for each batch.
	proc process
}

// failed lists the hosts that have not come to a good end, without those that were
// not begun.
func failed(done *Result) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(done.Hosts)), func(name string) bool { return done.Hosts[name].Err == nil })
}

// all runs batch after batch.
func (b *batches) all(ctx context.Context) (*Result, error) {
	size := b.Serial
	if size <= 0 {
		size = len(b.Limit)
	}
	done := &Result{Hosts: make(map[string]*Host), Whole: true}
	for from := 0; from < len(b.Limit); from += size {
		limit := b.Limit[from:min(from+size, len(b.Limit))]
		if names := failed(done); b.MaxFail != nil && len(names) > *b.MaxFail {
			b.leave(done, b.Limit[from:], "not begun, since more hosts have failed than maxFail allows: "+strings.Join(names, " "))
			return done, nil
		}
		if size < len(b.Limit) {
			b.say("hosts " + strings.Join(limit, " "))
		}
		one, err := b.one(ctx, limit)
		switch {
		case err == nil:
			maps.Copy(done.Hosts, one.Hosts)
			done.Whole = done.Whole && one.Whole
		case from == 0:
			return nil, err
		case b.cancelled(ctx):
			return done, err
		default:
			// What other batches did is known and counts.
			for _, name := range limit {
				done.Hosts[name] = &Host{Err: &TaskError{Msg: err.Error()}}
			}
			b.leave(done, b.Limit[from+len(limit):], "not begun, since the playbook had failed for others: "+err.Error())
			return done, nil
		}
	}
	return done, nil
}

// cancelled tells whether the caller wants an end, rather than the time being over.
func (b *batches) cancelled(ctx context.Context) bool {
	return ctx.Err() != nil && context.Cause(ctx) != errTimeout //nolint:errorlint // It is the very cause.
}

// leave notes the hosts that are not begun.
func (b *batches) leave(done *Result, hosts []string, why string) {
	done.Whole = false
	for _, name := range hosts {
		done.Hosts[name] = &Host{Err: &TaskError{Left: true, Msg: why}}
	}
}

// one runs the program once.
func (b *batches) one(ctx context.Context, limit []string) (*Result, error) {
	if err := b.dir.write("limit", []byte(strings.Join(limit, "\n")+"\n")); err != nil {
		return nil, err
	}
	seen := &watch{say: b.say, words: b.words, check: b.Check, hosts: make(map[string]*seen), room: &b.room}
	last := &ring{}
	proc := b.proc
	proc.event = seen.line
	err := b.start(ctx, proc, last.line)
	if seen.junk > 0 {
		b.runner.Log.WarnContext(ctx, "ansible's events have lines that are none", slog.String("playbook", b.File), slog.Int("lines", seen.junk))
	}
	switch {
	case !seen.stats && ctx.Err() != nil:
		return nil, b.stopped(ctx, seen.running(), err)
	case !seen.stats, err != nil && ctx.Err() == nil && len(seen.failed()) == 0:
		return nil, fmt.Errorf("run %s: %s", b.File, b.words.message(failure("ansible-playbook", err)+": "+last.reason(), false))
	}
	return seen.result(b.File, limit), nil
}

// start runs a program to its end. What it writes for people goes to Output, and
// line by line to take, without secrets.
func (b *batches) start(ctx context.Context, proc process, take func([]byte)) error {
	by := &lineWriter{take: take}
	out := &masker{mask: b.hide, out: io.MultiWriter(by, &lenient{out: b.Output, log: func(err error) {
		b.runner.Log.WarnContext(ctx, "ansible's output is not kept", slog.String("playbook", b.File), slog.Any("error", err))
	}})}
	proc.output = out
	err := proc.wait(ctx)
	_ = out.Close()
	by.end()
	return err
}
