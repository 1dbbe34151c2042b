package pause_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"berth/agent/internal/pause"
)

// clock is the host's, which may be set.
type clock struct{ off time.Duration }

func (c *clock) now() time.Time { return time.Now().Add(c.off).Round(0) }

func pass(d time.Duration) { <-time.After(d) }

func TestPauseOutlivesARestart(t *testing.T) {
	dir := t.TempDir()
	s := pause.Open(dir, nil)
	if _, paused := s.Paused(); paused || s.Err() != nil {
		t.Fatal("paused by nobody")
	}
	if _, paused, err := s.Resume(); paused || err != nil {
		t.Errorf("resumed what was not paused: %t, %v", paused, err)
	}
	asked, err := s.Pause(pause.Pause{Reason: "the switch is replaced", By: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, pause.File)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v", info, err)
	}
	again := pause.Open(dir, nil)
	if p, paused := again.Paused(); !paused || p != asked {
		t.Errorf("after a restart: %+v, %t, want %+v", p, paused, asked)
	}
	for _, want := range []string{"by ann", "the switch is replaced", "`agent resume`"} {
		if err := again.Err(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error %v lacks %q", err, want)
		}
	}
	if is, ok := errors.AsType[*pause.Error](again.Err()); !ok || is.By != "ann" {
		t.Errorf("the error is %v", is)
	}
	// Another until keeps since when it is paused.
	longer, err := again.Pause(pause.Pause{Until: time.Now().Add(time.Hour), By: "bob"})
	if err != nil || !longer.Since.Equal(asked.Since) || longer.By != "bob" {
		t.Errorf("paused again: %+v, %v", longer, err)
	}
	if was, paused, err := again.Resume(); !paused || err != nil || was.By != "bob" {
		t.Errorf("resumed: %+v, %t, %v", was, paused, err)
	}
	if _, paused := pause.Open(dir, nil).Paused(); paused {
		t.Error("paused after it was resumed")
	}
}

func TestPauseEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		s := pause.Open(dir, nil)
		if _, err := s.Pause(pause.Pause{Until: time.Now().Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
		pass(time.Hour - time.Second)
		if _, paused := s.Paused(); !paused {
			t.Error("it ends too soon")
		}
		pass(time.Second)
		if _, paused := s.Paused(); paused {
			t.Error("it does not end")
		}
		if _, err := os.Stat(filepath.Join(dir, pause.File)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the file stays: %v", err)
		}
	})
}

func TestPauseWhoseTimeCameWhileTheAgentWasDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		if _, err := pause.Open(dir, nil).Pause(pause.Pause{Until: time.Now().Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
		pass(2 * time.Hour)
		if _, paused := pause.Open(dir, nil).Paused(); paused {
			t.Error("it is over")
		}
	})
}

// A clock that is set back makes no pause longer; one that is set forward ends it when it
// says that it is time; one that comes up years back, as without a battery, ends none.
func TestClockThatIsSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &clock{}
		dir := t.TempDir()
		s := pause.Open(dir, c.now)
		if _, err := s.Pause(pause.Pause{Until: c.now().Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
		c.off = -24 * time.Hour
		pass(59 * time.Minute)
		if _, paused := s.Paused(); !paused {
			t.Error("set back: it ends too soon")
		}
		pass(2 * time.Minute)
		if _, paused := s.Paused(); paused {
			t.Error("set back: it lasts for a day and an hour")
		}
		c.off = 0
		if _, err := s.Pause(pause.Pause{Until: c.now().Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
		c.off = -1000 * 24 * time.Hour
		booted := pause.Open(dir, c.now)
		if _, paused := booted.Paused(); !paused {
			t.Error("a clock that comes up years back ends it")
		}
		c.off = 0
		pass(30 * time.Minute)
		if _, paused := booted.Paused(); !paused {
			t.Error("and once it is right, it still lasts")
		}
		c.off = time.Hour
		if _, paused := booted.Paused(); paused {
			t.Error("set forward: the clock says that it is over")
		}
	})
}

func TestDamagedPauseIsAPause(t *testing.T) {
	for what, text := range map[string]string{
		"empty":   "",
		"cut off": `{"version": 1, "since": "2026-03-`,
		"newer":   `{"version": 2, "since": "2026-03-01T12:00:00Z"}`,
		"strange": `{}`,
		"a list":  `[]`,
	} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, pause.File)
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			s := pause.Open(dir, nil)
			err := s.Err()
			if err == nil || !strings.Contains(err.Error(), file+" can't be read") || !strings.Contains(err.Error(), "`agent resume`") {
				t.Errorf("it says %v", err)
			}
			if _, _, err := s.Resume(); err != nil || s.Err() != nil {
				t.Errorf("resumed: %v, %v", err, s.Err())
			}
			if _, paused := pause.Open(dir, nil).Paused(); paused {
				t.Error("paused after it was resumed")
			}
		})
	}
}

func TestPauseThatCannotBeKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gone")
	s := pause.Open(dir, nil)
	if _, err := s.Pause(pause.Pause{}); err == nil || !strings.Contains(err.Error(), "keep the pause") {
		t.Errorf("no place for it: %v", err)
	}
	if s.Err() != nil {
		t.Error("what the next start would not know is no pause")
	}
}
