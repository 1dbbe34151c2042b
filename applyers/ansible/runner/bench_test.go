package runner

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"berth/desired"
)

// bench is a runner, and a run of base.yml for web-1 and web-2 on this host itself.
type bench struct {
	*Runner
	Spec
	t     testing.TB
	files fstest.MapFS
	hosts map[string]any
	said  []string
	out   bytes.Buffer
	log   bytes.Buffer
}

func newBench(t testing.TB, bin string) *bench {
	t.Helper()
	b := &bench{t: t, files: make(fstest.MapFS), hosts: make(map[string]any)}
	var err error
	b.Runner, err = New(Options{Dir: t.TempDir(), Cache: filepath.Join(t.TempDir(), "galaxy"), Bin: bin, Log: slog.New(slog.NewTextHandler(&b.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	b.Spec = Spec{
		Files: b.files, Dir: "ansible", File: "ansible/base.yml", Limit: []string{"web-1", "web-2"},
		Say: func(line string) { b.said = append(b.said, line) }, Output: &b.out,
		Inventory: func(Place) ([]byte, error) {
			return json.Marshal(map[string]any{"all": map[string]any{"hosts": b.hosts}})
		},
	}
	for _, host := range b.Limit {
		b.host(host, nil)
	}
	b.file("base.yml", "[]")
	return b
}

// host adds a host that is this one.
func (b *bench) host(name string, vars map[string]any) {
	all := map[string]any{"ansible_connection": "local", "ansible_python_interpreter": "/usr/bin/python3"}
	maps.Copy(all, vars)
	b.hosts[name] = all
}

func (b *bench) file(name, text string) {
	b.files["ansible/"+name] = &fstest.MapFile{Data: []byte(text)}
}

// run runs it, and holds that nothing is left behind.
func (b *bench) run() (*Result, error) {
	b.t.Helper()
	done, err := b.Run(b.t.Context(), b.Spec)
	b.nothingLeft()
	return done, err
}

// good is the result of a run that has one.
func (b *bench) good() *Result {
	b.t.Helper()
	done, err := b.run()
	if err != nil {
		b.t.Fatalf("%v\n%s\n%s", err, strings.Join(b.said, "\n"), b.out.String())
	}
	return done
}

// bad is the text of the error that concerns all hosts.
func (b *bench) bad() string {
	b.t.Helper()
	done, err := b.run()
	if err == nil {
		b.t.Fatalf("it went well: %s\n%s", show(done), b.out.String())
	}
	return err.Error()
}

func (b *bench) nothingLeft() {
	b.t.Helper()
	if left, _ := filepath.Glob(filepath.Join(b.Options.Dir, "*")); len(left) > 0 {
		b.t.Errorf("a run left %q", left)
	}
	for _, name := range []string{"cmdline", "environ"} {
		files, _ := filepath.Glob("/proc/[0-9]*/" + name)
		for _, file := range files {
			if text, _ := os.ReadFile(file); bytes.Contains(text, []byte(b.Options.Dir+"/")) && !bytes.Contains(text, []byte(".test")) {
				b.t.Errorf("still running is %s: %q", file, text)
			}
		}
	}
}

// silent holds that no secret is in anything that leaves the package.
func (b *bench) silent(done *Result, err error, secrets ...string) {
	b.t.Helper()
	told := b.out.String() + b.told(done, err)
	for _, secret := range secrets {
		if strings.Contains(told, secret) {
			b.t.Errorf("%q is told:\n%s", secret, told)
		}
	}
}

// told is what is said of a run, but for Ansible's own output.
func (b *bench) told(done *Result, err error) string {
	return strings.Join(b.said, "\n") + b.log.String() + show(done) + fmt.Sprint(err)
}

func show(v any) string {
	text, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// fake writes a shell script to be run in a program's place.
func fake(t testing.TB, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ansible-playbook")
	text := "#!/bin/sh\nRUN=${BERTH_EVENTS%/events}\ntell() { printf '%s\\n' \"$1\" >> \"$BERTH_EVENTS\"; }\n" +
		"ended() { tell '{\"event\":\"play\",\"name\":\"" + lastPlay + "\"}'; }\n" +
		"well() { for h in $(cat $RUN/limit); do tell '{\"event\":\"host\",\"host\":\"'$h'\",\"ok\":1}'; done; ended; tell '{\"event\":\"stats\"}'; }\n" + script + "\n"
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// real is a bench with Ansible itself.
func real(t *testing.T) *bench {
	t.Helper()
	if os.Getenv("BERTH_REAL") != "1" {
		t.Skip("needs ansible-playbook: set BERTH_REAL=1")
	}
	bin, err := exec.LookPath("ansible-playbook")
	if err != nil {
		t.Fatal("BERTH_REAL=1 and ansible-playbook is missing")
	}
	b := newBench(t, bin)
	// Ansible breaks the lines of its warnings in the middle of long paths.
	b.Options.Dir = fmt.Sprintf("/dev/shm/t%d", time.Now().UnixNano()%1_000_000)
	if err := os.Mkdir(b.Options.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(b.Options.Dir) })
	b.Timeout = time.Minute
	return b
}

// task is a task of web-1 by its name.
func task(t testing.TB, done *Result, name string) Task {
	t.Helper()
	for _, task := range done.Hosts["web-1"].Tasks {
		if task.Name == name {
			return task
		}
	}
	t.Errorf("it has no task %q:\n%s", name, show(done))
	return Task{}
}

func secret(value string) desired.Secret { return desired.MakeSecret([]byte(value)) }
