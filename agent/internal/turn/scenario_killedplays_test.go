package turn_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"testing"
	"time"
)

// playDoc is a playbook for some hosts, in one of its editions.
func playDoc(hosts string, edition int) string {
	return fmt.Sprintf("---\nkind: Playbook\nname: base\npath: ansible/base.yml\nhosts: %q\nvars: {edition: %d}\n", hosts, edition)
}

// play lets a land have playbooks.
func (l *land) play() {
	l.plays = &plays{l: l}
	l.source = withFiles{l.repo}
}

// remembered are the hosts on which the journal says that a run came to a good end
// since a time, and those on which one has begun.
func (l *land) remembered(since time.Time) (well, begun map[string]bool) {
	l.t.Helper()
	var file struct {
		Runs  map[string]map[string]struct{ At time.Time }
		Begun map[string]map[string]time.Time
	}
	text, err := os.ReadFile(l.path("journal/runs.json"))
	if err == nil {
		err = json.Unmarshal(text, &file)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		l.t.Fatal(err)
	}
	well, begun = make(map[string]bool), make(map[string]bool)
	for _, hosts := range file.Runs {
		for host, run := range hosts {
			if !run.At.Before(since) {
				well[host] = true
			}
		}
	}
	for _, hosts := range file.Begun {
		for host := range hosts {
			begun[host] = true
		}
	}
	return well, begun
}

// played holds the runs of a stage that was broken off against those of an undisturbed
// one: first is how many had begun when the agent died, well is where its journal said
// that they had come to a good end.
func (s *toldStage) played(l *land, first int, well map[string]bool) {
	l.t.Helper()
	due := make(map[string]bool)
	for _, host := range s.runs {
		due[host] = true
	}
	ended, after := make(map[string]bool), make(map[string]int)
	for i, run := range l.plays.taken() {
		switch {
		case !due[run.host]:
			l.t.Errorf("%s was run on %s, where nothing is due", run.play, run.host)
		case i < first:
			ended[run.host] = ended[run.host] || run.ended
		default:
			after[run.host]++
			if !run.ended {
				l.t.Errorf("a run on %s was given up by an agent that lives", run.host)
			}
		}
	}
	for host := range due {
		switch {
		case well[host] && !ended[host]:
			l.t.Errorf("the dead agent took a half run on %s for done", host)
		case well[host] && after[host] > 0:
			l.t.Errorf("its run on %s had ended well, and was made %d times more", host, after[host])
		case !well[host] && after[host] != 1:
			l.t.Errorf("nobody knew of an end on %s, and it was run %d times after that", host, after[host])
		}
	}
}

// runKilled kills the agent at its n-th run.
func (s *toldStage) runKilled(t *testing.T, where runPoint, n int, shown map[string]bool) {
	hit := false
	s.dies(t, shown, func(l *land, b *breaker) {
		l.plays.at = func(now int, at runPoint) {
			b.mu.Lock()
			defer b.mu.Unlock()
			if now == n && at == where && !b.dead {
				hit = true
				b.die()
			}
		}
	})
	if !hit {
		t.Errorf("there was no run %d", n)
	}
}

// goesOn lets a new life go on where a dead one has left the land, unless that has been
// shown before.
func (s *toldStage) goesOn(l *land, from int, shown map[string]bool) {
	l.t.Helper()
	l.plays.at, l.plays.alive = nil, nil
	left := l.left(from)
	if shown[left] {
		return
	}
	shown[left] = true
	well, _ := l.remembered(s.begin.at)
	first := len(l.plays.taken())
	l.as(from, s.end, func() bool {
		again, _ := l.remembered(s.begin.at)
		for _, host := range s.runs {
			if !again[host] {
				return false
			}
		}
		return true
	})
	s.played(l, first, well)
}
