package turn_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"berth/agent/internal/checkout"
	"berth/agent/internal/journal"
	"berth/agent/internal/turn"
	"berth/applyers"
	"berth/desired"
	"berth/drift"
	"berth/drift/report"
)

// withFiles is a repository that has a playbook beside the manifests.
type withFiles struct{ *repository }

func (r withFiles) Tree(ctx context.Context, c checkout.Commit) (fs.FS, error) {
	files, err := r.repository.Tree(ctx, c)
	if err == nil {
		files.(fstest.MapFS)["ansible/.berthignore"] = &fstest.MapFile{}
		files.(fstest.MapFS)["ansible/base.yml"] = &fstest.MapFile{Data: []byte("- hosts: all\n")}
	}
	return files, err
}

// players run playbooks in memory.
type players struct {
	mu      sync.Mutex
	has     map[string]bool   // "play/base web"
	fail    map[string]string // by the same
	journal *journal.Journal
	comes   time.Time
	runs    []string
}

func (p *players) Kinds() []string { return []string{desired.KindPlaybook} }

func (p *players) Observe(_ context.Context, fleet *desired.Fleet, _ applyers.Scope) (drift.Observed, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	seen := drift.Observed{Comes: p.comes}
	for _, r := range fleet.Resources {
		if _, ok := r.Spec.(*desired.Playbook); ok {
			seen.Lives = append(seen.Lives, drift.Live{ID: r.ID, Spec: &desired.Playbook{}})
		}
	}
	return seen, nil
}

func (p *players) Steps(_ *drift.World, want *desired.Resource, _ *drift.Live, _ []drift.Field) []drift.Change {
	if want == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c := drift.Change{Key: drift.Key{ID: want.ID, Step: drift.Run}}
	for _, id := range want.Spec.(*desired.Playbook).Targets {
		_, asked := p.journal.Asked(want.ID, id.Name())
		if !p.has[string(want.ID)+" "+id.Name()] || asked {
			c.Fields = append(c.Fields, drift.Field{Path: desired.Path("hosts").Sub(id.Name()), Needs: []desired.ID{id}})
		}
	}
	if c.Fields == nil {
		return nil
	}
	return []drift.Change{c}
}

func (p *players) Apply(_ context.Context, job applyers.Job, progress applyers.Progress) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var hosts, failed []string
	for _, f := range job.Fields {
		host := f.Path.Keys()[1]
		hosts = append(hosts, host)
		key := string(job.ID) + " " + host
		if p.fail[key] != "" {
			failed = append(failed, host)
			progress.Field(f.Path, errors.New(p.fail[key]))
			continue
		}
		p.has[key] = true
		progress.Field(f.Path, p.journal.Remember(job.ID, map[string]string{host: "x"}))
	}
	p.runs = append(p.runs, string(job.ID)+" on "+strings.Join(hosts, " "))
	_, _ = fmt.Fprintf(job.Output, "PLAY RECAP of %s\n", hosts)
	if failed != nil {
		return fmt.Errorf("failed on %s", strings.Join(failed, " "))
	}
	return nil
}

func (p *players) take() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	runs := p.runs
	p.runs = nil
	return runs
}

const playbook = "---\nkind: Playbook\nname: base\npath: ansible/base.yml\nhosts: all\n"

func playbooksOf(t *testing.T) (*turn.Turner, *repository, *players) {
	r, c := &repository{}, newCluster()
	turner := newTurner(t, r, c)
	turner.Repository = withFiles{r}
	p := &players{has: make(map[string]bool), fail: make(map[string]string), journal: turner.Journal}
	turner.Appliers = func(*desired.Fleet, fs.FS) ([]applyers.Applyer, func() map[string]int, error) {
		return []applyers.Applyer{c, p}, func() map[string]int { return nil }, nil
	}
	return turner, r, p
}

func wantRuns(t *testing.T, p *players, want ...string) {
	t.Helper()
	if got := p.take(); !slices.Equal(got, want) {
		t.Errorf("ran %q, want %q", got, want)
	}
}

// A host on which a playbook fails waits alone, longer each time; others and new ones
// run at once; asking for a turn, or a new commit, tries it again at once.
func TestAFailingHostBacksOffAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turner, r, p := playbooksOf(t)
		two := base + guest("web", "101", "1GiB") + guest("db", "102", "1GiB") + playbook
		r.push("aaaa", two)
		p.fail["play/base db"] = "no space left"
		rep := run(t, turner, report.Run)
		wantRuns(t, p, "play/base on db web")
		if rep.Summary.Failed != 1 {
			t.Errorf("summary %+v", rep.Summary)
		}
		for _, delay := range []time.Duration{10 * time.Second, 20 * time.Second, 40 * time.Second} {
			if at := turner.Retry(); !at.Equal(time.Now().Add(delay)) {
				t.Errorf("tried again in %s, want %s", time.Until(at), delay)
			}
			// What web needs goes on while db waits.
			p.has["play/base web"] = false
			rep := run(t, turner, report.Run)
			wantRuns(t, p, "play/base on web")
			if f := rep.Plan.Change(drift.Key{ID: "play/base", Step: drift.Run}).Fields[0]; !strings.Contains(f.Held, "or at once by `agent sync`: no space left") {
				t.Errorf("db is held by %q", f.Held)
			}
			// A wait of one second more than the back-off.
			pass(time.Until(turner.Retry()) + time.Second)
			run(t, turner, report.Run)
			wantRuns(t, p, "play/base on db")
		}
		// A new host runs at once.
		if _, err := turner.Run(t.Context(), turn.Request{Mode: report.Run}); err != nil {
			t.Fatal(err)
		}
		wantRuns(t, p)
		if _, err := turner.Run(t.Context(), turn.Request{Mode: report.Run, Afresh: true}); err != nil {
			t.Fatal(err)
		}
		wantRuns(t, p, "play/base on db")
		r.push("bbbb", two+guest("new", "103", "1GiB"))
		run(t, turner, report.Run)
		wantRuns(t, p, "play/base on db new")
		if at := turner.Retry(); !at.Equal(time.Now().Add(10 * time.Second)) {
			t.Errorf("after a new commit it is tried again in %s", time.Until(at))
		}
		delete(p.fail, "play/base db")
		pass(11 * time.Second)
		run(t, turner, report.Run)
		wantRuns(t, p, "play/base on db")
		if at := turner.Retry(); !at.IsZero() {
			t.Errorf("all is well, and it is tried again at %s", at)
		}
	})
}

// A host that is left out since its guest is not there yet waits for the guest alone.
func TestAHostLeftOutDoesNotBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turner, r, p := playbooksOf(t)
		c := newCluster()
		turner.Appliers = func(*desired.Fleet, fs.FS) ([]applyers.Applyer, func() map[string]int, error) {
			return []applyers.Applyer{c, p}, func() map[string]int { return nil }, nil
		}
		c.fail["ct/db create"] = "no space left"
		p.fail["play/base web"] = "boom"
		r.push("aaaa", base+guest("web", "101", "1GiB")+guest("db", "102", "1GiB")+playbook)
		run(t, turner, report.Run)
		wantRuns(t, p, "play/base on web")
		delete(c.fail, "ct/db create")
		pass(10 * time.Second)
		run(t, turner, report.Run)
		wantRuns(t, p, "play/base on db web")
	})
}

func TestAskedForUntilItWentWell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turner, r, p := playbooksOf(t)
		r.push("aaaa", base+guest("web", "101", "1GiB")+guest("db", "102", "1GiB")+playbook)
		if _, _, err := turner.Provision("web", "a webhook"); err == nil || !strings.Contains(err.Error(), "have not been read yet") {
			t.Errorf("before the first turn: %v", err)
		}
		run(t, turner, report.Run)
		wantRuns(t, p, "play/base on db web")
		run(t, turner, report.Run)
		wantRuns(t, p)

		ask := func(want string, all ...turn.Asking) {
			t.Helper()
			_, err := turner.Run(t.Context(), turn.Request{Mode: report.Run, Afresh: true, Run: all})
			if got := fmt.Sprint(err); !strings.Contains(got, want) {
				t.Errorf("asking for %v: %v, want %s", all, err, want)
			}
		}
		ask("run play/other: play/other is not known here; there are: play/base", turn.Asking{Play: "play/other"})
		ask("run play/base: host wbe is not known here; did you mean web?", turn.Asking{Play: "play/base", Hosts: []string{"wbe"}})
		ask("host ns is not known here; there are: db, web", turn.Asking{Play: "play/base", Hosts: []string{"web", "ns"}})
		wantRuns(t, p)
		// All that was asked for in one breath is, or nothing.
		ask("play/other is not known here", turn.Asking{Play: "play/base"}, turn.Asking{Play: "play/other"})
		if at := turner.Retry(); !at.IsZero() {
			t.Errorf("a slip of the keyboard is tried again at %s", at)
		}
		run(t, turner, report.Run)
		wantRuns(t, p)
		ask("nil", turn.Asking{Play: "play/base", Hosts: []string{"web"}})
		wantRuns(t, p, "play/base on web")
		run(t, turner, report.Run)
		wantRuns(t, p)

		hosts, all, err := turner.Provision("db", "POST /hooks/provision")
		if err != nil || !slices.Equal(all, []desired.ID{"play/base"}) || !slices.Equal(hosts, []string{"db"}) {
			t.Errorf("provision: %v on %v, %v", all, hosts, err)
		}
		p.fail["play/base db"] = "boom"
		run(t, turner, report.Run)
		wantRuns(t, p, "play/base on db")
		run(t, turner, report.Run)
		wantRuns(t, p)
		// Whoever presses the button once more wants it now, not when its wait is over.
		if _, _, err := turner.Provision("db", "POST /hooks/provision"); err != nil {
			t.Error(err)
		}
		run(t, turner, report.Run)
		wantRuns(t, p, "play/base on db")
		run(t, turner, report.Run)
		wantRuns(t, p)
		delete(p.fail, "play/base db")
		pass(11 * time.Second)
		if why, _ := turner.Journal.Asked("play/base", "db"); why != "POST /hooks/provision" {
			t.Errorf("asked: %q", why)
		}
		run(t, turner, report.Run)
		wantRuns(t, p, "play/base on db")
		_, _, err = turner.Provision("nobody", "")
		if unknown := new(turn.UnknownError); !errors.As(err, &unknown) || !strings.Contains(err.Error(), "there are: all, ct, db, site_home, web") {
			t.Errorf("provision of a host that is none: %v", err)
		}
		if _, _, err = turner.Provision("wbe", ""); err == nil || err.Error() != "provision: host wbe is not known here; did you mean web?" {
			t.Errorf("provision of a host that is misspelt: %v", err)
		}
		for _, target := range []string{"all", "ct", "site_home"} {
			hosts, all, err := turner.Provision(target, "")
			if err != nil || !slices.Equal(all, []desired.ID{"play/base"}) || !slices.Equal(hosts, []string{"db", "web"}) {
				t.Errorf("provision of %s: %v on %v, %v", target, all, hosts, err)
			}
		}
		run(t, turner, report.Run)
		wantRuns(t, p, "play/base on db web")
	})
}

// The next schedule of a playbook wakes the agent.
func TestAScheduleWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turner, r, p := playbooksOf(t)
		r.push("aaaa", base+guest("web", "101", "1GiB")+playbook)
		p.comes = time.Now().Add(90 * time.Minute)
		run(t, turner, report.Run)
		if at := turner.Retry(); !at.Equal(p.comes) {
			t.Errorf("the agent wakes at %s, want %s", at, p.comes)
		}
		p.comes = time.Time{}
		run(t, turner, report.Run)
		if at := turner.Retry(); !at.IsZero() {
			t.Errorf("the agent wakes at %s", at)
		}
	})
}

// A step's log is a file beside its turn, and the report names it.
func TestALogBesideItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turner, r, p := playbooksOf(t)
		r.push("aaaa", base+guest("web", "101", "1GiB")+playbook)
		p.fail["play/base web"] = "boom"
		rep := run(t, turner, report.Run)
		for _, o := range rep.Outcomes {
			if has := o.Log != ""; has != (o.Step == drift.Run) {
				t.Errorf("%s has its log at %q", o.Key, o.Log)
			}
		}
		var page strings.Builder
		if err := report.Text(&page, rep, report.TextOptions{Width: 300}); err != nil {
			t.Fatal(err)
		}
		if want := "/" + rep.Turn + ".play.base.run.log"; !strings.Contains(page.String(), want) {
			t.Errorf("nothing names %s:\n%s", want, page.String())
		}
	})
}
