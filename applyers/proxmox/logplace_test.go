package proxmox

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-faster/jx"

	"berth/applyers/proxmox/pve"
)

// logOf is a log as Proxmox answers it, of lines like "pve1 17 12:00 root@pam update VM 4: -a b",
// the newest first; a time is in minutes.
func logOf(lines ...string) []byte {
	var rows []string
	for _, line := range lines {
		f := strings.SplitN(line, " ", 5)
		rows = append(rows, fmt.Sprintf(`{"node":%q,"uid":%q,"time":%s,"user":%q,"msg":%q}`, f[0], f[1], f[2], f[3], f[4]))
	}
	return []byte(`{"data":[` + strings.Join(rows, ",") + `]}`)
}

// decoding reads an answer by a function.
type decoding func(d *jx.Decoder) error

func (f decoding) Decode(d *jx.Decoder) error { return f(d) }

// readLog has a log answered and read.
func readLog(t *testing.T, lines []string, decode decoding) {
	t.Helper()
	body := logOf(lines...)
	client, err := pve.New("home", roundTrip(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: -1, Request: r}, nil
	}), []string{"https://pve1.test:8006"}, &pve.Counter{}, time.Now, pve.FirstPoll)
	if err == nil {
		err = client.Get(t.Context(), "/cluster/log", decode)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// said is what a log tells, in words.
func (l *logSince) said() string {
	var got []string
	for _, vmid := range slices.Sorted(maps.Keys(l.named)) {
		text := fmt.Sprintf("%d by %s", vmid, l.named[vmid].by)
		if l.named[vmid].task {
			text += " at work"
		}
		got = append(got, text)
	}
	if l.again {
		got = append(got, "again")
	}
	if l.lost {
		got = append(got, "lost")
	}
	return strings.Join(got, ", ")
}

// TestLogGoesOn holds what counts as a log that was read without a gap.
func TestLogGoesOn(t *testing.T) {
	was := logPlace{nodes: map[string]nodeLog{"pve1": {newest: logSpot{uid: 10, at: 100}}, "pve2": {newest: logSpot{uid: 5, at: 90}}}, newest: 100}
	const task = "UPID:pve1:00000F78:0009C8BC:6B014AF4:qmmove:%s:root@pam!lab:"
	for name, c := range map[string]struct {
		was   logPlace
		lines []string
		want  string
	}{
		"nothing new":                       {was, []string{"pve1 10 100 a x", "pve2 5 90 a x"}, ""},
		"one line":                          {was, []string{"pve1 11 101 a update VM 7: -cores 2", "pve1 10 100 a x"}, "7 by a"},
		"of two who, the later":             {was, []string{"pve1 12 101 b update VM 7: -cores 2", "pve1 11 101 a update VM 7: -cores 3", "pve1 10 100 a x"}, "7 by b"},
		"a task begins":                     {was, []string{"pve1 11 101 a starting task " + fmt.Sprintf(task, "7"), "pve1 10 100 a x"}, "7 by a at work"},
		"a task of two guests ends":         {was, []string{"pve1 11 101 a end task " + fmt.Sprintf(task, "7-scsi4>8-scsi3") + " OK", "pve1 10 100 a x"}, "7 by a at work, 8 by a at work"},
		"a task of none":                    {was, []string{"pve1 11 101 a end task " + fmt.Sprintf(task, "") + " OK", "pve1 10 100 a x"}, ""},
		"other words":                       {was, []string{"pve1 11 101 a successful auth for user 'root@pam'", "pve1 10 100 a x"}, ""},
		"a line of a node that lags behind": {was, []string{"pve1 10 100 a x", "pve2 6 95 b update VM 9: -cores 2", "pve2 5 90 a x"}, "9 by b"},
		"a node that is new":                {was, []string{"pve3 1 101 b update VM 9: -cores 2", "pve1 10 100 a x"}, "9 by b"},
		"no line is known":                  {was, []string{"pve1 13 101 a x", "pve1 12 101 a x"}, "lost"},
		"a gap of one node":                 {was, []string{"pve1 10 100 a x", "pve2 7 101 b x"}, "lost"},
		"no gap at the window's end":        {was, []string{"pve1 10 100 a x", "pve2 6 101 b x"}, ""},
		"numbers begun anew":                {was, []string{"pve1 2 130 a x", "pve1 1 129 a x", "pve2 5 90 a x"}, "again"},
		"numbers begun anew, and passed":    {was, []string{"pve1 11 130 a x", "pve1 10 129 a x", "pve2 5 90 a x"}, "again"},
		"a clock set back":                  {was, []string{"pve1 11 40 a x", "pve2 5 90 a x"}, "again"},
		"the log is empty":                  {was, nil, "again, lost"},
		"it was empty, and is":              {logPlace{}, nil, ""},
		"it was empty":                      {logPlace{}, []string{"pve1 1 101 a update VM 7: -cores 2"}, "7 by a"},
		"it was empty, and is full":         {logPlace{}, []string{"pve1 3 101 a x", "pve1 2 101 a x", "pve1 1 101 a x"}, "lost"},
	} {
		t.Run(name, func(t *testing.T) {
			l := logSince{from: &c.was, window: 3}
			readLog(t, c.lines, l.Decode)
			if s := l.said(); s != c.want {
				t.Errorf("got %q, want %q", s, c.want)
			}
		})
	}
}

// TestALogOfBothNumberings holds that polls come to rest where a node has numbered its
// lines anew, and the others have told it of those that it wrote before.
func TestALogOfBothNumberings(t *testing.T) {
	both := []string{"pve1 2 130 a x", "pve1 1 129 a x", "pve2 5 90 a x", "pve1 400 80 a x", "pve1 399 79 a x"}
	stepped := []string{"pve2 5 101 a x", "pve1 10 100 a x", "pve1 11 99 a x", "pve1 9 98 a x"}
	for name, c := range map[string]struct {
		was, lines []string
		want       string
	}{
		"nothing new":              {both, both, ""},
		"a line":                   {both, slices.Concat([]string{"pve1 3 131 b update VM 7: -cores 2"}, both), "7 by b"},
		"a gap":                    {both, []string{"pve1 4 131 b x"}, "lost"},
		"numbered anew once more":  {both, slices.Concat([]string{"pve1 1 140 a x"}, both), "again"},
		"a clock set back a bit":   {stepped, stepped, ""},
		"a line before it is past": {stepped, slices.Concat(stepped[:1], []string{"pve1 12 100 b update VM 7: -cores 2"}, stepped[1:]), "7 by b"},
		"a line set back":          {stepped[1:2], []string{"pve1 10 100 a x", "pve1 11 99 b update VM 7: -cores 2"}, "7 by b"},
	} {
		t.Run(name, func(t *testing.T) {
			var was logPlace
			readLog(t, c.was, func(d *jx.Decoder) error { return decodeLog(d, was.add) })
			l := logSince{from: &was, window: 3}
			readLog(t, c.lines, l.Decode)
			if got := l.said(); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestTasksTellWhereTheLogIsBehind has the log stand still: nodes tell each other of
// their lines in their own time.
func TestTasksTellWhereTheLogIsBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := watched(t, webYAML)
		ask := b.people()
		<-time.After(time.Minute)
		b.observe()
		log := &replay{below: b.sim.Transport(), answers: make(map[string]*http.Response), bodies: make(map[string][]byte), only: "/cluster/log"}
		b.over = log
		b.restart()
		b.observe()
		b.quiet(2, "with its log still")
		ask("POST", "/nodes/pve1/qemu/4001/status/stop", nil)
		if got := b.polled(); got != "vm/web-1: it has stopped, by sean@pve!gui" {
			t.Errorf("polled: %q", got)
		}
	})
}
