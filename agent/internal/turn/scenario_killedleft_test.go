package turn_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// left sums up what a dead agent has left behind: what it has done since a request,
// what of that runs, and what its journal says, but for times and for the order of
// what was done at the same time. A life that went no other way than one before it
// has left the same.
func (l *land) left(from int) string {
	var all []string
	add := func(words ...any) { all = append(all, fmt.Sprintln(words...)) }
	for _, r := range l.sim.Requests()[from:] {
		if r.Write() {
			path, _, _ := strings.Cut(r.Path, "/berth-")
			add(r.Method, path, r.Status < 400)
		}
	}
	for _, t := range l.sim.Tasks() {
		add(t.Type, t.ID, t.Exit)
	}
	files, err := filepath.Glob(l.path("journal/2*"))
	if err != nil {
		l.t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			l.t.Fatal(err)
		}
		add(filepath.Ext(file))
		for line := range strings.Lines(string(text)) {
			// {"at":"…","key":{"id":"vm/web","step":"create"},"task":"pve:home:UPID:…"}
			_, what, _ := strings.Cut(line, `"key":`)
			what, _, _ = strings.Cut(what, `"outcome":`)
			what, task, _ := strings.Cut(what, "UPID:")
			words := strings.Split(task, ":")
			add(what, words[max(0, len(words)-4):], strings.HasSuffix(line, "\n"))
		}
	}
	well, begun := l.remembered(l.began)
	for _, run := range l.plays.taken() {
		add("run", run.host, run.ended)
	}
	add("runs", slices.Sorted(maps.Keys(well)), slices.Sorted(maps.Keys(begun)))
	slices.Sort(all)
	return strings.Join(all, "")
}
