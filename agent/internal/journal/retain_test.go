package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"berth/applyers"
	"berth/desired"
)

// shelf makes turns up, one after the other.
type shelf struct {
	*testing.T
	*Journal
	at time.Time
}

func newShelf(t *testing.T, o Options) *shelf {
	t.Helper()
	s := &shelf{T: t, at: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)}
	o.Now = func() time.Time { return s.at }
	o.Sync = func(*os.File) error { return nil } // No power fails here.
	s.Journal = open(t, o)
	return s
}

// turn makes one that failed in so many resources, and gives its id.
func (s *shelf) turn(failed int) string {
	s.Helper()
	s.at = s.at.Add(time.Minute)
	e := begin(s.T, s.Journal)
	out := s.Output(e.ID, create)
	_, _ = out.Write([]byte(strings.Repeat("x", 1000)))
	must(s.T, out.Close())
	must(s.T, e.End(json.RawMessage(fmt.Sprintf(`{"version":1,"summary":{"failed":%d}}`, failed))))
	return e.ID
}

func (s *shelf) kept() []string {
	s.Helper()
	ids, err := At(s.dir).IDs()
	must(s.T, err)
	return ids
}

func (s *shelf) wantKept(want ...string) {
	s.Helper()
	slices.Reverse(want)
	if got := s.kept(); !slices.Equal(got, want) {
		s.Errorf("kept are %v, want %v", got, want)
	}
	for _, id := range s.kept() {
		if files, _ := At(s.dir).Files(id); len(files) != 1 && !strings.HasSuffix(id, "failed") {
			s.Errorf("of %s there are outputs %v", id, files)
		}
	}
	outputs, _ := filepath.Glob(filepath.Join(s.dir, "*.log"))
	if len(outputs) != len(want) {
		s.Errorf("%d outputs for %d turns", len(outputs), len(want))
	}
}

func TestFailuresAreKeptLonger(t *testing.T) {
	t.Run("by count", func(t *testing.T) {
		s := newShelf(t, Options{Bounds: Bounds{Keep: 3}})
		bad := s.turn(1)
		var last []string
		for range 10 {
			last = append(last, s.turn(0))
		}
		s.wantKept(append([]string{bad}, last[7:]...)...)
	})
	t.Run("by age", func(t *testing.T) {
		s := newShelf(t, Options{Bounds: Bounds{Keep: 1000, KeepFor: 10 * 24 * time.Hour, KeepFailures: 30 * 24 * time.Hour}})
		bad, good := s.turn(2), s.turn(0)
		days := func(n int) []string {
			var all []string
			for range n {
				s.at = s.at.Add(24 * time.Hour)
				all = append(all, s.turn(0))
			}
			return all
		}
		all := days(20)
		if got := s.kept(); slices.Contains(got, good) || !slices.Contains(got, bad) || len(got) != atLeast+1 {
			t.Errorf("after 20 days: %v", got)
		}
		all = append(all, days(20)...)
		// Ten days are over for more than twenty, and yet the newest stay.
		s.wantKept(all[len(all)-atLeast:]...)
	})
	t.Run("by size", func(t *testing.T) {
		s := newShelf(t, Options{Bounds: Bounds{MaxSize: 60_000}})
		bad := s.turn(1)
		var all []string
		for range 100 {
			all = append(all, s.turn(0))
		}
		got := s.kept()
		if len(got) < atLeast || len(got) > 50 || !slices.Contains(got, bad) || got[0] != all[99] {
			t.Errorf("kept %d: %v", len(got), got)
		}
		// What must stay gives up what its steps put out.
		s.bounds.MaxSize = 1
		s.turn(0)
		if outputs, _ := filepath.Glob(filepath.Join(s.dir, "*.log")); len(outputs) != 1 || len(s.kept()) != atLeast {
			t.Errorf("%d outputs, %d turns", len(outputs), len(s.kept()))
		}
	})
}

func TestOtherBoundsHoldAtOnce(t *testing.T) {
	s := newShelf(t, Options{})
	var all []string
	for range 10 {
		all = append(all, s.turn(0))
	}
	s.Keep(Bounds{})
	s.wantKept(slices.Clone(all)...)
	s.Keep(Bounds{Keep: 3})
	// There is room for the turn that follows.
	s.wantKept(slices.Clone(all[8:])...)
	all = append(all, s.turn(0), s.turn(0))
	s.wantKept(slices.Clone(all[9:])...)
	s.Keep(Bounds{Keep: 5})
	for range 3 {
		all = append(all, s.turn(0))
	}
	s.wantKept(slices.Clone(all[10:])...)
}

func TestATraceOfATurnThatCouldNotBeMade(t *testing.T) {
	dir := t.TempDir()
	s := newShelf(t, Options{Dir: dir})
	id := s.NextID()
	log := s.StartLog(id)
	line := slog.New(s.Handler())
	line.InfoContext(applyers.InTurn(t.Context(), id), "fetching")
	line.InfoContext(t.Context(), "somebody else's")
	must(t, s.Fail(Turn{ID: id, Why: "start"}, json.RawMessage(`{"version":1,"error":"no network"}`)))
	line.InfoContext(applyers.InTurn(t.Context(), id), "turn ended")
	must(t, log.Close())
	record, err := At(dir).Read(id)
	if err != nil || record.Why != "start" || string(record.Report) != `{"version":1,"error":"no network"}` {
		t.Errorf("reads back as %+v, %v", record, err)
	}
	if text := logOf(t, dir, id); strings.Count(text, "\n") != 2 || !strings.Contains(text, "fetching") || strings.Contains(text, "somebody") {
		t.Errorf("its log is\n%s", text)
	}
	// Nothing is remembered of it: nothing was done.
	if last, err := s.Last(10); err != nil || len(last) != 0 {
		t.Errorf("Last: %v %v", last, err)
	}
	// An agent that starts anew minds its form.
	path := filepath.Join(dir, id+failedSuffix)
	must(t, os.WriteFile(path, []byte("\x00\x00"), 0o600))
	s.Journal = again(t, s.Journal, Options{Dir: dir})
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what makes no sense is still there: %v", err)
	}
	must(t, os.WriteFile(path, []byte(`{"version":2}`+"\n"), 0o600))
	must(t, s.Close())
	if _, err := Open(Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "is of version 2 and this agent knows 1") {
		t.Errorf("of a newer version: %v", err)
	}
	if text, _ := os.ReadFile(path); string(text) != `{"version":2}`+"\n" {
		t.Errorf("it was rewritten: %s", text)
	}
}

func logOf(t *testing.T, dir, id string) string {
	t.Helper()
	f, err := At(dir).Log(id)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	must(t, err)
	return string(text)
}

func TestLogOfATurn(t *testing.T) {
	dir := t.TempDir()
	j := open(t, Options{Dir: dir})
	log := slog.New(j.Handler())
	turn := func(do func(id string, log *slog.Logger)) string {
		id := j.NextID()
		l := j.StartLog(id)
		ctx := applyers.InTurn(t.Context(), id)
		log.InfoContext(ctx, "before")
		log.DebugContext(ctx, "hidden")
		do(id, log)
		log.InfoContext(ctx, "after")
		must(t, l.Close())
		log.InfoContext(ctx, "too late")
		return id
	}
	turn(func(string, *slog.Logger) {})
	if entries, _ := filepath.Glob(filepath.Join(dir, "*.log")); len(entries) != 0 {
		t.Errorf("a turn with nothing to do left %v", entries)
	}
	id := turn(func(id string, log *slog.Logger) {
		e, err := j.Begin(Turn{ID: id})
		must(t, err)
		log.With(slog.String("a", "b")).InfoContext(applyers.InTurn(t.Context(), id), "within")
		must(t, e.End(nil))
	})
	text := logOf(t, dir, id)
	if strings.Count(text, "\n") != 3 || !strings.Contains(text, `"msg":"within","a":"b"`) {
		t.Errorf("the log is\n%s", text)
	}
	if files, err := At(dir).Files(id); err != nil || len(files) != 0 {
		t.Errorf("the log is among the outputs: %v %v", files, err)
	}
	// What can't be written stops nobody.
	id = turn(func(id string, _ *slog.Logger) {
		must(t, os.Mkdir(filepath.Join(dir, id+logSuffix), 0o700))
		e, err := j.Begin(Turn{ID: id})
		must(t, err)
		must(t, e.End(nil))
	})
	if text := logOf(t, dir, id); text != fs.ErrNotExist.Error() {
		t.Errorf("a directory in its place: %s", text)
	}
	// Far too much is bounded.
	id = turn(func(id string, log *slog.Logger) {
		for range 5_000 {
			log.InfoContext(applyers.InTurn(t.Context(), id), strings.Repeat("x", 100)) //nolint:sloglint // As long as can be.
		}
		e, err := j.Begin(Turn{ID: id})
		must(t, err)
		must(t, e.End(nil))
	})
	if text := logOf(t, dir, id); len(text) > logBuffer+200 || !strings.HasSuffix(text, "\n") {
		t.Errorf("%d bytes", len(text))
	}
}

func TestHostsThatAreLongGoneAreForgotten(t *testing.T) {
	at := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	o := Options{Dir: t.TempDir(), Now: func() time.Time { return at }}
	j := open(t, o)
	must(t, j.Remember("play/base", map[string]string{"web": "w", "db": "d"}))
	must(t, j.Remember("play/gone", map[string]string{"web": "w"}))
	must(t, j.Ask("play/base", []string{"db"}, "somebody"))
	stands := map[string]bool{"play/base web": true, "play/base db": true, "play/gone web": true}
	tend := func() {
		t.Helper()
		must(t, j.Tend(func(play desired.ID, host string) bool { return stands[string(play)+" "+host] }))
	}
	unchanged := func() {
		t.Helper()
		before, _ := os.Stat(filepath.Join(o.Dir, runsName))
		tend()
		if after, _ := os.Stat(filepath.Join(o.Dir, runsName)); !os.SameFile(before, after) {
			t.Error("it was written anew for nothing")
		}
	}
	unchanged()
	delete(stands, "play/base db")
	delete(stands, "play/gone web")
	tend()
	unchanged()
	at = at.Add(ForgetAfter - time.Hour)
	j = again(t, j, o)
	unchanged()
	// Who comes back is as if never gone.
	stands["play/base db"] = true
	tend()
	delete(stands, "play/base db")
	tend()
	at = at.Add(2 * time.Hour)
	tend()
	if digest, _, ok := j.Ran("play/base", "db"); !ok || digest != "d" {
		t.Error("db was forgotten, although it was there again")
	}
	if _, ok := j.Asked("play/base", "db"); !ok {
		t.Error("that db was asked for is forgotten")
	}
	if _, _, ok := j.Ran("play/gone", "web"); ok {
		t.Error("play/gone is still known")
	}
	at = at.Add(ForgetAfter)
	tend()
	j = again(t, j, o)
	if _, _, ok := j.Ran("play/base", "db"); ok {
		t.Error("db is still known")
	}
	if _, ok := j.Asked("play/base", "db"); ok {
		t.Error("db is still asked for")
	}
	if _, _, ok := j.Ran("play/base", "web"); !ok {
		t.Error("web was forgotten")
	}
	// A clock that was far ahead forgets nobody.
	delete(stands, "play/base web")
	at = at.Add(10 * ForgetAfter)
	tend()
	at = at.Add(-10 * ForgetAfter)
	tend()
	at = at.Add(ForgetAfter / 2)
	tend()
	if _, _, ok := j.Ran("play/base", "web"); !ok {
		t.Error("web was forgotten by a clock that was ahead")
	}
}

// A command reads while the agent writes, seals and removes: nothing of it is an error.
func TestReadingWhileItIsWritten(t *testing.T) {
	s := newShelf(t, Options{Bounds: Bounds{Keep: 2}})
	over := make(chan struct{})
	go func() {
		defer close(over)
		for i := range 30 {
			s.turn(i % 2)
		}
	}()
	for reads := 0; ; reads++ {
		ids, err := At(s.dir).IDs()
		must(t, err)
		for _, id := range ids {
			if _, err := At(s.dir).Read(id); err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
			if _, err := At(s.dir).Files(id); err != nil {
				t.Fatal(err)
			}
		}
		select {
		case <-over:
			if reads == 0 {
				t.Error("nothing was read meanwhile")
			}
			return
		default:
		}
	}
}

func TestPartsOfARunAreRemembered(t *testing.T) {
	o := Options{Dir: t.TempDir()}
	j := open(t, o)
	parts := map[string]map[string]string{"web": {"secret apps": "abc"}, "never": {"x": "y"}}
	must(t, j.Remember("play/base", map[string]string{"web": "w"}))
	must(t, j.RememberParts("play/base", parts))
	j = again(t, j, o)
	if got := j.Parts("play/base", "web"); got["secret apps"] != "abc" {
		t.Errorf("parts %v", got)
	}
	if digest, _, ok := j.Ran("play/base", "web"); digest != "w" || !ok {
		t.Errorf("ran %q %v", digest, ok)
	}
	if _, _, ok := j.Ran("play/base", "never"); ok {
		t.Error("parts alone are taken for a run")
	}
	// The next run knows of none until they are noted.
	must(t, j.Remember("play/base", map[string]string{"web": "v"}))
	if got := j.Parts("play/base", "web"); got != nil {
		t.Errorf("parts of the run before: %v", got)
	}
}
