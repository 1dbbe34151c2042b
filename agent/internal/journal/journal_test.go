package journal

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/applyers"
	"berth/desired"
	"berth/drift"
)

var (
	create = drift.Key{ID: "vm/web-1", Step: drift.Create}
	start  = drift.Key{ID: "vm/web-1", Step: drift.Start}
	play   = drift.Key{ID: "play/base", Step: drift.Run}
)

func open(t *testing.T, o Options) *Journal {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	j, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j
}

func begin(t *testing.T, j *Journal) *Entry {
	t.Helper()
	e, err := j.Begin(Turn{Commit: "3f2a91c", Mode: "sync", Plan: &drift.Plan{Digest: "d1", Changes: []drift.Change{{Key: create}}}})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func tell(t *testing.T, e *Entry, events ...applyers.Event) {
	t.Helper()
	for _, event := range events {
		if err := e.Event(event); err != nil {
			t.Fatal(err)
		}
	}
}

func unfinished(t *testing.T, j *Journal) []Left {
	t.Helper()
	left, err := j.Unfinished()
	if err != nil {
		t.Fatal(err)
	}
	return left
}

func done(k drift.Key, s drift.Status) applyers.Event {
	return applyers.Event{Key: k, Outcome: &drift.Outcome{Key: k, Status: s}}
}

func TestTurnIsReadBackAsItWasWritten(t *testing.T) {
	j := open(t, Options{})
	e := begin(t, j)
	tell(
		t, e,
		applyers.Event{Key: create, Started: true},
		applyers.Event{Key: create, Task: "home/UPID:pve1:1"},
		applyers.Event{Key: create, Line: "importing the image"},
		done(create, drift.Done),
		done(play, drift.Skipped),
	)
	if err := e.End(json.RawMessage(`{"ok":true}`)); err != nil {
		t.Fatal(err)
	}
	last, err := j.Last(5)
	if err != nil || len(last) != 1 {
		t.Fatalf("Last: %v, %v", last, err)
	}
	r := last[0]
	if r.ID != e.ID || r.Commit != "3f2a91c" || r.Plan.Changes[0].Key != create || string(r.Report) != `{"ok":true}` || r.Ended.IsZero() || r.Torn || r.Damaged > 0 {
		t.Errorf("the turn reads back as %+v", r)
	}
	want := []Step{
		{Key: create, Started: r.Steps[0].Started, Tasks: []string{"home/UPID:pve1:1"}, Lines: []string{"importing the image"}, Outcome: &drift.Outcome{Key: create, Status: drift.Done}},
		{Key: play, Outcome: &drift.Outcome{Key: play, Status: drift.Skipped}},
	}
	if diff := cmp.Diff(want, r.Steps); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	if _, err := j.Read("20200101T000000.000Z"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Read of a turn that is not there: %v", err)
	}
	if _, err := j.Read("../../etc/passwd"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Read of a path: %v", err)
	}
}

// The agent may be killed after any byte. Whatever was told by then must be
// known, and nothing else.
func TestEveryPrefixOfATurnIsUnderstood(t *testing.T) {
	j := open(t, Options{})
	e := begin(t, j)
	path := filepath.Join(j.dir, e.ID+openSuffix)
	size := func() int {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return int(info.Size())
	}
	// From each of these sizes on, this is what is left.
	type stage struct {
		from int
		left []Left
	}
	stages := []stage{{0, nil}}
	for _, one := range []struct {
		event applyers.Event
		left  []Left
	}{
		{applyers.Event{Key: create, Started: true}, []Left{{Turn: e.ID, Key: create}}},
		{applyers.Event{Key: create, Task: "u1"}, []Left{{Turn: e.ID, Key: create, Tasks: []string{"u1"}}}},
		{applyers.Event{Key: create, Task: "u2"}, []Left{{Turn: e.ID, Key: create, Tasks: []string{"u1", "u2"}}}},
		{done(create, drift.Done), nil},
		{applyers.Event{Key: start, Started: true}, []Left{{Turn: e.ID, Key: start}}},
		{applyers.Event{Key: start, Task: "u3"}, []Left{{Turn: e.ID, Key: start, Tasks: []string{"u3"}}}},
		{done(start, drift.Left), []Left{{Turn: e.ID, Key: start, Tasks: []string{"u3"}}}},
	} {
		tell(t, e, one.event)
		stages = append(stages, stage{size(), one.left})
	}
	if err := e.End(json.RawMessage(`{}`)); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n <= len(text); n++ {
		var want []Left
		for _, s := range stages {
			if n >= s.from {
				want = s.left
			}
		}
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, e.ID+openSuffix), text[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		cut, err := Open(Options{Dir: dir})
		if err != nil {
			t.Fatalf("open after %d bytes: %v", n, err)
		}
		if diff := cmp.Diff(want, unfinished(t, cut)); diff != "" {
			t.Fatalf("unfinished after %d bytes (-want +got):\n%s", n, diff)
		}
		if len(want) > 0 {
			if err := cut.Settle(e.ID); err != nil {
				t.Fatalf("settle after %d bytes: %v", n, err)
			}
			if err := cut.Settle(e.ID); err != nil {
				t.Fatalf("settle again after %d bytes: %v", n, err)
			}
			if left := unfinished(t, cut); left != nil {
				t.Fatalf("after %d bytes and settling, still unfinished: %v", n, left)
			}
			if r, err := cut.Read(e.ID); err != nil || r.Damaged > 0 || r.Torn || !r.Settled {
				t.Fatalf("after %d bytes and settling: %+v, %v", n, r, err)
			}
		}
		if err := cut.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWhatFollowsIsSyncedFirst(t *testing.T) {
	j := open(t, Options{})
	synced := 0
	j.sync = func(f *os.File) error {
		synced++
		return f.Sync()
	}
	e := begin(t, j)
	if synced < 2 {
		t.Errorf("Begin synced %d times, want the file and its directory", synced)
	}
	for _, one := range []struct {
		event applyers.Event
		want  int
	}{
		{applyers.Event{Key: create, Started: true}, 1},
		{applyers.Event{Key: create, Task: "u1"}, 1},
		{applyers.Event{Key: create, Line: "for people"}, 0},
		{done(create, drift.Done), 1},
	} {
		synced = 0
		tell(t, e, one.event)
		if synced != one.want {
			t.Errorf("%+v was synced %d times, want %d", one.event, synced, one.want)
		}
	}
	j.sync = func(*os.File) error { return syscall.EIO }
	if err := e.Event(applyers.Event{Key: start, Started: true}); !errors.Is(err, syscall.EIO) {
		t.Errorf("an event that can't be synced: %v", err)
	}
	j.sync = (*os.File).Sync
	if err := e.Event(applyers.Event{Key: start, Task: "u2"}); !errors.Is(err, syscall.EIO) {
		t.Errorf("the event after it: %v", err)
	}
}

func TestFullDiskStopsTheTurn(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	j := open(t, Options{})
	e := begin(t, j)
	_ = e.file.Close()
	e.file = full
	err = e.Event(applyers.Event{Key: create, Started: true})
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("on a full disk: %v", err)
	}
	want := "write vm/web-1 create to turn " + e.ID + ": write /dev/full: no space left on device: free some space for " + j.dir
	if err.Error() != want {
		t.Errorf("it reads %q, want %q", err, want)
	}
	if err := e.End(nil); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("the end of it: %v", err)
	}
}

func TestLaterTurnHasLaterID(t *testing.T) {
	now := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	dir := t.TempDir()
	j := open(t, Options{Dir: dir, Now: func() time.Time { return now }})
	first := begin(t, j)
	now = now.Add(-time.Hour)
	second := begin(t, j)
	if first.ID != "20261121T090000.000Z" || second.ID != "20261121T090000.001Z" {
		t.Errorf("ids %s and, an hour back, %s", first.ID, second.ID)
	}
	for _, e := range []*Entry{first, second} {
		if err := e.End(nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j = open(t, Options{Dir: dir, Now: func() time.Time { return now }})
	if id := j.NextID(); id != "20261121T090000.002Z" {
		t.Errorf("the next id in the next life is %s", id)
	}
	if _, err := j.Begin(Turn{ID: second.ID}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a turn with a taken id: %v", err)
	}
}

func TestOldTurnsGoUnlessUnfinished(t *testing.T) {
	j := open(t, Options{Bounds: Bounds{Keep: 3}})
	left := begin(t, j)
	tell(t, left, applyers.Event{Key: create, Started: true}, applyers.Event{Key: create, Task: "u1"}, done(create, drift.Left))
	if err := left.End(nil); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for range 5 {
		e := begin(t, j)
		if err := e.End(nil); err != nil {
			t.Fatal(err)
		}
		ids = append([]string{e.ID}, ids...)
	}
	last, err := j.Last(100)
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, r := range last {
		have = append(have, r.ID)
	}
	if diff := cmp.Diff(append(ids[:3:3], left.ID), have); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
}

func TestNewerJournalIsRefused(t *testing.T) {
	for name, file := range map[string]string{
		"20261121T090000.000Z" + openSuffix:   "{\"version\":2}\n{\"what\":1}\n",
		"20261121T090000.000Z" + sealedSuffix: "{\"version\":2}\n",
		runsName:                              `{"version":2,"runs":{}}`,
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Open(Options{Dir: dir})
		want := "open journal: " + path + " is of version 2 and this agent knows 1: run the newer agent, or move the directory away; it then learns anew which playbooks have run"
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v\nwant %s", name, err, want)
		}
	}
}

func TestDamageIsToldOnceAndKeptAside(t *testing.T) {
	for _, name := range []string{"20261121T090000.000Z" + openSuffix, "20261121T090000.000Z" + sealedSuffix, runsName} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, name), []byte("garbage\nand more\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		o := Options{Dir: dir, Log: slog.New(slog.NewTextHandler(&log, nil))}
		j := open(t, o)
		if _, _, ok := j.Ran("play/base", "web-1"); ok || unfinished(t, j) != nil {
			t.Errorf("%s: something was made of it", name)
		}
		if aside, _ := filepath.Glob(filepath.Join(dir, name+".damaged-*")); len(aside) != 1 || !strings.Contains(log.String(), aside[0]) {
			t.Errorf("%s: kept aside are %q, told was %q", name, aside, log.String())
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		log.Reset()
		open(t, o)
		if log.Len() > 0 {
			t.Errorf("%s: told again: %s", name, log.String())
		}
	}
}

func TestRunsAreRemembered(t *testing.T) {
	dir := t.TempDir()
	at := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	o := Options{Dir: dir, Now: func() time.Time { return at }}
	j := open(t, o)
	if err := j.Remember("play/base", map[string]string{"web-1": "digest of web-1", "web-2": "digest of web-2"}); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j = open(t, o)
	for _, one := range []struct {
		play desired.ID
		host string
		want string
	}{{"play/base", "web-1", "digest of web-1"}, {"play/base", "web-2", "digest of web-2"}, {"play/base", "web-3", ""}, {"play/other", "web-1", ""}} {
		digest, when, ok := j.Ran(one.play, one.host)
		if digest != one.want || ok != (one.want != "") || (ok && !when.Equal(at)) {
			t.Errorf("%s on %s: %q at %v, %v", one.play, one.host, digest, when, ok)
		}
	}
}

// TestKilledAgent runs another process that dies by SIGKILL with a task running.
func TestKilledAgent(t *testing.T) {
	dir := os.Getenv("BERTH_TEST_JOURNAL")
	if dir != "" {
		j, err := Open(Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		e := begin(t, j)
		tell(t, e, applyers.Event{Key: create, Started: true}, applyers.Event{Key: create, Task: "u1"})
		fmt.Fprintln(os.Stderr, "ready")
		select {}
	}
	dir = t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledAgent$", "-test.timeout=30s")
	cmd.Env = append(os.Environ(), "BERTH_TEST_JOURNAL="+dir)
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("the other agent says %q, %v", line, err)
	}
	_, err = Open(Options{Dir: dir})
	who := fmt.Sprintf("open journal: %s is another agent's (process %d since ", dir, cmd.Process.Pid)
	if err == nil || !strings.HasPrefix(err.Error(), who) {
		t.Errorf("a second agent gets %v, want %s…", err, who)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	j := open(t, Options{Dir: dir})
	left := unfinished(t, j)
	if len(left) != 1 || left[0].Key != create || !cmp.Equal(left[0].Tasks, []string{"u1"}) {
		t.Errorf("after the kill, unfinished are %+v", left)
	}
}

func TestTurnInProgressIsNotUnfinished(t *testing.T) {
	j := open(t, Options{})
	e := begin(t, j)
	tell(t, e, applyers.Event{Key: create, Started: true}, applyers.Event{Key: create, Task: "u1"})
	if left := unfinished(t, j); left != nil {
		t.Errorf("the turn in progress counts as unfinished: %v", left)
	}
	if r, err := j.Read(e.ID); err != nil || len(r.Steps) != 1 {
		t.Errorf("it reads as %+v, %v", r, err)
	}
	if err := e.End(nil); err != nil {
		t.Fatal(err)
	}
	if left := unfinished(t, j); len(left) != 1 {
		t.Errorf("ended without an outcome, unfinished are %v", left)
	}
	if err := e.Event(done(create, drift.Done)); !errors.Is(err, errOver) {
		t.Errorf("an event after the end: %v", err)
	}
}

func FuzzReadTurn(f *testing.F) {
	f.Add([]byte("{\"version\":1}\n{\"begin\":{\"id\":\"x\"}}\n{\"key\":{\"id\":\"vm/a\",\"step\":\"run\"},\"started\":true}\n{\"end\":{}}\n"))
	f.Add([]byte("{\"version\":1}\nnull\n[]\n{\"key\":null}\n{\"begin\":{}"))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(dir, "turn")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if r, err := readTurn(path, "id"); err == nil {
			r.left()
		}
	})
}
