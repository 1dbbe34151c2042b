package ansible

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"berth/desired"
	"berth/drift"
)

// What ended well before the agent stopped is not run again: batches of a serial run are
// runs of their own.
func TestStoppedBetweenBatches(t *testing.T) {
	s := newStory(t, "web-1", "web-2")
	begun := filepath.Join(t.TempDir(), "begun")
	s.Bin = fake(t, `host=$(cat ${BERTH_EVENTS%/events}/limit)
[ $host = web-2 ] && echo > `+begun+` && sleep 20
tell '{"event":"host","host":"'$host'","ok":1}'; ended; tell '{"event":"stats"}'`)
	s.Serial = "1"
	s.remake()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		until(t, "the second begins", func() bool { _, err := os.Stat(begun); return err == nil })
		cancel()
	}()
	o := s.one(ctx)
	if reason, told := o.Results["hosts.web-1"]; o.Status != drift.Left || !told || reason != "" || len(o.Results) != 1 {
		t.Errorf("stopped: %s", show(o))
	}
	if have := s.memory.hosts(); !slices.Equal(have, []string{"play/base web-1"}) {
		t.Errorf("remembered are %q", have)
	}
	if _, cut := s.memory.CutOff("play/base", "web-1"); cut {
		t.Error("what ended well counts as cut off")
	}
	script, ran := runsWell(t)
	s.Bin, s.ran = fake(t, script), ran
	s.next("web-2")
}

// Where check mode broke off, what the last run was for may still be so: a playbook that
// is not idempotent waits on.
func TestACheckThatBreaksOffMendsNothing(t *testing.T) {
	s := newStory(t, "web-1")
	dir := t.TempDir()
	s.Bin, s.ran = drifting(t, dir), dir+"/ran"
	s.Drift = "check"
	s.lives[0].Running = true
	s.next("web-1")
	write(t, dir+"/dirty")
	write(t, dir+"/sticky")
	s.next("web-1")
	whole := s.Bin
	s.Bin = fake(t, `tell '{"event":"failed","host":"web-1","task":"Ask the service","path":"'${BERTH_EVENTS%/events}'/src/base.yml:3","msg":"no such file"}'
tell '{"event":"host","host":"web-1","failures":1}'; tell '{"event":"stats"}'; exit 2`)
	s.next()
	if notes := s.seen.Notes; len(notes) != 1 || notes[0].Unknown || notes[0].Text != `what it would change on web-1 is not known: check mode came no further than task "Ask the service" (ansible/base.yml:3): no such file` {
		t.Errorf("noted: %+v", notes)
	}
	s.Bin = whole
	if f := s.field("web-1"); !strings.Contains(f.Held, "not idempotent") {
		t.Errorf("planned: %+v", f)
	}
}

// However many playbooks there are, and values that they make one run each for, few
// programs run at once.
func TestFewProgramsAtOnce(t *testing.T) {
	dir := t.TempDir()
	b := newBench(t, fake(t, `touch `+dir+`/$$; ls `+dir+` | wc -l >> `+dir+`.many; sleep 0.05; rm `+dir+`/$$
while read host; do tell '{"event":"host","host":"'$host'","ok":1}'; done < ${BERTH_EVENTS%/events}/limit
ended; tell '{"event":"stats"}'`))
	for p := range 3 {
		var hosts []string
		for h := range 5 {
			name := fmt.Sprintf("web-%d-%d", p, h)
			b.guest(name, nil)
			hosts = append(hosts, name)
		}
		b.play(fmt.Sprintf("p%d", p), "[]", hosts...).Each = "host"
	}
	for _, o := range b.turn(t.Context()) {
		if o.Status != drift.Done {
			t.Error(show(o))
		}
	}
	runs := strings.Fields(read(dir + ".many"))
	if most := slices.Max(runs); len(runs) != 15 || most > "4" {
		t.Errorf("%d runs, up to %s at once", len(runs), most)
	}
}

// A quick look asks check mode of those hosts alone of which it had found something.
func TestAQuickLookForgetsNothing(t *testing.T) {
	s := newStory(t, "web-1", "web-2")
	dir := t.TempDir()
	s.Bin, s.ran = drifting(t, dir), dir+"/ran"
	s.Drift = "check"
	s.lives[0].Running, s.lives[1].Running = true, true
	now := time.Date(2026, 11, 21, 22, 0, 0, 0, time.UTC)
	s.Now = func() time.Time { return now }
	s.memory.now = s.Now
	s.next("web-1 web-2")
	checks := func(want int) {
		t.Helper()
		if have := strings.Count(read(dir+"/checks"), "check"); have != want {
			t.Errorf("check mode was asked %d times, want %d", have, want)
		}
	}
	write(t, dir+"/dirty")
	s.quick = true
	s.next()
	checks(0)
	s.quick = false
	write(t, dir+"/sticky")
	s.next("web-1 web-2")
	checks(1)
	// What is not idempotent is run again at its time, not before.
	s.quick = true
	now = now.Add(time.Minute)
	s.next()
	checks(1)
	if !s.seen.Comes.Equal(now.Add(9 * time.Minute)) {
		t.Errorf("looked at again at %s", s.seen.Comes)
	}
	now = now.Add(9 * time.Minute)
	s.next("web-1 web-2")
	checks(2)
	// Nor is a run forgotten that check mode had asked for, and that failed.
	s.memory.mended = make(map[string][]string)
	s.memory.failed["play/base web-2"] = s.Due["web-2"].Digest
	s.next("web-2")
	checks(3)
}

// Where nobody is there, that is found out once, not for each of many hosts; one that
// answers for some is asked for all.
func TestAWebhookThatIsAwayIsTriedOnce(t *testing.T) {
	s := newStory(t, "web-1", "web-2", "web-3")
	s.Runner.Webhook = &desired.WebhookRunner{URL: "http://127.0.0.1:1/?host={host}", Method: "POST"}
	tries := 0
	dial := s.Dial
	s.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		tries++
		return dial(ctx, network, address)
	}
	o := s.next()[0]
	if tries != 1 || o.Status != drift.Failed || !strings.Contains(o.Results["hosts.web-3"], "nobody was there before: ask the webhook of 127.0.0.1:1: ") {
		t.Errorf("tried %d times: %s", tries, show(o))
	}
}
