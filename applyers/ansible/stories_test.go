package ansible

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/applyers/machine"
	"berth/desired"
	"berth/drift"
)

// runsWell is a fake run that goes well on all its hosts, and writes down which.
func runsWell(t *testing.T) (script, ran string) {
	ran = filepath.Join(t.TempDir(), "ran")
	return "echo $(cat ${BERTH_EVENTS%/events}/limit) >> " + ran + `
while read host; do tell '{"event":"host","host":"'$host'","ok":1}'; done < ${BERTH_EVENTS%/events}/limit
ended; tell '{"event":"stats"}'`, ran
}

// story is a bench with some guests and the playbook base for them.
type story struct {
	*bench
	ran string
	*desired.Playbook
}

func newStory(t *testing.T, hosts ...string) *story {
	t.Helper()
	script, ran := runsWell(t)
	b := newBench(t, fake(t, script))
	for _, name := range hosts {
		b.guest(name, nil)
	}
	return &story{bench: b, ran: ran, Playbook: b.play("base", "[]", hosts...)}
}

// next makes a turn, and tells on which hosts anything ran.
func (s *story) next(want ...string) []drift.Outcome {
	s.t.Helper()
	s.remake()
	_ = os.Remove(s.ran)
	outcomes := s.turn(s.t.Context())
	text, _ := os.ReadFile(s.ran)
	var have []string
	for line := range strings.Lines(string(text)) {
		have = append(have, strings.TrimSpace(line))
	}
	slices.Sort(have)
	if !slices.Equal(have, want) {
		s.t.Errorf("ran on %q, want %q; outcomes %+v", have, want, outcomes)
	}
	return outcomes
}

// field is what is planned for a host.
func (s *story) field(host string) drift.Field {
	s.t.Helper()
	s.remake()
	plan, _ := s.plan(s.t.Context())
	for _, c := range plan.Changes {
		for _, f := range c.Fields {
			if hostOf(f.Path) == host {
				if c.Held != "" && f.Held == "" {
					f.Held = c.Held
				}
				return f
			}
		}
	}
	return drift.Field{}
}

// What changes makes due whom it concerns, and nobody twice.
func TestStoryOfChanges(t *testing.T) {
	s := newStory(t, "web-1", "web-2")
	s.next("web-1 web-2")
	s.next()
	// A variable of one host.
	run := s.Due["web-2"]
	run.Digest = "another"
	s.Due["web-2"] = run
	s.next("web-2")
	s.next()
	// A guest made anew.
	s.lives[0].Facts[desired.FactInstance] = "anew"
	s.next("web-1")
	s.next()
}

// Whoever asks gets one run, however often it is looked at, and until it went well.
func TestStoryOfAsking(t *testing.T) {
	s := newStory(t, "web-1", "web-2")
	onDemand(s.Playbook)
	s.next()
	s.memory.asked["play/base web-2"] = "asked for by agent sync"
	if f := s.field("web-2"); f.Reason != "asked for by agent sync" || f.Held != "" {
		t.Errorf("planned: %+v", f)
	}
	s.next("web-2")
	s.next()
	s.memory.asked["play/base web-1"] = "POST /hooks/provision"
	s.Bin = fake(t, "exit 1")
	s.next()
	script, ran := runsWell(t)
	s.Bin, s.ran = fake(t, script), ran
	s.next("web-1")
	s.next()
}

// A run of which nobody saw the end is made again, and that is said.
func TestStoryOfBeingKilled(t *testing.T) {
	s := newStory(t, "web-1", "web-2")
	s.next("web-1 web-2")
	now := time.Date(2026, 11, 21, 22, 0, 0, 0, time.UTC)
	s.Now = func() time.Time { return now }
	s.memory.begun["play/base web-2"] = now.Add(-10 * time.Minute)
	if f := s.field("web-2"); f.Reason != "the run of 21:50 UTC was cut off" {
		t.Errorf("planned: %+v", f)
	}
	s.next("web-2")
	s.next()

	// Told to stop, the agent breaks a run off; the next turn says so as well.
	run := s.Due["web-1"]
	run.Digest = "another"
	s.Due["web-1"] = run
	s.Bin = fake(t, "sleep 20")
	ctx, stop := context.WithCancel(t.Context())
	time.AfterFunc(200*time.Millisecond, stop)
	s.remake()
	if o := s.one(ctx); o.Status != drift.Left {
		t.Errorf("stopped: %s", show(o))
	}
	if f := s.field("web-1"); !strings.Contains(f.Reason, "was cut off") {
		t.Errorf("planned: %+v", f)
	}
}

// While the agent is locked, what needs a secret waits and all else goes on; each runs
// once after the unlock.
func TestStoryOfTheLock(t *testing.T) {
	s := newStory(t, "web-1", "web-2", "web-3")
	s.vault.values["apps"] = "hush"
	s.vault.locked["apps"] = true
	ref := desired.SecretRef{Secret: "apps"}
	s.fleet.Guest("vm/web-2").Vars = map[string]any{"token": map[string]any{"deep": []any{ref}}}
	run := s.Due["web-2"]
	run.Secrets, run.Play = []desired.SecretRef{ref}, "play/base"
	s.Due["web-2"] = run
	for range 2 {
		if f := s.field("web-2"); !strings.HasPrefix(f.Held, "waiting for unlock: secret \"apps\"") {
			t.Errorf("planned: %+v", f)
		}
	}
	s.next("web-1 web-3")
	s.next()

	// Locked between the plan and the run: it waits as well, and nothing has failed.
	s.vault.locked["apps"] = false
	s.remake()
	plan, world := s.plan(t.Context())
	s.vault.locked["apps"] = true
	for _, o := range s.execute(t.Context(), plan, world) {
		if o.Status != drift.Held || !strings.HasPrefix(o.Reason, "waiting for unlock: ") {
			t.Errorf("locked meanwhile: %s", show(o))
		}
	}

	s.vault.locked["apps"] = false
	s.next("web-2")
	s.next()
	// A secret that is rotated makes what uses it due, locked or not.
	s.vault.values["apps"] = "hush anew"
	s.vault.locked["apps"] = true
	s.next()
	if f := s.field("web-2"); !strings.HasPrefix(f.Held, "waiting for unlock") {
		t.Errorf("planned: %+v", f)
	}
	s.vault.locked["apps"] = false
	s.next("web-2")
	s.next()

	// One whose version can't be told is held, with the reason.
	delete(s.vault.values, "apps")
	if f := s.field("web-2"); f.Held != "no such secret" {
		t.Errorf("planned: %+v", f)
	}
}

// A schedule makes due once each time that it comes, and once for all that was missed.
func TestStoryOfASchedule(t *testing.T) {
	fleet, err := desired.Load(fstest.MapFS{
		"fleet.yaml": {Data: []byte(`
kind: Fleet
name: demo
uid: 5b1f0c2e
zone: UTC
---
kind: Host
name: web-1
address: 10.1.1.5
---
kind: Playbook
name: backup
path: ansible/backup.yml
hosts: all
runs: [{schedule: "11 11 * * *"}]
`)},
		"ansible/backup.yml":   {Data: []byte("[]\n")},
		"ansible/.berthignore": {},
	})
	if err != nil {
		t.Fatal(err)
	}
	s := newStory(t)
	s.fleet = fleet
	s.files = fstest.MapFS{"ansible/backup.yml": {Data: []byte("[]\n")}}
	now := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	s.Now = func() time.Time { return now }
	s.memory.now = s.Now
	s.Dial = func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		_ = there.Close()
		return here, nil
	}
	s.next()
	if want := time.Date(2026, 11, 21, 11, 11, 0, 0, time.UTC); !s.seen.Comes.Equal(want) {
		t.Errorf("it comes at %s, want %s", s.seen.Comes, want)
	}
	now = now.Add(2*time.Hour + 11*time.Minute)
	if f := s.field("web-1"); f.Reason != "its schedule came at 11:11" {
		t.Errorf("planned: %+v", f)
	}
	s.next("web-1")
	s.next()
	now = now.Add(72*time.Hour + time.Minute)
	s.next("web-1")
	s.next()

	// A Host that does not answer is told so, and nothing is begun.
	now = now.Add(24 * time.Hour)
	s.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("connection refused") }
	outcomes := s.next()
	if len(outcomes) != 1 || !strings.Contains(outcomes[0].Results["hosts.web-1"], "can't be reached: connection refused") {
		t.Errorf("%+v", outcomes)
	}
}

// Without retry a failed run waits for an edit, or for somebody to ask.
func TestStoryWithoutRetry(t *testing.T) {
	s := newStory(t, "web-1")
	good := s.Bin
	s.Retry = false
	s.Bin = fake(t, "exit 1")
	s.next()
	s.Bin = good
	if f := s.field("web-1"); !strings.HasSuffix(f.Held, "and retry: false waits for an edit, or for `agent sync --run play/base --limit web-1`") {
		t.Errorf("planned: %+v", f)
	}
	s.next()
	s.memory.asked["play/base web-1"] = "asked for by agent sync"
	s.next("web-1")
	s.next()
}

// each makes one run a value, whose inventory has its hosts only.
func TestStoryOfEach(t *testing.T) {
	for each, want := range map[string][]string{
		"none": {"a-1 a-2 b-1: a-1 a-2 b-1"},
		"host": {"a-1: a-1", "a-2: a-2", "b-1: b-1"},
		"site": {"a-1 a-2 b-1: a-1 a-2 b-1"}, "project": {"a-1 a-2: a-1 a-2", "b-1: b-1"}, "environment": {"a-1 b-1: a-1 b-1", "a-2: a-2"},
	} {
		s := newStory(t, "a-1", "a-2", "b-1")
		s.ran = filepath.Join(t.TempDir(), "ran")
		s.Bin = fake(t, `dir=${BERTH_EVENTS%/events}
echo "$(cat $dir/limit | xargs): $(grep -o '"berth_name": *"[^"]*"' $dir/inventory.json | cut -d'"' -f4 | xargs)" >> `+s.ran+`
while read host; do tell '{"event":"host","host":"'$host'","ok":1}'; done < $dir/limit
ended; tell '{"event":"stats"}'`)
		for name, of := range map[string][2]string{"a-1": {"a", "dev"}, "a-2": {"a", "prod"}, "b-1": {"b", "dev"}} {
			g := s.fleet.Guest(desired.MakeID(desired.KindVM, name))
			g.Project, g.Environment = of[0], of[1]
		}
		s.Each = each
		s.next(want...)
		s.next()
	}
}

// One value's failure is not another's.
func TestStoryOfEachThatFails(t *testing.T) {
	s := newStory(t, "a-1", "b-1")
	s.Each = "host"
	s.Bin = fake(t, `grep -q b-1 ${BERTH_EVENTS%/events}/limit && exit 3
while read host; do tell '{"event":"host","host":"'$host'","ok":1}'; done < ${BERTH_EVENTS%/events}/limit
ended; tell '{"event":"stats"}'`)
	s.remake()
	o := s.one(t.Context())
	if o.Status != drift.Failed || o.Results["hosts.a-1"] != "" || !strings.Contains(o.Results["hosts.b-1"], "ended with 3") {
		t.Error(show(o))
	}
	if diff := cmp.Diff([]string{"play/base a-1"}, s.memory.hosts()); diff != "" {
		t.Errorf("remembered (-want +got):\n%s", diff)
	}
}

// A playbook of another repository is due when a commit comes there, and unknown alone
// when it can't be read.
func TestStoryOfAnotherRepository(t *testing.T) {
	s := newStory(t, "web-1")
	other := s.play("other", "[]", "web-1")
	other.Git = &desired.PlaybookGit{URL: "https://git.example.com/ansible.git", Ref: "main"}
	other.File, other.Dir = "site.yml", "."
	run := other.Due["web-1"]
	run.Git, run.Play = true, "play/other"
	other.Due["web-1"] = run
	commit, broken := "aaaa", error(nil)
	reads := 0
	s.Repository = func(_ context.Context, git desired.PlaybookGit) (fs.FS, string, error) {
		reads++
		return fstest.MapFS{"site.yml": {Data: []byte("[]\n")}}, commit, broken
	}
	s.next("web-1", "web-1")
	if reads != 1 {
		t.Errorf("the repository was read %d times in one turn", reads)
	}
	s.next()
	commit = "bbbb"
	s.next("web-1")
	s.next()
	commit, broken = "cccc", errors.New("connection refused")
	run = s.Due["web-1"]
	run.Digest = "another"
	s.Due["web-1"] = run
	s.next("web-1")
	if len(s.seen.Blind) != 1 || s.seen.Blind[0].ID != "play/other" || !strings.Contains(s.seen.Blind[0].Reason, "connection refused") {
		t.Errorf("blind: %+v", s.seen.Blind)
	}
	broken = fmt.Errorf("read the key: %w", &desired.LockedError{Secret: "deploy"})
	if f := s.field("web-1"); !strings.HasPrefix(f.Held, "waiting for unlock: secret \"deploy\"") || len(s.seen.Blind) != 0 {
		t.Errorf("planned: %+v, blind %+v", f, s.seen.Blind)
	}
	broken = nil
	s.next("web-1")
}

// Host keys that Proxmox tells are pinned before the first contact, and no run begins
// where they are others than those learnt before.
func TestStoryOfHostKeys(t *testing.T) {
	s := newStory(t, "web-1", "web-2")
	_, first := newKey(t, "")
	_, second := newKey(t, "")
	for i := range s.lives {
		s.lives[i].Facts[desired.FactHostKeys] = strings.TrimSpace(first)
	}
	s.next("web-1 web-2")
	alias := machine.Alias("vm/web-1", "instance of web-1")
	if known := read(machine.KnownHosts(s.State)); !strings.Contains(known, alias+" "+strings.Join(strings.Fields(first)[:2], " ")+"\n") {
		t.Errorf("known hosts:\n%s", known)
	}
	s.lives[0].Facts[desired.FactHostKeys] = strings.TrimSpace(second)
	for _, host := range []string{"web-1", "web-2"} {
		s.memory.asked["play/base "+host] = "asked"
	}
	o := s.next("web-2")[0]
	if !strings.Contains(o.Results["hosts.web-1"], "its SSH host key is another than the one learnt before") {
		t.Error(show(o))
	}
	// Made anew by us, it has another name, and its key is learnt.
	s.lives[0].Facts[desired.FactInstance] = "made anew"
	s.next("web-1")
}

// Playbooks on different hosts go side by side, and those on one host one after the other.
func TestStoryOfLanes(t *testing.T) {
	s := newStory(t, "web-1")
	s.guest("web-2", nil)
	s.play("other", "[]", "web-2")
	s.play("third", "[]", "web-1")
	dir := t.TempDir()
	s.Bin = fake(t, `dir=${BERTH_EVENTS%/events}
for host in $(cat $dir/limit); do mkdir `+dir+`/$host || exit 9; done
touch `+dir+`/begun-$$
for i in $(seq 100); do [ $(ls `+dir+` | grep -c begun) -ge 2 ] && break; sleep 0.1; done
[ $(ls `+dir+` | grep -c begun) -ge 2 ] || exit 8
for host in $(cat $dir/limit); do rmdir `+dir+`/$host; tell '{"event":"host","host":"'$host'","ok":1}'; done
ended; tell '{"event":"stats"}'`)
	s.remake()
	for _, o := range s.turn(t.Context()) {
		if o.Status != drift.Done {
			t.Error(show(o))
		}
	}
}
