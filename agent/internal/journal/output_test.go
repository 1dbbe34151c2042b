package journal

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"berth/drift"
)

func TestOutput(t *testing.T) {
	dir := t.TempDir()
	at := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	j := open(t, Options{Dir: dir, Bounds: Bounds{Keep: 2}, Now: func() time.Time { return at }})
	k := drift.Key{ID: "play/../../x y", Step: drift.Run}
	first, err := j.Begin(Turn{})
	must(t, err)
	o := j.Output(first.ID, k)
	if o.Path() != "" {
		t.Errorf("a file without a word: %s", o.Path())
	}
	for _, text := range []string{"PLAY [all]\n", "ok: [web-1]\n"} {
		if n, err := o.Write([]byte(text)); n != len(text) || err != nil {
			t.Fatal(n, err)
		}
	}
	// It is there before it is closed: an agent that is killed leaves it.
	text, err := os.ReadFile(o.Path())
	if err != nil || string(text) != "PLAY [all]\nok: [web-1]\n" {
		t.Errorf("%s holds %q, %v", o.Path(), text, err)
	}
	if info, err := os.Stat(o.Path()); err != nil || info.Mode().Perm() != 0o600 || filepath.Dir(o.Path()) != dir {
		t.Errorf("%s: %v, %v", o.Path(), info.Mode(), err)
	}
	must(t, o.Close())
	must(t, o.Close())
	must(t, first.End(nil))

	// It goes with its turn.
	for range 3 {
		at = at.Add(time.Minute)
		if _, err := os.Stat(o.Path()); err != nil {
			break
		}
		e, err := j.Begin(Turn{})
		must(t, err)
		must(t, e.End(nil))
	}
	if _, err := os.Stat(o.Path()); !os.IsNotExist(err) {
		t.Errorf("the log outlives its turn: %v", err)
	}
}

func TestOutputIsBounded(t *testing.T) {
	j := open(t, Options{Dir: t.TempDir()})
	o := j.Output(j.NextID(), drift.Key{ID: "play/base", Step: drift.Run})
	chunk := bytes.Repeat([]byte("0123456789abcde\n"), 1<<16)
	for range OutputLimit/len(chunk) + 3 {
		if n, err := o.Write(chunk); n != len(chunk) || err != nil {
			t.Fatal(n, err)
		}
	}
	text, err := os.ReadFile(o.Path())
	must(t, err)
	must(t, o.Close())
	if len(text) > OutputLimit+200 || !bytes.HasSuffix(text, []byte("\n… cut off here: the log of a step is kept up to 16 MiB\n")) {
		t.Errorf("%d bytes, the last are %q", len(text), text[len(text)-80:])
	}
}

// A disk that takes nothing keeps no step from going on.
func TestOutputOnABadDisk(t *testing.T) {
	dir := t.TempDir()
	log := &strings.Builder{}
	j := open(t, Options{Dir: dir, Log: slog.New(slog.NewTextHandler(log, nil))})
	id := j.NextID()
	must(t, os.Mkdir(filepath.Join(dir, id+".play.base.run.log"), 0o700))
	o := j.Output(id, drift.Key{ID: "play/base", Step: drift.Run})
	for range 3 {
		if n, err := o.Write([]byte("hello")); n != 5 || err != nil {
			t.Error(n, err)
		}
	}
	if o.Path() != "" || strings.Count(log.String(), "can't be kept") != 1 {
		t.Errorf("path %q, log %s", o.Path(), log)
	}
	must(t, o.Close())
}
