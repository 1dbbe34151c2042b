package turn_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"berth/agent/internal/journal"
	"berth/agent/internal/turn"
	"berth/applyers/proxmox/pvesim"
	"berth/applyers/proxmox/pvesim/aftermath"
	"berth/applyers/proxmox/pvesim/schemacheck"
	"berth/drift"
	"berth/drift/report"
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
	// Reading what is long past is not what this is about, and costs time.
	past, err := filepath.Glob(filepath.Join(dir, "journal", "*.jsonl"))
	for _, file := range past[:max(0, len(past)-2)] {
		err = errors.Join(err, os.Remove(file))
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
		repo: &repository{commits: maps.Clone(m.commits), tip: m.tip, accepted: m.accepted}, began: m.at,
	}
	var err error
	if l.sim, err = m.sim.Copy(); err == nil {
		err = os.CopyFS(l.dir, os.DirFS(m.dir))
	}
	if err != nil {
		t.Fatal(err)
	}
	l.sync = unsynced
	l.play()
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
	end                     aftermath.State
	// runs are the hosts on which the playbook ran, programs how many did in the turn.
	runs     []string
	programs int
}

// tellHistory lets all stages come to pass, undisturbed.
func tellHistory(t *testing.T) []toldStage {
	t.Helper()
	var all []toldStage
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		l := &land{
			t: t, sim: pvesim.New(pvesim.Options{TaskTime: func(string) time.Duration { return 200 * time.Millisecond }, Nodes: []string{"pve1", "pve2"}}), repo: &repository{},
			dir: t.TempDir(), now: time.Now, log: &events{}, sync: unsynced,
		}
		schemacheck.Watch(t, l.sim)
		l.token = l.sim.AddToken("berth@pve", "agent", false, pvesim.ACL{Path: "/", Role: "Administrator", Propagate: true})
		l.strangers()
		l.play()
		for i, s := range history() {
			if s.before != nil {
				s.before(l)
			}
			l.pushKilled(fmt.Sprintf("%08d", i+1), s.docs)
			told := toldStage{stage: s, begin: l.moment(fmt.Sprintf("%s/%d", dir, i))}
			var syncs atomic.Int64
			l.sync = func(*os.File) error { syncs.Add(1); return nil }
			l.mark()
			from, ran, programs := len(l.sim.Requests()), len(l.plays.taken()), l.plays.starts
			l.whole()
			l.sync, told.syncs = unsynced, int(syncs.Load())
			told.programs = l.plays.starts - programs
			told.requests, told.writes = len(l.sim.Requests())-from, len(l.written())
			l.rest(func() bool { return false })
			l.readable()
			told.end, told.runs = aftermath.Of(l.sim, from), l.plays.began(ran)
			if !slices.Equal(told.runs, s.plays) {
				t.Errorf("%s: the playbook ran on %q, want %q", s.name, told.runs, s.plays)
			}
			s.check(l)
			if t.Failed() {
				t.Fatalf("undisturbed, %s goes wrong", s.name)
			}
			t.Logf("%s: %d requests, %d of them writes, %d syncs of the journal, runs on %q", s.name, told.requests, told.writes, told.syncs, told.runs)
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

// rest lets a new life make turns until nothing is left to do, or, after a turn that
// has gone well, over says so. It tells what was done meanwhile.
func (l *land) rest(over func() bool) (said string) {
	l.t.Helper()
	agent, stop := l.agent("journal")
	defer stop()
	for range 6 {
		l.mark()
		rep, err := agent.Run(l.t.Context(), turn.Request{Mode: report.Run})
		if err != nil {
			l.t.Fatal(err)
		}
		said += whole(rep)
		well := len(rep.Plan.Blind) == 0 && rep.Error == ""
		if well && len(rep.Plan.Changes) == 0 {
			if w := l.written(); len(w) > 0 {
				l.t.Errorf("a turn with nothing to do writes %q", w)
			}
			return said
		}
		if well && !slices.ContainsFunc(rep.Outcomes, func(o drift.Outcome) bool { return o.Status != drift.Done }) && over() {
			return said
		}
		pass(20 * time.Second)
	}
	l.t.Error("it does not come to rest")
	return said
}

// as asserts that a new life comes to the end to which an undisturbed one has come,
// where that had nothing left to do, and over says so.
func (l *land) as(from int, end aftermath.State, over func() bool) {
	l.t.Helper()
	same := false
	said := l.rest(func() bool {
		same = over() && len(aftermath.Of(l.sim, from).Against(end)) == 0
		return same
	})
	if !same {
		for _, what := range aftermath.Of(l.sim, from).Against(end) {
			l.t.Error(what)
		}
	}
	l.readable()
	if l.t.Failed() {
		l.t.Log(said)
	}
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
// out; whenever it has written to its journal, of which the last line may have come to
// the disk in part; and before, within and after each run of a playbook. Whoever comes
// after it brings the stage to the same end, and runs once what nobody knows the end
// of. Where the agent has left the very same behind before, that has been shown.
func TestKilledAnywhere(t *testing.T) {
	t.Parallel()
	// Each kill makes a cluster and throws it away.
	usual := debug.SetGCPercent(800)
	t.Cleanup(func() { debug.SetGCPercent(usual) })
	for i, s := range tellHistory(t) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			shown := make(map[string]bool)
			for n := 1; n <= s.requests; n += sparse {
				t.Run(fmt.Sprintf("%s %d", killed, n), func(t *testing.T) { s.killed(t, killed, n, shown) })
			}
			for n := 1; n <= s.writes; n += sparse {
				t.Run(fmt.Sprintf("%s %d", unheard, n), func(t *testing.T) { s.killed(t, unheard, n, shown) })
			}
			for n := 1; n <= s.syncs; n += sparse {
				for _, what := range cuts {
					if !what.at(n) {
						continue
					}
					t.Run(fmt.Sprintf("%s %d", what.name, n), func(t *testing.T) { s.cut(t, n, what, shown) })
				}
			}
			points := []runPoint{withinRun, afterRun, beforeRun}
			for n := i % sparse; n < len(points)*s.programs; n += sparse {
				where, nth := points[n%len(points)], n/len(points)+1
				t.Run(fmt.Sprintf("%s %d", where, nth), func(t *testing.T) { s.runKilled(t, where, nth, shown) })
			}
			t.Logf("%d requests, %d of them writes, %d writes of the journal and %d runs leave %d worlds behind", s.requests, s.writes, s.syncs, s.programs, len(shown))
		})
	}
}

func (s *toldStage) killed(t *testing.T, what accident, n int, shown map[string]bool) {
	synctest.Test(t, func(t *testing.T) {
		l := s.begin.land(t)
		from := len(l.sim.Requests())
		l.brokenOnce(what, n)
		s.goesOn(l, from, shown)
	})
}
