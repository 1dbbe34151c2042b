package ansible

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/applyers"
	"berth/applyers/machine"
	"berth/desired"
	"berth/drift"
)

const okay = `tell '{"event":"host","host":"web-1","ok":2,"failures":0,"unreachable":0,"ignored":0}'`

func TestApply(t *testing.T) {
	ok2 := strings.Replace(okay, "web-1", "web-2", 1)
	for _, test := range []struct {
		name, script string
		status       drift.Status
		reason       string
		results      map[desired.Path]string
	}{
		{
			"all is well", okay + "\n" + ok2 + "\nended; tell '{\"event\":\"stats\"}'",
			drift.Done, "",
			map[desired.Path]string{"hosts.web-1": "", "hosts.web-2": ""},
		},
		{
			"a task fails on one", `tell '{"event":"failed","host":"web-2","task":"Install nginx","path":"'$PWD'/base.yml:3","msg":"no\u001b[31m such\npackage"}'` + "\n" +
				okay + "\n" + `tell '{"event":"host","host":"web-2","ok":1,"failures":1}'; ended; tell '{"event":"stats"}'; exit 2`,
			drift.Failed, `1 of 2 hosts: web-2: task "Install nginx" (ansible/base.yml:3): no[31m such package`,
			map[desired.Path]string{"hosts.web-1": "", "hosts.web-2": `task "Install nginx" (ansible/base.yml:3): no[31m such package`},
		},
		{
			"both fail", `tell '{"event":"unreachable","host":"web-2","task":"ping","msg":"timed out"}'` + "\n" +
				`tell '{"event":"host","host":"web-1","failures":2}'; tell '{"event":"host","host":"web-2","unreachable":1}'; tell '{"event":"stats"}'; exit 4`,
			drift.Failed, `2 of 2 hosts: web-1: 2 tasks failed (all: web-1 web-2)`,
			map[desired.Path]string{"hosts.web-1": "2 tasks failed", "hosts.web-2": "can't be reached: timed out"},
		},
		{
			"a failure that is ignored", `tell '{"event":"failed","host":"web-1","task":"x","msg":"y","ignored":true}'` + "\n" + okay + "\n" + ok2 + "\nended; tell '{\"event\":\"stats\"}'",
			drift.Done, "",
			map[desired.Path]string{"hosts.web-1": "", "hosts.web-2": ""},
		},
		{
			"sums for one host only", okay + "\nended; tell '{\"event\":\"stats\"}'",
			drift.Failed, "1 of 2 hosts: web-2: no play in ansible/base.yml is for it: their own hosts: name neither it nor a group of it",
			map[desired.Path]string{"hosts.web-1": "", "hosts.web-2": "no play in ansible/base.yml is for it: their own hosts: name neither it nor a group of it"},
		},
		{
			"junk among the events", "tell 'not json'; tell '[1,2]'; tell '{}'; head -c 2000000 /dev/zero >> \"$BERTH_EVENTS\"; tell ''\n" +
				okay + "\n" + ok2 + "\nended; tell '{\"event\":\"stats\"}'",
			drift.Done, "",
			map[desired.Path]string{"hosts.web-1": "", "hosts.web-2": ""},
		},
		{
			"an error before anything", "echo 'a warning'; echo \"ERROR! the file $PWD/base.yml is odd\" >&2; exit 4",
			drift.Failed, "run ansible/base.yml: ansible-playbook ended with 4: ERROR! the file ansible/base.yml is odd", nil,
		},
		{
			"the callback is not loaded", "echo done",
			drift.Failed, "run ansible/base.yml: ansible-playbook ended without telling what it did: done", nil,
		},
		{
			"killed in the middle", okay + "\nkill -9 $$",
			drift.Failed, "run ansible/base.yml: ansible-playbook was killed (signal: killed): it said nothing", nil,
		},
		{
			"a bad end for no host", okay + "\n" + ok2 + "\nended; tell '{\"event\":\"stats\"}'; echo unexpected; exit 250",
			drift.Failed, "run ansible/base.yml: ansible-playbook ended with 250: unexpected", nil,
		},
		{
			"a host of the playbook's own making fails", okay + "\n" + ok2 + "\n" + `tell '{"event":"host","host":"made","failures":1}'; ended; tell '{"event":"stats"}'; exit 2`,
			drift.Failed, "2 of 2 hosts: web-1: on made, a host of the playbook's own making: 1 task failed (all: web-1 web-2)",
			map[desired.Path]string{
				"hosts.web-1": "on made, a host of the playbook's own making: 1 task failed",
				"hosts.web-2": "on made, a host of the playbook's own making: 1 task failed",
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t, fake(t, test.script))
			b.guest("web-1", nil)
			b.guest("web-2", nil)
			b.play("base", "[]", "web-1", "web-2")
			o := b.one(t.Context())
			if o.Status != test.status || o.Reason != test.reason {
				t.Errorf("%s: %q\nwant %s: %q", o.Status, o.Reason, test.status, test.reason)
			}
			if diff := cmp.Diff(test.results, o.Results); diff != "" {
				t.Errorf("results (-want +got):\n%s", diff)
			}
			var remembered []string
			for _, host := range []string{"web-1", "web-2"} {
				if text, told := test.results[desired.Path("hosts."+host)]; told && text == "" {
					remembered = append(remembered, "play/base "+host)
				}
			}
			if diff := cmp.Diff(remembered, b.memory.hosts()); diff != "" {
				t.Errorf("remembered (-want +got):\n%s", diff)
			}
			b.nothingLeft()
			if len(remembered) == 2 {
				if outcomes := b.turn(t.Context()); len(outcomes) != 0 {
					t.Errorf("the next turn does %+v", outcomes)
				}
			}
		})
	}
}

// What Ansible is started with.
func TestRunIsPrivateAndWhole(t *testing.T) {
	seen := t.TempDir()
	b := newBench(t, fake(t, `
umask 077
printf '%s\n' "$@" > `+seen+`/args
env > `+seen+`/env
d=${BERTH_EVENTS%/events}
cp -r "$d"/inventory.json "$d"/limit "$d"/vars.json "$d"/keys "$d"/src `+seen+`/
stat -c '%a %n' "$d" "$d"/keys/* "$d"/inventory.json "$d"/src/run.sh "$d"/src/base.yml | sed "s#$d#RUN#" > `+seen+`/modes
`+okay+`
ended; tell '{"event":"stats"}'`))
	t.Setenv("BERTH_TOKEN", "hush")
	t.Setenv("ANSIBLE_NOCOWS", "1")
	t.Setenv("ANSIBLE_CONFIG", "/etc/elsewhere")
	b.key, _ = newKey(t, "")
	b.fleet.Spec.SSH = desired.SSH{User: "root", Key: desired.SecretRef{Secret: "ssh-key"}}
	b.guest("web-1", func(g *desired.Guest) { g.SSH.Port = 2222 })
	b.guest("web-2", func(g *desired.Guest) { g.Vars = map[string]any{"ansible_user": "own"} })
	p := b.play("base", "- hosts: all\n", "web-1")
	p.Become, p.User, p.Vars = true, "deploy", map[string]any{"password": "hush"}
	b.files["ansible/run.sh"] = &fstest.MapFile{Data: []byte("#!/bin/sh\n"), Mode: 0o755}
	b.files["ansible/sub/link"] = &fstest.MapFile{Mode: os.ModeSymlink}
	b.files["other/secret"] = &fstest.MapFile{Data: []byte("not beside the playbook")}
	o := b.one(t.Context())
	if o.Status != drift.Done {
		t.Fatal(show(o))
	}
	if want := "ansible/sub/link is no plain file and is left out: put a copy in its place"; o.Lines[0] != want {
		t.Errorf("it says %q, want %q", o.Lines[0], want)
	}
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(seen, name))
		if err != nil {
			t.Error(err)
		}
		return string(text)
	}
	run, _, _ := strings.Cut(strings.TrimPrefix(read("args"), "-i\n"), "/inventory.json")
	want := "-i\nRUN/inventory.json\n--limit\n@RUN/limit\n-e\n@RUN/vars.json\n--become\nRUN/src/berth-run.yml\n"
	if diff := cmp.Diff(want, strings.ReplaceAll(read("args"), run, "RUN")); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff("700 RUN\n600 RUN/keys/0\n600 RUN/inventory.json\n755 RUN/src/run.sh\n644 RUN/src/base.yml\n", read("modes")); diff != "" {
		t.Errorf("modes (-want +got):\n%s", diff)
	}
	if read("limit") != "web-1\n" || read("vars.json") != `{"password":"hush"}` || read("keys/0") != string(b.key) || read("src/base.yml") != "- hosts: all\n" {
		t.Error("limit, variables, key or playbook are not as they should be")
	}
	if got, want := read("src/berth-run.yml"), `[{"import_playbook":"base.yml"},{"gather_facts":false,"hosts":"all","name":"`+lastPlay+`"}]`; got != want {
		t.Errorf("the playbook around theirs is %s, want %s", got, want)
	}
	env := read("env")
	for _, has := range []string{"ANSIBLE_NOCOWS=1\n", "ANSIBLE_CONFIG=" + run + "/ansible.cfg\n"} {
		if !strings.Contains(env, has) {
			t.Errorf("the environment lacks %s:\n%s", has, env)
		}
	}
	if strings.Contains(env, "hush") {
		t.Error("the agent's secrets are in the environment")
	}
	inventory := strings.NewReplacer(
		run, "RUN", b.State, "STATE",
		machine.Alias("vm/web-1", "instance of web-1"), "FIRST", machine.Alias("vm/web-2", "instance of web-2"), "SECOND",
	).Replace(read("inventory.json"))
	if diff := cmp.Diff(`{
  "all": {
    "hosts": {
      "web-1": {
        "ansible_host": "127.0.0.1",
        "ansible_port": 2222,
        "ansible_ssh_args": "-o BatchMode=yes -o UpdateHostKeys=no -o CheckHostIP=no -o ServerAliveInterval=20 -o ServerAliveCountMax=3 -o StrictHostKeyChecking=accept-new -o HashKnownHosts=no -o HostKeyAlias=FIRST -o UserKnownHostsFile=STATE/known_hosts -o GlobalKnownHostsFile=/dev/null -o IdentitiesOnly=yes -o IdentityAgent=none -o CONTROL",
        "ansible_ssh_private_key_file": "RUN/keys/0",
        "ansible_user": "deploy",
        "berth_id": "vm/web-1",
        "berth_name": "web-1",
        "berth_site": "home"
      },
      "web-2": {
        "ansible_host": "127.0.0.1",
        "ansible_ssh_args": "-o BatchMode=yes -o UpdateHostKeys=no -o CheckHostIP=no -o ServerAliveInterval=20 -o ServerAliveCountMax=3 -o StrictHostKeyChecking=accept-new -o HashKnownHosts=no -o HostKeyAlias=SECOND -o UserKnownHostsFile=STATE/known_hosts -o GlobalKnownHostsFile=/dev/null -o IdentitiesOnly=yes -o IdentityAgent=none -o CONTROL",
        "ansible_ssh_private_key_file": "RUN/keys/0",
        "ansible_user": "own",
        "berth_id": "vm/web-2",
        "berth_name": "web-2",
        "berth_site": "home"
      }
    },
    "children": {
      "site_home": {
        "hosts": {
          "web-1": {},
          "web-2": {}
        }
      },
      "vm": {
        "hosts": {
          "web-1": {},
          "web-2": {}
        }
      }
    }
  }
}
`, strings.NewReplacer("ControlMaster=no -o ControlPath=none", "CONTROL", "ControlMaster=auto -o ControlPersist=15s", "CONTROL").Replace(inventory)); diff != "" {
		t.Errorf("inventory (-want +got):\n%s", diff)
	}
	b.nothingLeft()
}

func TestWhatStandsInTheWay(t *testing.T) {
	locked, _ := newKey(t, "passphrase")
	for _, test := range []struct {
		name   string
		set    func(t *testing.T, b *bench, p *desired.Playbook)
		reason string
	}{
		{
			"no Ansible", func(_ *testing.T, b *bench, _ *desired.Playbook) { b.Bin = "ansible-playbook-of-nowhere" },
			"ansible-playbook-of-nowhere is not on the agent's host: install Ansible there (Debian: apt-get install ansible-core)",
		},
		{
			"no key", func(_ *testing.T, b *bench, _ *desired.Playbook) {
				b.fleet.Spec.SSH.Key = desired.SecretRef{Secret: "ssh-key"}
			},
			"1 of 1 host: web-1: read the SSH key, secret ssh-key: no such secret",
		},
		{
			"a key with a passphrase", func(_ *testing.T, b *bench, _ *desired.Playbook) {
				b.key, b.fleet.Spec.SSH.Key = locked, desired.SecretRef{Secret: "ssh-key"}
			},
			"1 of 1 host: web-1: read the SSH key, secret ssh-key: it has a passphrase of its own, which nobody is asked for: keep the key without one, in a Secret that age or SOPS encrypts",
		},
		{
			"a key that is none", func(_ *testing.T, b *bench, _ *desired.Playbook) {
				b.key, b.fleet.Spec.SSH.Key = []byte("hush"), desired.SecretRef{Secret: "ssh-key"}
			},
			"1 of 1 host: web-1: read the SSH key, secret ssh-key: it holds no private key that OpenSSH reads",
		},
		{
			"no address", func(_ *testing.T, b *bench, _ *desired.Playbook) {
				delete(b.lives[0].Facts, desired.FactAddress)
			},
			"1 of 1 host: web-1: its address is not known",
		},
		{
			"memory that can't be written", func(_ *testing.T, b *bench, _ *desired.Playbook) { b.memory.err = syscall.ENOSPC },
			"1 of 1 host: web-1: no space left on device",
		},
		{
			"a run that can't be noted before", func(_ *testing.T, b *bench, _ *desired.Playbook) { b.memory.full = syscall.ENOSPC },
			"no space left on device",
		},
		{
			"too many files", func(_ *testing.T, b *bench, _ *desired.Playbook) {
				b.files["ansible/big"] = &fstest.MapFile{Data: make([]byte, 64<<20+1)}
			},
			"unpack ansible: more than 64 MiB or 20000 files beside the playbook: give it a directory of its own",
		},
		{
			"a file that can't be imported", func(_ *testing.T, _ *bench, p *desired.Playbook) { p.File = "ansible/{{ x }}.yml" },
			"run ansible/{{ x }}.yml: Ansible can't import a file of this name: use letters, digits and ._+@=,- alone",
		},
		{
			"too slow", func(t *testing.T, b *bench, p *desired.Playbook) {
				b.Bin, p.Timeout = fake(t, "sleep 20"), desired.Duration(100*time.Millisecond)
			},
			"run ansible/base.yml: it took longer than 100ms and was stopped: raise its timeout, or find what it waits for",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t, fake(t, okay+"\nended; tell '{\"event\":\"stats\"}'"))
			b.guest("web-1", nil)
			test.set(t, b, b.play("base", "[]", "web-1"))
			b.remake()
			o := b.one(t.Context())
			if o.Status != drift.Failed || o.Reason != test.reason {
				t.Errorf("%s: %q\nwant failed: %q", o.Status, o.Reason, test.reason)
			}
			if left := b.memory.hosts(); left != nil {
				t.Errorf("remembered are %q", left)
			}
			b.nothingLeft()
		})
	}
}

// A step that is made again makes what is missing, and nothing twice.
func TestApplyTwice(t *testing.T) {
	ran := filepath.Join(t.TempDir(), "ran")
	b := newBench(t, fake(t, "cat ${BERTH_EVENTS%/events}/limit >> "+ran+"\n"+okay+"\n"+strings.Replace(okay, "web-1", "web-2", 1)+"\nended; tell '{\"event\":\"stats\"}'"))
	b.guest("web-1", nil)
	b.guest("web-2", nil)
	b.play("base", "[]", "web-1", "web-2")
	plan, world := b.plan(t.Context())
	job := applyers.Job{Change: plan.Changes[0], Fleet: b.fleet, Want: b.fleet.Resource("play/base"), Fact: world.Fact}
	for range 2 {
		p := &told{fields: make(map[desired.Path]error)}
		if err := b.Apply(t.Context(), job, p); err != nil || len(p.fields) != 2 {
			t.Fatalf("%v, told of %d fields", err, len(p.fields))
		}
		delete(b.memory.runs, "play/base web-2")
	}
	if text, err := os.ReadFile(ran); err != nil || strings.Join(strings.Fields(string(text)), ",") != "web-1,web-2,web-2" {
		t.Errorf("it ran for %q, %v", text, err)
	}
}

type told struct {
	applyers.Progress
	fields map[desired.Path]error
}

func (p *told) Say(string)                         {}
func (p *told) Warn(string)                        {}
func (p *told) Field(path desired.Path, err error) { p.fields[path] = err }

// Where the fleet chooses another connection than SSH, nothing of SSH is needed.
func TestOtherConnection(t *testing.T) {
	b := newBench(t, fake(t, okay+"\nended; tell '{\"event\":\"stats\"}'"))
	b.fleet.Spec.SSH.Key = desired.SecretRef{Secret: "ssh-key"}
	b.guest("web-1", func(g *desired.Guest) { g.Vars = map[string]any{"ansible_connection": "local"} })
	delete(b.lives[0].Facts, desired.FactAddress)
	b.play("base", "[]", "web-1")
	if o := b.one(t.Context()); o.Status != drift.Done {
		t.Error(show(o))
	}
}

// A guest that is made in the same turn is known only then.
func TestGuestMadeInTheSameTurn(t *testing.T) {
	b := newBench(t, fake(t, okay+"\nended; tell '{\"event\":\"stats\"}'"))
	b.guest("web-1", nil)
	b.play("base", "[]", "web-1")
	b.lives = nil
	guests := &maker{}
	seen, err := b.Observe(t.Context(), b.fleet, applyers.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	plan, err := drift.Make(drift.Input{
		Fleet: b.fleet, Observed: seen, Steps: applyers.StepsByKind(applyers.ByKind(b.Applyer, guests)),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := drift.Value{Text: "files of bas", From: "vm/web-1 instance"}
	if len(plan.Changes) != 2 || plan.Changes[1].Fields[0].After != want {
		t.Fatalf("planned is %+v", plan.Changes)
	}
	outcomes, err := applyers.Execute(t.Context(), applyers.Execution{
		Plan: plan, World: drift.NewWorld(b.fleet, seen.Lives), Appliers: applyers.ByKind(b.Applyer, guests),
	})
	if err != nil || outcomes[1].Status != drift.Done {
		t.Fatalf("%+v, %v", outcomes, err)
	}
	leaf, _ := desired.Run{Digest: "files of base", Guest: "vm/web-1"}.Resolve(func(desired.ID, string) (string, bool) { return "new", true })
	if have := b.memory.runs["play/base web-1"]; have != leaf.(desired.Run).Digest {
		t.Errorf("remembered is %s, want %s", have, leaf.(desired.Run).Digest)
	}
}

// maker makes guests.
type maker struct{}

func (*maker) Kinds() []string { return []string{desired.KindVM} }

func (*maker) Observe(context.Context, *desired.Fleet, applyers.Scope) (drift.Observed, error) {
	return drift.Observed{}, nil
}

func (*maker) Steps(_ *drift.World, want *desired.Resource, _ *drift.Live, _ []drift.Field) []drift.Change {
	return []drift.Change{{Key: drift.Key{ID: want.ID, Step: drift.Ready}}}
}

func (*maker) Apply(_ context.Context, job applyers.Job, p applyers.Progress) error {
	p.Made(job.ID, desired.FactInstance, "new")
	p.Made(job.ID, desired.FactAddress, "127.0.0.1")
	return nil
}

func TestNewRefusesWhatSSHCannotQuote(t *testing.T) {
	o := newBench(t, "").Options
	o.State = "/var/lib/with blank"
	_, err := New(o)
	if want := `make the ansible applyer: ssh can't be given the directory "/var/lib/with blank": use letters, digits and /._+@=,- alone`; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if _, err := New(Options{}); err == nil {
		t.Error("an applyer without a memory was made")
	}
}
