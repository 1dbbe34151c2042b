package runner

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

	"berth/desired"
)

// errs are the hosts' errors.
func errs(done *Result) map[string]string {
	all := make(map[string]string)
	for name, host := range done.Hosts {
		all[name] = ""
		if host.Err != nil {
			all[name] = host.Err.Error()
		}
	}
	return all
}

const okOne = `tell '{"event":"host","host":"web-1","ok":2}'`

func TestHowHostsFare(t *testing.T) {
	for _, test := range []struct {
		name, script string
		want         map[string]string
	}{
		{"well", "well", map[string]string{"web-1": "", "web-2": ""}},
		{
			"a task fails", `tell '{"event":"failed","host":"web-2","task":"Install","path":"'$PWD'/base.yml:3","msg":"no\u001b[31m such\npackage"}'
			` + okOne + `; tell '{"event":"host","host":"web-2","failures":1}'; ended; tell '{"event":"stats"}'; exit 2`,
			map[string]string{"web-1": "", "web-2": `task "Install" (ansible/base.yml:3): no[31m such package`},
		},
		{
			"a rescued failure, and one that is not", `tell '{"event":"failed","host":"web-1","task":"a","rescuable":true}'; tell '{"event":"failed","host":"web-1","task":"b","path":"p","msg":"c"}'; tell '{"event":"failed","host":"web-1","task":"d","rescuable":true}'
			tell '{"event":"host","host":"web-1","failures":1,"rescued":2}'; tell '{"event":"host","host":"web-2","ok":1}'; ended; tell '{"event":"stats"}'; exit 2`,
			map[string]string{"web-1": `task "b" (p): c`, "web-2": ""},
		},
		{
			"unreachable, ignored", `tell '{"event":"unreachable","host":"web-1","task":"a","ignored":true}'
			tell '{"event":"host","host":"web-1","ok":1,"ignored":1}'; tell '{"event":"host","host":"web-2","unreachable":1}'; ended; tell '{"event":"stats"}'; exit 4`,
			map[string]string{"web-1": "", "web-2": "can't be reached: "},
		},
		{
			"no Python", `tell '{"event":"failed","host":"web-1","task":"a","path":"p","msg":"The module failed to execute correctly, you probably need to set the interpreter.: no"}'
			tell '{"event":"host","host":"web-1","failures":1}'; tell '{"event":"host","host":"web-2","ok":1}'; ended; tell '{"event":"stats"}'; exit 2`,
			map[string]string{"web-1": `task "a" (p): The module failed to execute correctly, you probably need to set the interpreter.: no (is Python on the host? Install python3 there, or say where it is by the variable ansible_python_interpreter)`, "web-2": ""},
		},
		{
			"broken off", `tell '{"event":"host","host":"web-1","failures":2}'; tell '{"event":"host","host":"web-2","ok":1}'; tell '{"event":"stats"}'; exit 2`,
			map[string]string{"web-1": "2 tasks failed", "web-2": "the playbook was broken off, since others had failed: web-1"},
		},
		{
			"not for the host", okOne + `; tell '{"event":"host","host":"made","ok":1}'; ended; tell '{"event":"stats"}'`,
			map[string]string{"web-1": "", "web-2": "no play in ansible/base.yml is for it: their own hosts: name neither it nor a group of it", "made": ""},
		},
		{
			"junk among the events", `tell 'no'; tell '[1]'; tell '{}'; tell '{"event":"ok","host":7}'; tell '{"event":"odd"}'; head -c 2000000 /dev/zero >> "$BERTH_EVENTS"; tell ''; printf '\377\376\000{"event":"ok"}\n' >> "$BERTH_EVENTS"; well`,
			map[string]string{"web-1": "", "web-2": ""},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t, fake(t, test.script))
			if diff := cmp.Diff(test.want, errs(b.good())); diff != "" {
				t.Errorf("errors (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatConcernsAll(t *testing.T) {
	for _, test := range []struct {
		name, script string
		set          func(b *bench)
		want         string
	}{
		{"an error before anything", "echo 'a warning'; echo \"ERROR! the file $PWD/base.yml is odd\" >&2; exit 4", nil, "run ansible/base.yml: ansible-playbook ended with 4: ERROR! the file ansible/base.yml is odd"},
		{
			"an error, and then 10 MB", "echo 'ERROR! so it is'; echo 'line 3'; yes 'a very long line of nothing at all' | head -c 10000000; exit 4", nil,
			"run ansible/base.yml: ansible-playbook ended with 4: ERROR! so it is line 3 a very long line of nothing at all a very long line of nothing at all a very long line of nothing at all a very long line of nothing at all",
		},
		{"a line of 10 MB", "head -c 10000000 /dev/zero | tr '\\0' x; echo; echo short; exit 3", nil, "run ansible/base.yml: ansible-playbook ended with 3: " + strings.Repeat("x", lineLimit) + "… short"},
		{"the callback is not loaded", "echo done", nil, "run ansible/base.yml: ansible-playbook ended without telling what it did: done"},
		{"the callback dies", okOne + "; echo '[WARNING]: Failure using method'", nil, "run ansible/base.yml: ansible-playbook ended without telling what it did: [WARNING]: Failure using method"},
		{"killed in the middle", okOne + "\nkill -9 $$", nil, "run ansible/base.yml: ansible-playbook was killed (signal: killed): it said nothing"},
		{"a bad end for no host", "well; echo unexpected; exit 250", nil, "run ansible/base.yml: ansible-playbook ended with 250: unexpected"},
		{"not installed", "", func(b *bench) { b.Bin = "ansible-playbook-of-nowhere" }, "ansible-playbook-of-nowhere is not on the agent's host: install Ansible there (Debian: apt-get install ansible-core)"},
		{"too many files", "well", func(b *bench) { b.file("big", string(make([]byte, maxBytes+1))) }, "unpack ansible: more than 64 MiB or 20000 files beside the playbook: give it a directory of its own"},
		{"a name that is a template", "well", func(b *bench) { b.File = "ansible/{{ x }}.yml" }, "run ansible/{{ x }}.yml: Ansible can't import a file of this name: use letters, digits and ._+@=,- alone"},
		{"a secret that is no text", "well", func(b *bench) { b.Vars = map[string]any{"a": []any{secret("\xff\xfe\x00")}} }, "write the variables of ansible/base.yml: variable a: a secret is no UTF-8 text, which variables are: encode it, with base64 for one"},
		{"a secret that nobody read", "well", func(b *bench) { b.Vars = map[string]any{"a": desired.SecretRef{Secret: "apps"}} }, "write the variables of ansible/base.yml: variable a: the secret apps was not read"},
		{"an empty vault password", "well", func(b *bench) { b.Vaults = map[string]desired.Secret{"lab": {}} }, "run ansible/base.yml: the password of vault lab is empty"},
		{
			"a task that hangs", `tell '{"event":"start","host":"web-1","task":"Fine","path":"x:1"}'; tell '{"event":"ok","host":"web-1"}'; tell '{"event":"start","host":"web-2","task":"Wait for ever","path":"'$PWD'/base.yml:7"}'; sleep 20`,
			func(b *bench) { b.Timeout = 300 * time.Millisecond },
			`run ansible/base.yml: it took longer than 300ms and was stopped (web-2 was at task "Wait for ever" (ansible/base.yml:7)): raise its timeout, or find what it waits for`,
		},
		{"a secret in what it says", "cat $RUN/vars.json; exit 1", func(b *bench) { b.Vars = map[string]any{"a": secret("hush-hush")} }, `run ansible/base.yml: ansible-playbook ended with 1: {"a":{"__ansible_unsafe":"(secret)"}}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t, fake(t, test.script))
			if test.set != nil {
				test.set(b)
			}
			if got := b.bad(); got != test.want {
				t.Errorf("it says %q\nwant %q", got, test.want)
			}
		})
	}
}

func TestDiskIsFull(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to mount a small file system")
	}
	b := newBench(t, fake(t, "well"))
	if err := syscall.Mount("tmpfs", b.Options.Dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skip("a file system can't be mounted here: ", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(b.Options.Dir, 0) })
	b.file("large.bin", strings.Repeat("x", 100<<10))
	got := b.bad()
	if want := "unpack ansible: write " + b.Options.Dir; !strings.HasPrefix(got, want) || !strings.HasSuffix(got, "no space left on device") {
		t.Errorf("it says %q, want %q…", got, want)
	}
}

// TestBatches runs for some hosts at a time.
func TestBatches(t *testing.T) {
	const well = "echo $(cat $RUN/limit) >> LOG\n"
	fails := func(host string) string {
		return well + `for h in $(cat $RUN/limit); do n=0; [ $h = ` + host + ` ] && n=1; tell '{"event":"host","host":"'$h'","failures":'$n'}'; done; ended; tell '{"event":"stats"}'`
	}
	for _, test := range []struct {
		name, script string
		serial       int
		maxFail      *int
		ran          string
		want         map[string]string
	}{
		{"all at once", well + "well", 0, nil, "a b c d e", map[string]string{"a": "", "b": "", "c": "", "d": "", "e": ""}},
		{"two at a time", well + "well", 2, new(0), "a b|c d|e", map[string]string{"a": "", "b": "", "c": "", "d": "", "e": ""}},
		{"one fails", fails("c"), 2, new(0), "a b|c d", map[string]string{
			"a": "", "b": "", "c": "1 task failed", "d": "", "e": "not begun, since more hosts have failed than maxFail allows: c",
		}},
		{"one may fail", fails("c"), 2, new(1), "a b|c d|e", map[string]string{"a": "", "b": "", "c": "1 task failed", "d": "", "e": ""}},
		{"all may fail", fails("a"), 1, nil, "a|b|c|d|e", map[string]string{"a": "1 task failed", "b": "", "c": "", "d": "", "e": ""}},
		{"killed", well + "grep -q c $RUN/limit && kill -9 $$; well", 2, nil, "a b|c d", map[string]string{
			"a": "", "b": "", "c": "run ansible/base.yml: ansible-playbook was killed (signal: killed): it said nothing",
			"d": "run ansible/base.yml: ansible-playbook was killed (signal: killed): it said nothing",
			"e": "not begun, since the playbook had failed for others: run ansible/base.yml: ansible-playbook was killed (signal: killed): it said nothing",
		}},
		{"too slow", well + "grep -q c $RUN/limit && sleep 20; well", 2, nil, "a b|c d", map[string]string{
			"a": "", "b": "", "c": "run ansible/base.yml: it took longer than 1s and was stopped: raise its timeout, or find what it waits for",
			"d": "run ansible/base.yml: it took longer than 1s and was stopped: raise its timeout, or find what it waits for",
			"e": "not begun, since the playbook had failed for others: run ansible/base.yml: it took longer than 1s and was stopped: raise its timeout, or find what it waits for",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			log := filepath.Join(t.TempDir(), "log")
			b := newBench(t, fake(t, strings.ReplaceAll(test.script, "LOG", log)))
			b.Limit, b.Serial, b.MaxFail, b.Timeout = strings.Fields("a b c d e"), test.serial, test.maxFail, time.Second
			done := b.good()
			if diff := cmp.Diff(test.want, errs(done)); diff != "" {
				t.Errorf("errors (-want +got):\n%s", diff)
			}
			text, _ := os.ReadFile(log)
			if got := strings.ReplaceAll(strings.TrimSpace(string(text)), "\n", "|"); got != test.ran {
				t.Errorf("it ran for %s, want %s", got, test.ran)
			}
		})
	}
}

// What earlier batches did is known when the caller wants an end.
func TestStoppedInABatch(t *testing.T) {
	begun := filepath.Join(t.TempDir(), "begun")
	b := newBench(t, fake(t, "grep -q web-2 $RUN/limit && { echo > "+begun+"; sleep 20; }; well"))
	b.Serial = 1
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		for ctx.Err() == nil {
			if _, err := os.Stat(begun); err == nil {
				cancel()
			}
			<-time.After(5 * time.Millisecond)
		}
	}()
	stopping := time.Now()
	done, err := b.Run(ctx, b.Spec)
	if err == nil || ctx.Err() == nil || time.Since(stopping) > 5*time.Second {
		t.Fatalf("it ends with %v after %s", err, time.Since(stopping))
	}
	if diff := cmp.Diff(map[string]string{"web-1": ""}, errs(done)); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}
	b.nothingLeft()
}

// TestHowItIsStarted holds what is on the command line, in the environment and in
// the files, and that no secret is anywhere but in these.
func TestHowItIsStarted(t *testing.T) {
	seen := t.TempDir()
	b := newBench(t, fake(t, `
umask 077
printf '%s\n' "$@" | sed "s#$RUN#RUN#g" > `+seen+`/args
env | sed "s#$RUN#RUN#g" > `+seen+`/env
cp -r $RUN/vars $RUN/vars.json $RUN/vaults $RUN/keys $RUN/inventory.json `+seen+`/
find $RUN -type f | sort | xargs stat -c '%a %n' | grep -v /src/ | sed "s#$RUN#RUN#g" > `+seen+`/modes
well`))
	t.Setenv("BERTH_SECRET_X", "hush-env")
	t.Setenv("ANSIBLE_BECOME_PASSWORD", "hush-env")
	t.Setenv("ANSIBLE_GALAXY_SERVER_X_TOKEN", "hush-env")
	t.Setenv("ANSIBLE_NOCOWS", "1")
	b.Vars = map[string]any{"plain": "{{ x }}", "deep": map[string]any{"list": []any{1, secret(`hush-"var" {{ y }}`)}}}
	b.VarsFiles = []VarsFile{{Name: "vars/a.yml", Text: []byte("a: 1\n")}, {Name: "vars/b.yml", Text: []byte("b: 1\n")}}
	b.Vaults = map[string]desired.Secret{"lab": secret("hush-vault"), "prod": secret("hush-other")}
	b.Keys = map[string]desired.Secret{"ssh": secret("hush-key\r\n\n")}
	b.Inventory = func(p Place) ([]byte, error) { return []byte(p.Keys["ssh"] + strings.Join(p.Share, " ")), nil }
	b.Tags, b.SkipTags, b.Forks, b.Become, b.Check = []string{"a", "b"}, []string{"c"}, 7, true, true
	b.files["ansible/ansible.cfg"] = &fstest.MapFile{Data: []byte("[defaults]\ncallback_plugins = ./mine:/abs ; theirs\nroles_path=x\n")}
	done := b.good()
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(seen, name))
		if err != nil {
			t.Error(err)
		}
		return string(text)
	}
	want := "-i RUN/inventory.json --limit @RUN/limit --vault-id lab@RUN/vaults/0 --vault-id prod@RUN/vaults/1 -e @RUN/vars/0.yml -e @RUN/vars/1.yml -e @RUN/vars.json" +
		" --tags a,b --skip-tags c --forks 7 --become --check --diff RUN/src/berth-run.yml"
	if diff := cmp.Diff(want, strings.Join(strings.Fields(read("args")), " ")); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
	env := read("env")
	for _, has := range []string{
		"ANSIBLE_NOCOWS=1\n", "ANSIBLE_CONFIG=RUN/src/ansible.cfg\n", "ANSIBLE_LOG_PATH=/dev/null\n",
		"ANSIBLE_CALLBACK_PLUGINS=RUN/callback:RUN/src/mine:/abs\n",
	} {
		if !strings.Contains(env, has) {
			t.Errorf("the environment lacks %s:\n%s", has, env)
		}
	}
	if strings.Contains(env+read("args"), "hush") || strings.Contains(env, "ROLES_PATH") {
		t.Errorf("the environment has too much:\n%s", env)
	}
	for name, want := range map[string]string{
		"vars.json": `{"deep":{"list":[1,{"__ansible_unsafe":"hush-\"var\" {{ y }}"}]},"plain":"{{ x }}"}`,
		"vaults/0":  "hush-vault", "vaults/1": "hush-other", "keys/0": "hush-key\n", "vars/1.yml": "b: 1\n",
	} {
		if read(name) != want {
			t.Errorf("%s is %q, want %q", name, read(name), want)
		}
	}
	for line := range strings.Lines(read("modes")) {
		if !strings.HasPrefix(line, "600 ") {
			t.Errorf("others may read %s", line)
		}
	}
	b.silent(done, nil, "hush")
}

// Secrets are masked in all that leaves, whatever the form and the place.
func TestNothingTellsASecret(t *testing.T) {
	const value = `hush "it's" <mine>`
	b := newBench(t, fake(t, `
echo 'plain hush "it'\''s" <mine> and'
printf 'hush "it'; sleep 0.05; echo "'s\" <mine> in two"
echo '{"json": "hush \"it'\''s\" \u003cmine\u003e"}'
cat $RUN/keys/0 | base64
tell '{"event":"play","name":"play of hush \"it'\''s\" <mine>"}'
tell '{"event":"changed","host":"web-1","task":"with hush \"it'\''s\" <mine>","path":"x","diff":"- a\n+ pass: hush \"it'\''s\" <mine>\n","items":[{"item":"hush \"it'\''s\" <mine>","status":"ok"}]}'
tell '{"event":"failed","host":"web-2","task":"t","path":"x","msg":"{'\''p'\'': '\''hush \"it\\'\''s\" <mine>'\''} and cut hush \"it'\''s\"","msgcut":true}'
tell '{"event":"host","host":"web-1","ok":1}'; tell '{"event":"host","host":"web-2","failures":1}'; ended; tell '{"event":"stats"}'; exit 2`))
	b.Secrets = []desired.Secret{secret(value)}
	b.Keys = map[string]desired.Secret{"k": secret("-----BEGIN KEY-----\n" + strings.Repeat("Zm9vYmFy", 8) + "\n-----END KEY-----")}
	done := b.good()
	b.silent(done, nil, "mine", "it's", "hush", "bTl2WW1G", "Wm05dlltR")
	for _, has := range []string{"plain (secret) and\n(secret) in two\n{\"json\": \"(secret)\"}\n"} {
		if !strings.Contains(b.out.String(), has) {
			t.Errorf("the output is %s", b.out.String())
		}
	}
	change := done.Hosts["web-1"].Tasks[0]
	if change.Diff != "- a\n+ pass: (secret)" || change.Name != "with (secret)" || change.Items[0].Label != "(secret)" {
		t.Errorf("the change is %+v", change)
	}
	if got := done.Hosts["web-2"].Err.Msg; got != "{'p': '(secret)'} and cut (secret)" {
		t.Errorf("the failure is %q", got)
	}
}

// A writer that fails takes nothing from the run.
func TestOutputThatIsNotTaken(t *testing.T) {
	b := newBench(t, fake(t, "yes noise | head -c 1000000; well"))
	b.Output = broken{}
	b.good()
	if !strings.Contains(b.log.String(), "ansible's output is not kept") {
		t.Errorf("the log is %s", b.log.String())
	}
	b.Output = nil
	b.good()
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// 10 MB of output, and of events, are read as they come and kept within bounds.
func TestMuchOfEverything(t *testing.T) {
	b := newBench(t, fake(t, `
yes 'TASK [a rather long line of output that says nothing at all] ***' | head -c 10000000
d=$(head -c 60000 /dev/zero | tr '\0' x)
for i in $(seq 200); do
	tell '{"event":"changed","host":"web-1","task":"t","diff":"'$d'"}'
	tell '{"event":"ok","host":"web-1","task":"quiet"}'
done
well`))
	done := b.good()
	if b.out.Len() < 10000000-100 {
		t.Errorf("the output has %d bytes", b.out.Len())
	}
	host := done.Hosts["web-1"]
	if len(host.Tasks) != 400 || len(host.Tasks[0].Diff) > diffLimit+100 || host.More != 0 {
		t.Errorf("%d tasks and %d more, with differences of %d bytes", len(host.Tasks), host.More, len(host.Tasks[0].Diff))
	}
	if len(b.said) > maxSaid {
		t.Errorf("%d lines are said", len(b.said))
	}
}
