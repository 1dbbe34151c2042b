package runner

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"
)

func FuzzEvents(f *testing.F) {
	for _, seed := range []string{
		`{"event":"play","name":"web"}`,
		`{"event":"failed","host":"web-1","task":"t","path":"/x/base.yml:3","msg":"no","ignored":false}`,
		`{"event":"host","host":"web-1","ok":3,"changed":1,"failures":0,"unreachable":0,"skipped":0,"rescued":0,"ignored":2}`,
		`{"event":"stats"}`, `{"event":"unreachable","msg":"` + "\x1b[31m\u202e" + `"}`, `[]`, `{"ignored":"x"}`, "null\n{",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var said []string
		room := maxKept
		w := &watch{
			say: func(line string) { said = append(said, line) }, hosts: make(map[string]*seen), room: &room,
			words: words{mask: newMask(nil), names: strings.NewReplacer()},
		}
		lines(bytes.NewReader(text), w.line)
		for name, host := range w.result("base.yml", []string{"web-1"}).Hosts {
			said = append(said, name)
			for _, task := range host.Tasks {
				said = append(said, task.Name, task.Path, task.Msg)
				said = append(said, strings.Split(task.Diff, "\n")...)
			}
		}
		for _, line := range said {
			if !utf8.ValidString(line) || strings.ContainsAny(line, "\x1b\u202e\n") {
				t.Errorf("it says %q", line)
			}
		}
	})
}

func TestLines(t *testing.T) {
	long := strings.Repeat("x", maxLine)
	var have []string
	lines(strings.NewReader("one\n"+long+"\ntwo\r\n\nlast"), func(line []byte) { have = append(have, string(line)) })
	if want := "one|two||last"; strings.Join(have, "|") != want {
		t.Errorf("the lines are %.80q, want %q", have, want)
	}
}

func TestOutputIsBounded(t *testing.T) {
	r := &ring{}
	for range 3 * ringLines {
		r.line([]byte(strings.Repeat("noise ", 1000)))
	}
	r.line([]byte("the \x1b[0;31mreason\t is here"))
	if len(r.lines) != ringLines || len(r.lines[0]) > lineLimit+3 {
		t.Errorf("kept are %d lines of %d bytes", len(r.lines), len(r.lines[0]))
	}
	if got := r.reason(); !strings.HasSuffix(got, " the [0;31mreason is here") {
		t.Errorf("the reason is %q", got)
	}
	said := 0
	say := limited(func(string) { said++ })
	for range 3 * maxSaid {
		say("task")
	}
	if said != maxSaid {
		t.Errorf("%d lines were passed on, want %d", said, maxSaid)
	}
}
