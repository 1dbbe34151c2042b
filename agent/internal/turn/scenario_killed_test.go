package turn_test

import (
	"fmt"
	"maps"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"berth/agent/internal/journal"
	"berth/applyers/proxmox/pvesim"
	"berth/applyers/proxmox/pvesim/schemacheck"
	"berth/drift"
)

// moment is all that outlives an agent, as it is at one time. It can be gone back
// to as often as a test likes.
type moment struct {
	at       time.Time
	sim      *pvesim.Cluster
	token    string
	commits  map[string]string
	tip      string
	accepted string
	dir      string // A copy of the agent's directory.
}

func (l *land) moment(dir string) *moment {
	l.t.Helper()
	sim, err := l.sim.Copy()
	if err == nil {
		err = os.CopyFS(dir, os.DirFS(l.dir))
	}
	if err != nil {
		l.t.Fatal(err)
	}
	return &moment{
		at: time.Now(), sim: sim, token: l.token, dir: dir,
		commits: maps.Clone(l.repo.commits), tip: l.repo.tip, accepted: l.repo.accepted,
	}
}

// land goes back to a moment, within a new bubble of time.
func (m *moment) land(t *testing.T) *land {
	t.Helper()
	pass(time.Until(m.at))
	l := &land{
		t: t, token: m.token, dir: t.TempDir(), now: time.Now, log: &events{},
		repo: &repository{commits: maps.Clone(m.commits), tip: m.tip, accepted: m.accepted},
	}
	var err error
	if l.sim, err = m.sim.Copy(); err == nil {
		err = os.CopyFS(l.dir, os.DirFS(m.dir))
	}
	if err != nil {
		t.Fatal(err)
	}
	l.sync = unsynced
	return l
}

// unsynced leaves it to the kernel when it writes to the disk: the page cache
// outlives every kill.
func unsynced(*os.File) error { return nil }

// told is a stage of a history, and what came of it undisturbed.
type toldStage struct {
	stage
	begin *moment
	// requests, writes and syncs are how many of them an undisturbed turn made.
	requests, writes, syncs int
	end                     state
}

// tellHistory lets all stages come to pass, undisturbed.
func tellHistory(t *testing.T) []toldStage {
	t.Helper()
	var all []toldStage
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		l := &land{
			t: t, sim: pvesim.New(pvesim.Options{TaskTime: slowly, Nodes: []string{"pve1", "pve2"}}), repo: &repository{},
			dir: t.TempDir(), now: time.Now, log: &events{}, sync: unsynced,
		}
		schemacheck.Watch(t, l.sim)
		l.token = l.sim.AddToken("berth@pve", "agent", false, pvesim.ACL{Path: "/", Role: "Administrator", Propagate: true})
		l.strangers()
		for i, s := range history() {
			if s.before != nil {
				s.before(l)
			}
			l.pushKilled(fmt.Sprintf("%08d", i+1), s.docs)
			told := toldStage{stage: s, begin: l.moment(fmt.Sprintf("%s/%d", dir, i))}
			l.sync = func(*os.File) error { told.syncs++; return nil }
			l.mark()
			from := len(l.sim.Requests())
			l.whole()
			l.sync = unsynced
			told.requests, told.writes = len(l.sim.Requests())-from, len(l.written())
			told.end = l.rest(from)
			s.check(l)
			if t.Failed() {
				t.Fatalf("undisturbed, %s goes wrong", s.name)
			}
			t.Logf("%s: %d requests, %d of them writes, %d syncs of the journal", s.name, told.requests, told.writes, told.syncs)
			all = append(all, told)
			pass(time.Hour)
		}
	})
	return all
}

// whole makes a turn in which every step must come to a good end.
func (l *land) whole() {
	l.t.Helper()
	rep := l.turn()
	for _, o := range rep.Outcomes {
		if o.Status != drift.Done {
			l.t.Fatalf("not all was done:\n%s", whole(rep))
		}
	}
	if len(rep.Outcomes) == 0 || len(rep.Outcomes) < len(rep.Plan.Changes) {
		l.t.Fatalf("not all was done:\n%s", whole(rep))
	}
}

// rest lets turns be made until nothing is left to do, and tells what has come of
// it; from is the first request that is part of it.
func (l *land) rest(from int) state {
	l.t.Helper()
	// The first turn takes note that what was left is over.
	settling := true
	for range 6 {
		l.mark()
		before := l.files()
		rep := l.turn()
		if len(rep.Plan.Changes) == 0 && len(rep.Plan.Blind) == 0 && rep.Error == "" {
			if w := l.written(); len(w) > 0 {
				l.t.Errorf("a turn with nothing to do writes %q", w)
			}
			if !maps.Equal(before, l.files()) && !settling {
				l.t.Error("a turn with nothing to do writes to its files")
			}
			l.readable()
			return l.state(from)
		}
		settling = false
		pass(20 * time.Second)
	}
	rep := l.turn()
	l.t.Errorf("it does not come to rest:\n%s", whole(rep))
	return l.state(from)
}

// readable asserts that all the journal's turns can be read, and that none is left
// unfinished.
func (l *land) readable() {
	l.t.Helper()
	j, err := journal.Open(journal.Options{Dir: l.path("journal"), Now: l.now, Sync: unsynced})
	if err != nil {
		l.t.Error(err)
		return
	}
	defer j.Close()
	records, err := j.Last(journal.DefaultKeep)
	if err != nil {
		l.t.Error(err)
	}
	for _, r := range records {
		if r.Plan == nil || r.Started.IsZero() || r.Damaged > 0 {
			l.t.Errorf("turn %s of the journal: plan %v, started %s, %d lines damaged", r.ID, r.Plan != nil, r.Started, r.Damaged)
		}
	}
	if left, err := j.Unfinished(); err != nil || len(left) > 0 {
		l.t.Errorf("unfinished in the journal: %v %v", left, err)
	}
}

// TestKilledAnywhere kills the agent at each of its requests, in each stage of a
// fleet's history: before it is sent and, if it is a write, after it was carried
// out. Whoever comes after it brings the stage to the same end.
func TestKilledAnywhere(t *testing.T) {
	t.Parallel()
	for _, s := range tellHistory(t) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			for n := 1; n <= s.requests; n += sparse {
				t.Run(fmt.Sprintf("%s %d", killed, n), func(t *testing.T) { s.killed(t, killed, n) })
			}
			for n := 1; n <= s.writes; n += sparse {
				t.Run(fmt.Sprintf("%s %d", unheard, n), func(t *testing.T) { s.killed(t, unheard, n) })
			}
		})
	}
}

func (s *toldStage) killed(t *testing.T, what accident, n int) {
	synctest.Test(t, func(t *testing.T) {
		l := s.begin.land(t)
		from := len(l.sim.Requests())
		l.brokenOnce(what, n)
		l.rest(from).as(t, s.end)
	})
}
