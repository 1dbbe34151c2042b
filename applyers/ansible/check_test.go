package ansible

import (
	"strings"
	"testing"
	"time"

	"berth/desired"
)

// drifting is a fake that tells, in check mode, of a task that would change something as
// long as the file dirty is there, and takes that away otherwise unless it is sticky.
func drifting(t *testing.T, dir string) string {
	return fake(t, `dir=${BERTH_EVENTS%/events}
case "$*" in *--check*)
	echo check >> `+dir+`/checks
	while read host; do
		[ -e `+dir+`/dirty ] && tell '{"event":"changed","host":"'$host'","task":"Write motd","path":"'$dir'/src/base.yml:12","diff":"-hello\n+bye\n"}'
		tell '{"event":"host","host":"'$host'","ok":1}'
	done < $dir/limit;;
*)
	echo $(cat $dir/limit) >> `+dir+`/ran
	[ -e `+dir+`/sticky ] || rm -f `+dir+`/dirty
	while read host; do tell '{"event":"host","host":"'$host'","ok":1}'; done < $dir/limit;;
esac
ended; tell '{"event":"stats"}'`)
}

func TestStoryOfDrift(t *testing.T) {
	s := newStory(t, "web-1")
	dir := t.TempDir()
	s.Bin, s.ran = drifting(t, dir), dir+"/ran"
	s.Drift = "check"
	s.lives[0].Running = true
	now := time.Date(2026, 11, 21, 22, 0, 0, 0, time.UTC)
	s.Now = func() time.Time { return now }
	s.memory.now = s.Now
	checks := func(want int) {
		t.Helper()
		if have := strings.Count(read(dir+"/checks"), "check"); have != want {
			t.Errorf("check mode was asked %d times, want %d", have, want)
		}
	}
	// A host that is due is not asked.
	s.next("web-1")
	checks(0)
	s.next()
	checks(1)
	// In one turn it is asked once, however often it is looked at.
	s.plan(t.Context())
	s.plan(t.Context())
	checks(1)

	// Somebody edits a file by hand: it is found, and mended.
	now = now.Add(time.Hour)
	write(t, dir+"/dirty")
	f := s.field("web-1")
	if f.Reason != "1 task would change something" || f.Held != "" || strings.Join(f.Lines, "|") != `task "Write motd" (ansible/base.yml:12)|  -hello|  +bye` {
		t.Errorf("planned: %+v", f)
	}
	s.next("web-1")
	// The look afterwards pays nothing, and finds nothing.
	if plan, _ := s.plan(t.Context()); len(plan.Changes) != 0 {
		t.Errorf("looked at again: %+v", plan.Changes)
	}
	checks(3)
	now = now.Add(time.Hour)
	s.next()

	// A playbook that would change the same again right after its run waits, longer each
	// time, and says why; whoever asks for it gets it at once.
	write(t, dir+"/dirty")
	write(t, dir+"/sticky")
	now = now.Add(time.Hour)
	s.next("web-1")
	for _, wait := range []time.Duration{10 * time.Minute, 20 * time.Minute, 40 * time.Minute} {
		now = now.Add(wait - time.Second)
		if f := s.field("web-1"); !strings.Contains(f.Held, "not idempotent") || !s.seen.Comes.Equal(now.Add(time.Second)) {
			t.Errorf("after %s: %+v, comes %s", wait, f, s.seen.Comes)
		}
		s.next()
		now = now.Add(time.Second)
		s.next("web-1")
	}
	s.memory.asked["play/base web-1"] = "asked for by agent sync"
	s.next("web-1")

	// What is not up is not asked.
	before := strings.Count(read(dir+"/checks"), "check")
	s.lives[0].Running = false
	s.next()
	checks(before)
	s.lives[0].Running = true

	// What can't be told is said.
	s.Bin = fake(t, "echo 'ERROR! odd'; exit 4")
	s.next()
	if notes := s.seen.Notes; len(notes) != 1 || !notes[0].Unknown || !strings.Contains(notes[0].Text, "what it would change on web-1 is not known: ") || !strings.Contains(notes[0].Text, "ERROR! odd") {
		t.Errorf("noted: %+v", notes)
	}
	// Nor can what is locked.
	s.vault.locked["apps"] = true
	s.vault.values["apps"] = "hush"
	s.fleet.Guest("vm/web-1").Vars = map[string]any{"token": desired.SecretRef{Secret: "apps"}}
	s.next()
	if notes := s.seen.Notes; len(notes) != 1 || !notes[0].Unknown || !strings.Contains(notes[0].Text, "check mode has not looked at web-1: waiting for unlock") {
		t.Errorf("noted: %+v", notes)
	}
}

func TestWhatChecksLackIsSaidOnceForAllHosts(t *testing.T) {
	s := newStory(t, "web-1", "web-2")
	dir := t.TempDir()
	s.Bin, s.ran = drifting(t, dir), dir+"/ran"
	s.Drift = "check"
	for i := range s.lives {
		s.lives[i].Running = true
	}
	s.vault.values["apps"] = "hush"
	for _, id := range []desired.ID{"vm/web-1", "vm/web-2"} {
		s.fleet.Guest(id).Vars = map[string]any{"token": desired.SecretRef{Secret: "apps"}}
	}
	s.next("web-1 web-2")
	s.vault.locked["apps"] = true
	s.next()
	if notes := s.seen.Notes; len(notes) != 1 || !strings.Contains(notes[0].Text, "check mode has not looked at web-1 web-2: waiting for unlock") {
		t.Errorf("noted: %+v", notes)
	}
}
