package journal

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"berth/desired"
)

// again closes a journal and opens it anew, as an agent that starts does.
func again(t *testing.T, j *Journal, o Options) *Journal {
	t.Helper()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return open(t, o)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestAskingLastsUntilARunEndsWell(t *testing.T) {
	o := Options{Dir: t.TempDir()}
	j := open(t, o)
	asked := func(want string) {
		t.Helper()
		if why, ok := j.Asked("play/base", "web-1"); why != want || ok != (want != "") {
			t.Errorf("asked: %q, %v; want %q", why, ok, want)
		}
	}
	asked("")
	must(t, j.Ask("play/base", []string{"web-1", "web-2"}, "agent sync"))
	j = again(t, j, o)
	asked("agent sync")

	// A run that ends badly answers nobody.
	must(t, j.Begins("play/base", []string{"web-1"}))
	must(t, j.Ends("play/base", map[string]string{"web-1": "x"}, true))
	asked("agent sync")

	// Nor does one that had begun before somebody asked.
	must(t, j.Begins("play/base", []string{"web-1"}))
	must(t, j.Ask("play/base", []string{"web-1"}, "a webhook"))
	must(t, j.Remember("play/base", map[string]string{"web-1": "x"}))
	asked("a webhook")
	must(t, j.Begins("play/base", []string{"web-1"}))
	must(t, j.Remember("play/base", map[string]string{"web-1": "x"}))
	j = again(t, j, o)
	asked("")
	if why, ok := j.Asked("play/base", "web-2"); why != "agent sync" || !ok {
		t.Errorf("web-2 was not run, and is no longer asked for: %q, %v", why, ok)
	}

	// One that was cut off is followed by one that answers.
	must(t, j.Begins("play/base", []string{"web-1"}))
	j = again(t, j, o)
	must(t, j.Ask("play/base", []string{"web-1"}, "a webhook"))
	must(t, j.Begins("play/base", []string{"web-1"}))
	must(t, j.Remember("play/base", map[string]string{"web-1": "x"}))
	asked("")
}

func TestCutOffIsKnownAfterwards(t *testing.T) {
	at := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	o := Options{Dir: t.TempDir(), Now: func() time.Time { return at }}
	j := open(t, o)
	must(t, j.Begins("play/base", []string{"web-1", "web-2", "web-3"}))
	must(t, j.Remember("play/base", map[string]string{"web-1": "x"}))
	must(t, j.Ends("play/base", map[string]string{"web-2": "x"}, true))
	j = again(t, j, o)
	for host, cut := range map[string]bool{"web-1": false, "web-2": false, "web-3": true} {
		if began, ok := j.CutOff("play/base", host); ok != cut || ok && !began.Equal(at) {
			t.Errorf("%s: cut off %v at %v, want %v", host, ok, began, cut)
		}
	}
}

func TestSchedulesCountFromTheBeginning(t *testing.T) {
	at := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	first := at
	o := Options{Dir: t.TempDir(), Now: func() time.Time { return at }}
	j := open(t, o)
	since := func(schedule string, want time.Time) {
		t.Helper()
		all, err := j.Since("play/base", schedule, []string{"web-1"})
		if err != nil || !all["web-1"].Equal(want) {
			t.Errorf("at %v, %q counts from %v, %v; want %v", at, schedule, all["web-1"], err, want)
		}
	}
	since("11 11 * * *", first)
	at = at.Add(time.Hour)
	since("11 11 * * *", first)
	j = again(t, j, o)
	since("11 11 * * *", first)
	must(t, j.Begins("play/base", []string{"web-1"}))
	began := at
	at = at.Add(time.Hour)
	must(t, j.Remember("play/base", map[string]string{"web-1": "x"}))
	since("11 11 * * *", began)
	// Another schedule counts from now: nothing is due only because it is new.
	since("12 11 * * *", at)
	j = again(t, j, o)
	since("12 11 * * *", at)
}

// What an agent of an earlier version has written counts.
func TestRunsOfToday(t *testing.T) {
	dir := t.TempDir()
	text := `{"version":1,"runs":{"play/base":{"web-1":{"digest":"abc","at":"2026-11-21T09:00:00Z"}}}}`
	must(t, os.WriteFile(filepath.Join(dir, runsName), []byte(text), 0o600))
	j := open(t, Options{Dir: dir, Now: func() time.Time { return time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC) }})
	if digest, _, ok := j.Ran("play/base", "web-1"); digest != "abc" || !ok {
		t.Errorf("ran: %q, %v", digest, ok)
	}
	since, err := j.Since("play/base", "@daily", []string{"web-1"})
	if err != nil || !since["web-1"].Equal(time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)) {
		t.Errorf("since %v, %v", since, err)
	}
}

// A failure is known by what it would have run, until a run ends well; where nobody
// wants it again, it is no longer asked for.
func TestFailuresAndMends(t *testing.T) {
	at := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	o := Options{Dir: t.TempDir(), Now: func() time.Time { return at }}
	j := open(t, o)
	must(t, j.Ask("play/base", []string{"web-1"}, "agent sync"))
	must(t, j.Ends("play/base", map[string]string{"web-1": "x"}, false))
	if _, ok := j.Asked("play/base", "web-1"); ok {
		t.Error("it is still asked for")
	}
	j = again(t, j, o)
	if digest, when, ok := j.Failed("play/base", "web-1"); digest != "x" || !when.Equal(at) || !ok {
		t.Errorf("failed: %q at %v, %v", digest, when, ok)
	}
	must(t, j.Remember("play/base", map[string]string{"web-1": "x"}))
	if _, _, ok := j.Failed("play/base", "web-1"); ok {
		t.Error("it went well, and is still known to have failed")
	}

	for n, tasks := range []string{"motd", "motd", "sshd", "sshd", ""} {
		must(t, j.Mend("play/base", map[string]string{"web-1": tasks, "web-2": ""}))
		j = again(t, j, o)
		want := []int{1, 2, 1, 2, 0}[n]
		if got, _, times := j.Mended("play/base", "web-1"); got != tasks || times != want {
			t.Errorf("after %d: %q %d times, want %d", n+1, got, times, want)
		}
	}
}

// What can't be written has not happened.
func TestMemoryOnAFullDisk(t *testing.T) {
	dir := t.TempDir()
	j := open(t, Options{Dir: dir})
	must(t, j.Ask("play/base", []string{"web-1"}, "first"))
	must(t, os.Remove(filepath.Join(dir, runsName)))
	must(t, os.Mkdir(filepath.Join(dir, runsName), 0o700))
	for what, err := range map[string]error{
		"ask":      j.Ask("play/base", []string{"web-1"}, "second"),
		"begin":    j.Begins("play/base", []string{"web-1"}),
		"remember": j.Remember("play/base", map[string]string{"web-1": "x"}),
	} {
		if err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	if why, _ := j.Asked("play/base", "web-1"); why != "first" {
		t.Errorf("asked %q", why)
	}
	if _, ok := j.CutOff("play/base", "web-1"); ok {
		t.Error("a run that could not be noted has begun")
	}
	if _, _, ok := j.Ran(desired.ID("play/base"), "web-1"); ok {
		t.Error("a run that could not be noted is remembered")
	}
}
