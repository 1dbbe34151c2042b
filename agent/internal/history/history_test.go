package history

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/desired"
	"berth/drift"
	"berth/drift/report"
)

// teller makes up turns, an hour apart, and tells them to a history.
type bench struct {
	*testing.T
	*History
	turns int
}

func newBench(t *testing.T, dir string) *bench {
	t.Helper()
	if dir == "" {
		dir = filepath.Join(t.TempDir(), "history")
	}
	return &bench{T: t, History: New(Options{Dir: dir, Sync: unsynced})}
}

// unsynced is for tests in which no power fails.
func unsynced(*os.File) error {
	return nil
}

// again is the same history of an agent that starts anew.
func (b *bench) again() {
	limit := b.limit
	b.History = New(Options{Dir: b.Dir, Sync: unsynced})
	b.limit = limit
}

func (b *bench) at() time.Time {
	return time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC).Add(time.Duration(b.turns) * time.Hour)
}

// turn tells a turn and gives what was written, a line each.
func (b *bench) turn(rep *report.Report, err error) []string {
	b.turns++
	if rep != nil {
		rep.Commit = report.Commit{Hash: "aaaa", Subject: "a commit", Author: "Ada"}
		rep.Summarize()
	}
	return brief(b.Tell(Ended{ID: b.at().Format(nameLayout), At: b.at(), Why: "commit", Report: rep, Err: err}))
}

// brief is what lines tell, in short.
func brief(lines []Line) []string {
	var all []string
	for _, l := range lines {
		text := strings.TrimSpace(string(l.ID) + " " + string(l.What))
		if l.Reason != "" {
			text += ": " + l.Reason
		}
		words := []string{text}
		for _, f := range l.Fields {
			words = append(words, fmt.Sprintf("[%s %s→%s %s %s]", f.Path, f.Before, f.After, f.Origin, f.By))
		}
		all = append(all, strings.Join(words, " "))
	}
	return all
}

func (b *bench) wants(got []string, want ...string) {
	b.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		b.Errorf("turn %d (-want +got):\n%s", b.turns, diff)
	}
}

func (b *bench) story(q Query) []string {
	b.Helper()
	story, err := Read(b.Dir, q)
	if err != nil {
		b.Fatal(err)
	}
	if len(story.Passed) > 0 {
		b.Errorf("passed over: %v", story.Passed)
	}
	return brief(story.Lines)
}

// does is a report of changes, and of what became of them; nil is nothing.
func does(changes []drift.Change, outcomes ...drift.Outcome) *report.Report {
	return &report.Report{Version: report.Version, Mode: report.Run, Plan: &drift.Plan{Changes: changes}, Outcomes: outcomes}
}

func key(id desired.ID, step drift.Step) drift.Key { return drift.Key{ID: id, Step: step} }

var memory = drift.Field{Path: "memory", Before: drift.Value{Text: "1GiB"}, After: drift.Value{Text: "2GiB"}, Origin: drift.FromLive, By: "root@pam"}

func TestWhatHappensIsToldOnce(t *testing.T) {
	b := newBench(t, "")
	change := drift.Change{Key: key("vm/web", drift.Online), Fields: []drift.Field{memory}}
	held := change
	held.Held = "it waits for a window: the next opens 22:00"

	// A turn with nothing to do writes nothing.
	b.wants(b.turn(does(nil), nil))
	if _, err := os.Stat(b.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory was made for nothing: %v", err)
	}
	for range 2 {
		want := []string{"vm/web held: it waits for a window: the next opens 22:00 [memory 1GiB→2GiB live root@pam]"}
		if b.turns > 1 {
			// The same with another time in it is the same.
			held.Held, want = "it waits for a window: the next opens 23:30", nil
		}
		b.wants(b.turn(does([]drift.Change{held}), nil), want...)
	}
	b.again()
	b.wants(b.turn(does([]drift.Change{held}), nil))

	fails := drift.Outcome{Key: change.Key, Status: drift.Failed, Reason: "connection from port 4711 was reset"}
	b.wants(b.turn(does([]drift.Change{change}, fails), nil),
		"vm/web failed: connection from port 4711 was reset", "vm/web no longer held", "turn")
	fails.Reason = "connection from port 4712 was reset"
	b.wants(b.turn(does([]drift.Change{change}, fails), nil), "turn")
	waits := change
	waits.Held = "tried again at 10:00:00 UTC, or at once by `agent sync`: reset"
	b.wants(b.turn(does([]drift.Change{waits}), nil))
	b.again()
	b.wants(b.turn(does([]drift.Change{change}, fails), nil), "turn")
	b.wants(b.turn(does([]drift.Change{change}, drift.Outcome{Key: change.Key, Status: drift.Done}), nil), "vm/web changed [memory 1GiB→2GiB live root@pam]", "turn")
	told := b.story(Query{ID: "vm/web"})
	if len(told) != 4 || !strings.HasPrefix(told[0], "vm/web changed") || !strings.HasPrefix(told[3], "vm/web held") {
		t.Errorf("the story: %q", told)
	}
	story, _ := Read(b.Dir, Query{ID: "vm/web", Limit: 1})
	if story.Lines[0].Times < 2 || !story.More || story.Lines[0].Commit.Author != "Ada" {
		t.Errorf("the last line: %+v", story)
	}
	if got := b.story(Query{ID: "vm/web", Failed: true}); len(got) != 1 || !strings.HasPrefix(got[0], "vm/web failed") {
		t.Errorf("what failed: %q", got)
	}
	if got := b.story(Query{ID: "vm/web", Since: b.at()}); len(got) != 1 {
		t.Errorf("since the last turn: %q", got)
	}
}

func TestTroubleIsToldOnceForEachReason(t *testing.T) {
	b := newBench(t, "")
	down := errors.New("fetch: dial tcp 10.0.0.1:443: connection refused")
	b.wants(b.turn(nil, down), "turn failed: "+down.Error())
	b.wants(b.turn(nil, down))
	b.wants(b.turn(nil, errors.New("fetch: no such host")), "turn failed: fetch: no such host")
	b.again()
	b.wants(b.turn(nil, down))
	refused := does(nil)
	refused.Refused = &report.Refusal{Commit: report.Commit{Hash: "bbbb"}, Reason: "it does not load", Problems: []string{"a.yaml:1: x"}}
	b.wants(b.turn(refused, nil), "refused: it does not load\na.yaml:1: x")
	b.wants(b.turn(refused, nil))
	b.again()
	b.wants(b.turn(refused, nil))
	b.wants(b.turn(does(nil), nil), "recovered")
	b.wants(b.turn(does(nil), nil))
	b.wants(b.turn(nil, down), "turn failed: "+down.Error())
	// A reason that is another each time does not fill the disk.
	b.turn(does(nil), nil)
	written := 0
	for i := range 1000 {
		written += len(b.turn(nil, fmt.Errorf("reason %s", strings.Repeat("x", i))))
	}
	if written > mostTroubles {
		t.Errorf("%d lines for one bad time", written)
	}
}

// TestWhatHasNoCommitIsToldWithoutOne is of a branch that is gone: what was accepted
// before is not what is refused.
func TestWhatHasNoCommitIsToldWithoutOne(t *testing.T) {
	b := newBench(t, "")
	rep := does(nil)
	rep.Refused = &report.Refusal{Reason: "no such branch"}
	b.turn(rep, nil)
	list, err := Archive{Journal: t.TempDir(), History: b.Dir}.Turns(Query{})
	if err != nil || len(list.Turns) != 1 || list.Turns[0].Result != "refused" || list.Turns[0].Refused.Hash != "" {
		t.Errorf("the turns: %+v, %v", list, err)
	}
}

func TestOneOfManyIsToldOfItself(t *testing.T) {
	b := newBench(t, "")
	field := func(host string, needs ...desired.ID) drift.Field {
		return drift.Field{Path: desired.Path("hosts").Sub(host), Before: drift.Value{Text: "abc"}, After: drift.Value{Text: "def"}, Reason: "asked for", Needs: needs}
	}
	play := drift.Change{Key: key("play/base", drift.Run), Fields: []drift.Field{field("web", "vm/web"), field("db", "vm/db")}}
	route := drift.Change{Key: key("edge/main", drift.Route), Fields: []drift.Field{{Path: "tls.routes[web.example.net]", After: drift.Value{Text: "vm/web:443"}, Needs: []desired.ID{"vm/web"}}}}
	b.turn(does([]drift.Change{play, route},
		drift.Outcome{Key: play.Key, Status: drift.Failed, Reason: "1 of 2 hosts failed", Results: map[desired.Path]string{"hosts.web": "", "hosts.db": "task x failed"}},
		drift.Outcome{Key: route.Key, Status: drift.Done}), nil)
	b.wants(b.story(Query{ID: "vm/web"}),
		"edge/main routed [tls.routes[web.example.net] →vm/web:443  ]", "play/base ran [hosts.web →  ]")
	b.wants(b.story(Query{ID: "vm/db"}), "play/base failed: 1 of 2 hosts failed [hosts.db →  ]")
	b.wants(b.story(Query{ID: "vm/other"}))
}

func TestAFormerNameIsFollowed(t *testing.T) {
	b := newBench(t, "")
	made := func(id desired.ID, step drift.Step, fields ...drift.Field) {
		c := drift.Change{Key: key(id, step), Fields: fields}
		b.turn(does([]drift.Change{c}, drift.Outcome{Key: c.Key, Status: drift.Done}), nil)
	}
	made("vm/old", drift.Create)
	made("vm/new", drift.Adopt, drift.Field{Path: "stamp", Before: drift.Value{Text: "tested/vm/old"}, After: drift.Value{Text: "tested/vm/new"}})
	made("vm/old", drift.Create) // Another one.
	made("vm/new", drift.Reboot)
	b.wants(b.story(Query{ID: "vm/new"}), "vm/new rebooted", "vm/new renamed [stamp tested/vm/old→tested/vm/new  ]", "vm/old created")
	b.wants(b.story(Query{ID: "vm/old"}), "vm/old created", "vm/old created")
}

func TestSecretsAreNotTold(t *testing.T) {
	b := newBench(t, "")
	secret := drift.Field{Path: "password", Before: drift.Value{Text: "hunter1", Secret: true}, After: drift.Value{Text: "hunter2", Secret: true}}
	c := drift.Change{Key: key("vm/web", drift.Online), Fields: []drift.Field{secret}}
	b.turn(does([]drift.Change{c}, drift.Outcome{Key: c.Key, Status: drift.Done}), nil)
	for _, name := range b.files() {
		text, err := os.ReadFile(name)
		if err != nil || strings.Contains(string(text), "hunter") {
			t.Errorf("%v: %s", err, text)
		}
	}
}

func (b *bench) files() []string {
	all, err := filepath.Glob(filepath.Join(b.Dir, "*"))
	if err != nil {
		b.Fatal(err)
	}
	return all
}

// reboot is a turn that does something.
func (b *bench) reboot() []string {
	c := drift.Change{Key: key("vm/web", drift.Reboot)}
	return b.turn(does([]drift.Change{c}, drift.Outcome{Key: c.Key, Status: drift.Done}), nil)
}

func TestFilesAreRotatedAndOldOnesGo(t *testing.T) {
	b := newBench(t, "")
	b.limit = 1500
	held := drift.Change{Key: key("vm/db", drift.Online), Held: "not today"}
	b.wants(b.turn(does([]drift.Change{held}), nil), "vm/db held: not today")
	for range 400 {
		b.turn(does([]drift.Change{held, {Key: key("vm/web", drift.Reboot)}}, drift.Outcome{Key: key("vm/web", drift.Reboot), Status: drift.Done}), nil)
	}
	if n := len(b.files()); n != mostFiles {
		t.Errorf("%d files, want %d", n, mostFiles)
	}
	// What held when a file was begun is known from it alone.
	b.again()
	b.wants(b.turn(does([]drift.Change{held}), nil))
	b.wants(b.turn(does(nil), nil), "vm/db no longer held")
	if got := b.story(Query{ID: "vm/web"}); len(got) < 30 {
		t.Errorf("%d lines are left", len(got))
	}
	// Years later the old ones go, however few.
	b.turns += 6 * 365 * 24
	for range 10 {
		b.reboot()
	}
	if n := len(b.files()); n > 5 {
		t.Errorf("%d files are left after six years", n)
	}
}

// However the newest file was spoilt, the history goes on, and what was spoilt is left
// as it is and said to be passed over.
func TestDamage(t *testing.T) {
	newer := []byte(`{"version":2}` + "\n" + `{"what":"as later agents have it"}` + "\n")
	for name, row := range map[string]struct {
		spoil  func(file string, text []byte) error
		told   int // of the two turns before
		passed string
	}{
		"torn": {func(f string, text []byte) error { return os.WriteFile(f, text[:len(text)-20], 0o600) }, 2, ""},
		"garbage in a line": {func(f string, text []byte) error {
			return os.WriteFile(f, slices.Concat(text, []byte("\x00garbage\n")), 0o600)
		}, 2, "lines that make no sense: 1"},
		"all zeros":           {func(f string, text []byte) error { return os.WriteFile(f, make([]byte, len(text)), 0o600) }, 0, "its first line makes no sense"},
		"empty":               {func(f string, _ []byte) error { return os.WriteFile(f, nil, 0o600) }, 0, "its first line makes no sense"},
		"of a newer version":  {func(f string, _ []byte) error { return os.WriteFile(f, newer, 0o600) }, 0, "is of version 2 and this agent knows 1"},
		"gone":                {func(f string, _ []byte) error { return os.Remove(f) }, 0, ""},
		"a directory instead": {func(f string, _ []byte) error { return errors.Join(os.Remove(f), os.Mkdir(f, 0o700)) }, 0, "is a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, "")
			b.reboot()
			b.turns++
			b.Tell(Ended{ID: b.at().Format(nameLayout), At: b.at(), Report: does([]drift.Change{{Key: key("vm/web", drift.Stop)}}, drift.Outcome{Key: key("vm/web", drift.Stop), Status: drift.Done})})
			file := b.files()[0]
			text, err := os.ReadFile(file)
			if err == nil {
				err = row.spoil(file, text)
			}
			if err != nil {
				t.Fatal(err)
			}
			spoilt, _ := os.ReadFile(file)
			b.again()
			if got := b.reboot(); len(got) != 2 {
				t.Errorf("the next turn: %q", got)
			}
			story, err := Read(b.Dir, Query{ID: "vm/web"})
			if err != nil || len(story.Lines) != row.told+1 {
				t.Errorf("the story: %v %+v", err, story)
			}
			passed := strings.Join(story.Passed, "\n")
			if row.passed == "" && name != "torn" && passed != "" || !strings.Contains(passed, row.passed) {
				t.Errorf("passed over: %q", passed)
			}
			if now, _ := os.ReadFile(file); name != "gone" && !strings.HasPrefix(string(now), string(spoilt)) {
				t.Errorf("what was there was rewritten:\n%s", now)
			}
		})
	}
}

// A file of a newer agent is not removed, however old.
func TestANewerAgentsFilesStay(t *testing.T) {
	b := newBench(t, "")
	b.reboot()
	file := b.files()[0]
	if err := os.WriteFile(file, []byte("{\"version\":9}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.again()
	b.limit = 1
	b.turns += 20 * 365 * 24
	for range 3 * mostFiles {
		b.reboot()
	}
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
	if n := len(b.files()); n > mostFiles+1 {
		t.Errorf("%d files", n)
	}
}

// What is found during a pause is told once, and what becomes of it.
func TestWhatIsFoundDuringAPause(t *testing.T) {
	b := newBench(t, "")
	change := drift.Change{Key: key("vm/web", drift.Online), Fields: []drift.Field{memory}}
	paused := func(rep *report.Report) []string {
		b.turns++
		return brief(b.Tell(Ended{ID: b.at().Format(nameLayout), At: b.at(), Paused: true, Report: rep}))
	}
	b.wants(paused(does([]drift.Change{change})), "vm/web held: the agent is paused [memory 1GiB→2GiB live root@pam]")
	b.wants(paused(does([]drift.Change{change})))
	b.wants(b.turn(does([]drift.Change{change}, drift.Outcome{Key: change.Key, Status: drift.Done}), nil), "vm/web changed [memory 1GiB→2GiB live root@pam]", "turn")
}

// What can't be written harms nobody; what began meanwhile is told when it can be.
func TestNothingCanBeWritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "history")
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	b := newBench(t, dir)
	held := does([]drift.Change{{Key: key("vm/db", drift.Online), Held: "not today"}})
	b.wants(b.turn(held, nil))
	b.wants(b.turn(nil, errors.New("no network")))
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	b.wants(b.turn(held, nil), "vm/db held: not today")
}

// Whatever byte the agent dies after, and whoever reads meanwhile, no line is an error.
func TestEveryPrefixIsRead(t *testing.T) {
	b := newBench(t, "")
	b.reboot()
	b.reboot()
	text, err := os.ReadFile(b.files()[0])
	if err != nil {
		t.Fatal(err)
	}
	first := strings.Index(string(text), "\n") + 1
	dir := t.TempDir()
	for n := first; n <= len(text); n += 5 {
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(b.files()[0])), text[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		story, err := Read(dir, Query{})
		if err != nil || len(story.Passed) > 0 || len(story.Lines) != max(0, strings.Count(string(text[:n]), "\n")-2) {
			t.Fatalf("after %d bytes: %v %+v", n, err, story)
		}
	}
}

// TestATurnIsSyncedOnce holds that what a turn tells outlives a power failure, at the cost
// of one sync, and that what can't be synced is told again.
func TestATurnIsSyncedOnce(t *testing.T) {
	b := newBench(t, "")
	var synced []string
	var full error
	b.Sync = func(f *os.File) error {
		synced = append(synced, f.Name())
		return full
	}
	wants := func(what string, lines int, want ...string) {
		t.Helper()
		if !slices.Equal(synced, want) {
			t.Errorf("%s: synced are %q, want %q", what, synced, want)
		}
		synced = nil
		text, err := os.ReadFile(filepath.Join(b.Dir, b.name))
		if err != nil || bytes.Count(text, []byte{'\n'}) != lines {
			t.Errorf("%s: %v, and the file is\n%s", what, err, text)
		}
	}
	b.turn(nil, errors.New("first"))
	file := filepath.Join(b.Dir, b.name)
	wants("the first turn", 3, file, b.Dir)
	both := does([]drift.Change{{Key: key("vm/web", drift.Stop)}, {Key: key("vm/db", drift.Stop)}},
		drift.Outcome{Key: key("vm/web", drift.Stop), Status: drift.Done}, drift.Outcome{Key: key("vm/db", drift.Stop), Status: drift.Done})
	if n := len(b.turn(both, nil)); n < 3 {
		t.Errorf("the second turn tells %d lines", n)
	}
	wants("the second", 7, file)
	b.turn(does(nil), nil)
	wants("one with nothing to tell", 7)
	full = errors.New("no space left on device")
	if lines := b.turn(nil, errors.New("second")); lines != nil {
		t.Errorf("told are %q", lines)
	}
	wants("a full disk", 7, file)
	full = nil
	b.wants(b.turn(nil, errors.New("second")), "turn failed: second")
	wants("there is room again", 8, file)
}
