package notify_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"berth/agent/internal/notify"
	"berth/agent/internal/turn"
	"berth/desired"
	"berth/drift"
	"berth/drift/report"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// failing is a turn in which resources failed, each for its reason.
func failing(reasons map[desired.ID]string) notify.Look {
	rep := &report.Report{Mode: report.Run, Turn: "t", Fleet: "lab", Commit: report.Commit{Hash: "3f2a91c00"}, Plan: &drift.Plan{}}
	l := notify.Look{Turn: "t", Report: rep}
	for id, reason := range reasons {
		key := drift.Key{ID: id, Step: drift.Online}
		rep.Plan.Changes = append(rep.Plan.Changes, drift.Change{Key: key, Site: "home"})
		rep.Outcomes = append(rep.Outcomes, drift.Outcome{Key: key, Status: drift.Failed, Reason: reason})
	}
	slices.SortFunc(rep.Plan.Changes, func(a, b drift.Change) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return l
}

// person is somebody who is told, as one line an event.
type person struct {
	policy notify.Policy
	told   notify.Told
	now    time.Time
}

func (p *person) sees(l notify.Look) []string {
	s := notify.See(l)
	return p.tells(&s)
}

func (p *person) tells(s *notify.Seen) []string {
	events, told := notify.Next(p.told, s, p.policy, p.now)
	p.told = told
	var lines []string
	for _, e := range events {
		lines = append(lines, say(e))
	}
	return lines
}

func say(e notify.Event) string {
	text := string(e.Kind)
	if e.Again {
		text += " again"
	}
	words := []string{text}
	for _, item := range e.Items {
		words = append(words, string(item.ID))
	}
	if e.More > 0 {
		words = append(words, fmt.Sprintf("+%d", e.More))
	}
	return strings.Join(words, " ")
}

func equal(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: told %q, want %q", what, got, want)
	}
}

func TestAFailureIsToldOnceAgainAndWhenItIsOver(t *testing.T) {
	p := &person{now: noon}
	broken := failing(map[desired.ID]string{"vm/a": "the disk is full after 3 minutes"})
	equal(t, "at first", p.sees(broken), "failure vm/a")
	p.now = p.now.Add(10 * time.Minute)
	equal(t, "the same again", p.sees(broken))
	p.now = p.now.Add(time.Minute)
	equal(t, "other numbers", p.sees(failing(map[desired.ID]string{"vm/a": "the disk is full after 1 minute"})))
	equal(t, "another reason", p.sees(failing(map[desired.ID]string{"vm/a": "it is locked"})), "failure vm/a")
	equal(t, "another beside", p.sees(failing(map[desired.ID]string{"vm/a": "it is locked", "vm/b": "it is locked"})), "failure vm/b")
	p.now = p.now.Add(4 * time.Hour)
	equal(t, "four hours later", p.sees(failing(map[desired.ID]string{"vm/a": "it is locked", "vm/b": "it is locked"})), "failure again vm/a vm/b")
	equal(t, "one is over", p.sees(failing(map[desired.ID]string{"vm/a": "it is locked"})), "recovery vm/b")
	equal(t, "a turn that failed", p.sees(notify.Look{Turn: "x", Err: "no disk"}), "turn-failed ")
	equal(t, "both are over", p.sees(failing(nil)), "recovery  vm/a")
	equal(t, "all is well", p.sees(failing(nil)))
	if p.now = p.now.Add(5 * time.Hour); len(p.sees(failing(nil))) > 0 || len(p.told.Troubles) > 0 {
		t.Errorf("what is long over is remembered: %v", p.told.Troubles)
	}
}

// TestOutOfSightIsNotOver has failures that a turn does not see, for other reasons than
// that they are over.
func TestOutOfSightIsNotOver(t *testing.T) {
	for what, l := range map[string]notify.Look{
		"nothing was looked at": {Err: "no repository"},
		"its site is dark":      {Report: &report.Report{Mode: report.Run, Plan: &drift.Plan{Blind: []drift.Blind{{Site: "home", Reason: "no route"}}}}},
		"it is held":            {Report: &report.Report{Mode: report.Run, Plan: &drift.Plan{Changes: []drift.Change{{Key: drift.Key{ID: "vm/a", Step: drift.Reboot}, Held: "it waits for a maintenance window: the next opens Mon"}}}}},
		"it was not asked for":  {Part: true, Report: &report.Report{Mode: report.Run, Plan: &drift.Plan{}}},
		"it is tried later":     {Report: &report.Report{Mode: report.Run, Plan: &drift.Plan{}}, Waits: []turn.Wait{{ID: "vm/a", Reason: "no"}}},
	} {
		p := &person{now: noon, policy: notify.Policy{Events: []notify.Kind{notify.Failure, notify.Recovery}}}
		equal(t, what, p.sees(failing(map[desired.ID]string{"vm/a": "no"})), "failure vm/a")
		equal(t, what, p.sees(l))
		equal(t, what+", and then it is well", p.sees(failing(nil)), "recovery vm/a")
	}
	p := &person{now: noon}
	p.sees(failing(map[desired.ID]string{"vm/a": "no"}))
	done := failing(map[desired.ID]string{"vm/a": ""})
	done.Part, done.Report.Outcomes[0].Status = true, drift.Done
	equal(t, "asked for by itself, it comes right", p.sees(done), "recovery vm/a", "change-applied vm/a")
}

func TestWhatComesAndGoesFallsSilent(t *testing.T) {
	p := &person{now: noon}
	told := 0
	for range 12 {
		for _, l := range []notify.Look{failing(map[desired.ID]string{"vm/a": "no"}), failing(nil)} {
			told += len(p.sees(l))
			p.now = p.now.Add(time.Minute)
		}
	}
	if told != 5 { // Three times that it begins, twice that it is over.
		t.Errorf("it was told %d times in 24 minutes", told)
	}
	equal(t, "for long well", p.sees(failing(nil)))
	p.now = p.now.Add(4 * time.Hour)
	equal(t, "well for four hours", p.sees(failing(nil)), "recovery vm/a")
	p.now = p.now.Add(time.Hour)
	equal(t, "it begins anew", p.sees(failing(map[desired.ID]string{"vm/a": "no"})), "failure vm/a")
}

func TestOneMessageForManyResources(t *testing.T) {
	reasons := make(map[desired.ID]string)
	for i := range 500 {
		reasons[desired.MakeID("vm", fmt.Sprintf("g%03d", i))] = "storage ssd has no space"
	}
	s := notify.See(failing(reasons))
	events, told := notify.Next(notify.Told{}, &s, notify.Policy{}, noon)
	if len(events) != 1 || len(events[0].Items) != 20 || events[0].More != 480 || events[0].Title != "Failed: 500 resources" {
		t.Fatalf("%d events, %+v", len(events), events)
	}
	if _, told := notify.Next(told, &s, notify.Policy{}, noon.Add(time.Hour)); len(told.Troubles) != 500 {
		t.Errorf("%d are remembered", len(told.Troubles))
	}
	well := notify.See(failing(nil))
	if events, _ := notify.Next(told, &well, notify.Policy{}, noon); len(events) != 1 || events[0].Kind != notify.Recovery || events[0].More != 480 {
		t.Errorf("afterwards %+v", events)
	}
}

func TestMoreThanCanBeRememberedIsNotToldEachTurn(t *testing.T) {
	p := &person{now: noon}
	reasons := make(map[desired.ID]string)
	for i := range 6000 {
		reasons[desired.MakeID("vm", fmt.Sprintf("g%d", i))] = "no"
	}
	l := failing(reasons)
	if first := p.sees(l); len(first) != 1 || len(p.told.Troubles) != 5000 {
		t.Errorf("told %d events, remembered %d", len(first), len(p.told.Troubles))
	}
	equal(t, "again", p.sees(l))
}

func TestWhatIsWanted(t *testing.T) {
	all := failing(map[desired.ID]string{"vm/prod-a": "no", "vm/lab-a": "no"})
	all.Report.Plan.Blind = []drift.Blind{{Site: "away", Reason: "no route"}}
	all.Report.Refused = &report.Refusal{Reason: "no route"}
	for _, row := range []struct {
		policy notify.Policy
		want   []string
	}{
		{notify.Policy{}, []string{"failure vm/lab-a vm/prod-a", "site-unknown site/away", "repository-unreachable "}},
		{notify.Policy{Events: []notify.Kind{notify.SiteUnknown}}, []string{"site-unknown site/away"}},
		{notify.Policy{Level: notify.Error}, []string{"failure vm/lab-a vm/prod-a", "site-unknown site/away", "repository-unreachable "}},
		{notify.Policy{Resources: []string{"vm/prod-*"}}, []string{"failure vm/prod-a", "repository-unreachable "}},
		{notify.Policy{Resources: []string{"site/home"}}, []string{"failure vm/lab-a vm/prod-a", "repository-unreachable "}},
		{notify.Policy{Resources: []string{"site/away", "vm/lab-*"}}, []string{"failure vm/lab-a", "site-unknown site/away", "repository-unreachable "}},
	} {
		p := &person{now: noon, policy: row.policy}
		equal(t, fmt.Sprintf("%+v", row.policy), p.sees(all), row.want...)
	}
	// That a wish is taken back is no recovery.
	p := &person{now: noon}
	p.sees(all)
	p.policy.Events = []notify.Kind{notify.Recovery, notify.SiteUnknown}
	equal(t, "afterwards", p.sees(all))
	equal(t, "in the end", p.sees(failing(nil)), "recovery site/away")
}

func TestHeartbeat(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	p := &person{now: noon, policy: notify.Policy{Beat: &notify.Beat{Hour: 8, Zone: zone}}}
	tick := func() []string { s := notify.Between(); return p.tells(&s) }
	equal(t, "at first", tick())
	p.now = time.Date(2026, 11, 23, 6, 59, 59, 0, time.UTC)
	equal(t, "a second early", tick())
	p.now = p.now.Add(time.Second)
	equal(t, "at eight", tick(), "heartbeat")
	equal(t, "at once again", tick())
	p.now = p.now.Add(72 * time.Hour)
	equal(t, "after three days of sleep", tick(), "heartbeat")
	// Summer time begins on the 28th: eight is at six.
	p.now = time.Date(2027, 3, 27, 12, 0, 0, 0, time.UTC)
	tick()
	p.now = time.Date(2027, 3, 28, 5, 59, 0, 0, time.UTC)
	equal(t, "before eight in summer", tick())
	p.now = p.now.Add(time.Minute)
	equal(t, "at eight in summer", tick(), "heartbeat")
	p.now = p.now.Add(-240 * time.Hour)
	equal(t, "the clock is set back", tick())
	p.now = p.now.Add(24 * time.Hour)
	equal(t, "a day later", tick(), "heartbeat")
}

func TestPause(t *testing.T) {
	p := &person{now: noon}
	look := func(paused bool) []string {
		s := notify.Between()
		var all []notify.Condition
		if paused {
			all = []notify.Condition{{Kind: notify.PausedReminder, Reason: "by ann", Since: noon}}
		}
		s.Around(all)
		return p.tells(&s)
	}
	equal(t, "whoever paused it knows", look(true))
	p.now = noon.Add(4 * time.Hour)
	equal(t, "four hours later", look(true), "paused-reminder ")
	p.now = noon.Add(5 * time.Hour)
	equal(t, "five hours later", look(true))
	p.now = noon.Add(8 * time.Hour)
	equal(t, "eight hours later", look(true), "paused-reminder ")
	equal(t, "it goes on", look(false), "recovery ")
	equal(t, "and on", look(false))
}

// TestNobodyIsToldTooMuchOrTooLittle plays random weeks, and holds what is told against
// what happens: no two same messages within the time of reminders unless it was over
// between, each failure that begins is told but where it comes and goes, and each that
// was told is told to be over.
func TestNobodyIsToldTooMuchOrTooLittle(t *testing.T) {
	weeks := uint64(25)
	if os.Getenv("BERTH_EVERY") == "1" {
		weeks = 600
	}
	for seed := range weeks {
		random := rand.New(rand.NewPCG(seed, 7))
		p := &person{now: noon, policy: notify.Policy{Remind: time.Duration(1+random.IntN(6)) * time.Hour}}
		ids := []desired.ID{"vm/a", "vm/b", "play/c"}
		type state struct {
			holds, open bool
			reason      string
			last        time.Time
			begun       []time.Time // what was told of it but reminders
		}
		all := map[desired.ID]*state{"vm/a": {}, "vm/b": {}, "play/c": {}}
		for range 400 {
			p.now = p.now.Add(time.Duration(1+random.IntN(40)) * time.Minute)
			reasons := make(map[desired.ID]string)
			began := make(map[desired.ID]bool)
			for _, id := range ids {
				s := all[id]
				if random.IntN(12) == 0 {
					s.holds = !s.holds
					began[id] = s.holds
				}
				if s.holds {
					if s.reason == "" || random.IntN(20) == 0 {
						s.reason = []string{"no", "it is locked", "the disk is full"}[random.IntN(3)]
					}
					reasons[id] = fmt.Sprintf("%s after %d minutes", s.reason, random.IntN(100))
				}
			}
			events, told := func() ([]notify.Event, notify.Told) {
				s := notify.See(failing(reasons))
				return notify.Next(p.told, &s, p.policy, p.now)
			}()
			p.told = told
			heard := make(map[desired.ID]bool)
			for _, e := range events {
				for _, item := range e.Items {
					s := all[item.ID]
					if heard[item.ID] {
						t.Fatalf("seed %d: %s is told twice of at once", seed, item.ID)
					}
					heard[item.ID] = true
					switch {
					case e.Kind == notify.Recovery:
						if !s.open || s.holds {
							t.Fatalf("seed %d: a recovery of %s, open %v, holds %v", seed, item.ID, s.open, s.holds)
						}
						s.open = false
					case e.Kind == notify.Failure && e.Again:
						if !s.open || p.now.Sub(s.last) < p.policy.Remind {
							t.Fatalf("seed %d: %s is told again after %v", seed, item.ID, p.now.Sub(s.last))
						}
						s.last = p.now
					case e.Kind == notify.Failure:
						recent := slices.DeleteFunc(s.begun, func(at time.Time) bool { return p.now.Sub(at) >= p.policy.Remind })
						if s.begun = append(recent, p.now); len(s.begun) > 3 {
							t.Fatalf("seed %d: %s is told %d times within %v", seed, item.ID, len(s.begun), p.policy.Remind)
						}
						s.open, s.last = true, p.now
					default:
						t.Fatalf("seed %d: %+v", seed, e)
					}
					if !s.holds && e.Kind != notify.Recovery {
						t.Fatalf("seed %d: %s is told of and is well", seed, item.ID)
					}
				}
			}
			for _, id := range ids {
				s := all[id]
				within := 0
				for _, at := range s.begun {
					if p.now.Sub(at) < p.policy.Remind {
						within++
					}
				}
				switch {
				case began[id] && !heard[id] && within < 3 && p.now.Sub(s.last) >= p.policy.Remind:
					t.Fatalf("seed %d: that %s fails is not told", seed, id)
				case s.holds && !s.last.IsZero() && p.now.Sub(s.last) > p.policy.Remind && s.open:
					t.Fatalf("seed %d: nobody is reminded of %s", seed, id)
				}
			}
		}
		// In the end all is well, and stays so.
		for range 2 {
			p.now = p.now.Add(7 * time.Hour)
			for _, s := range all {
				s.holds = false
			}
			s := notify.See(failing(nil))
			events, told := notify.Next(p.told, &s, p.policy, p.now)
			p.told = told
			for _, e := range events {
				for _, item := range e.Items {
					all[item.ID].open = all[item.ID].open && e.Kind != notify.Recovery
				}
			}
		}
		for id, s := range all {
			if s.open || len(p.told.Troubles) > 0 {
				t.Fatalf("seed %d: %s: that it is over is not told, or %v is remembered", seed, id, p.told.Troubles)
			}
		}
	}
}

// FuzzReasonsOfOtherNumbersAreTheSame has no reason that two numbers tell apart.
func FuzzReasonsOfOtherNumbersAreTheSame(f *testing.F) {
	f.Add("failed after ", " minutes: task UPID:pve1:00AB failed", uint16(1), uint16(23))
	f.Add("at ", " Nov", uint16(0), uint16(9))
	f.Fuzz(func(t *testing.T, before, after string, one, other uint16) {
		p := &person{now: noon}
		p.sees(failing(map[desired.ID]string{"vm/a": fmt.Sprintf("%s %d %s", before, one, after)}))
		if told := p.sees(failing(map[desired.ID]string{"vm/a": fmt.Sprintf("%s %d %s", before, other, after)})); len(told) > 0 {
			t.Errorf("told again: %q", told)
		}
	})
}

// TestExpiry has a token that ends soon: nobody takes it for renewed while its site is
// dark, or before the first look after a start.
func TestExpiry(t *testing.T) {
	p := &person{now: noon}
	soon := []notify.Condition{{Kind: notify.Expiry, ID: "site/home", Site: "home", Part: "token", Reason: "it expires in 9 days"}}
	around := func(l *notify.Look, all []notify.Condition) []string {
		s := notify.Between()
		if l != nil {
			s = notify.See(*l)
		}
		s.Around(all)
		return p.tells(&s)
	}
	well, dark := failing(nil), failing(nil)
	dark.Report.Plan.Blind = []drift.Blind{{Site: "home", Reason: "no route"}}
	equal(t, "at first", around(&well, soon), "expiry site/home")
	p.now = p.now.Add(5 * time.Hour)
	equal(t, "five hours later", around(&well, soon))
	p.now = p.now.Add(20 * time.Hour)
	equal(t, "a day later", around(&well, soon), "expiry again site/home")
	equal(t, "its site is dark", around(&dark, nil), "site-unknown site/home")
	equal(t, "before any look", around(nil, nil))
	unsure := slices.Clone(soon)
	unsure[0].Unsure = true
	equal(t, "nobody knows", around(&well, unsure), "recovery site/home") // The site.
	equal(t, "it is renewed", around(&well, nil), "recovery site/home")
}
