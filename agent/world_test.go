package main

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/testscript"

	"berth/agent/internal/gitserve"
	"berth/applyers/proxmox/pvesim"
	"berth/applyers/proxmox/pvesim/schemacheck"
)

// testWorld is what a script's agent works on: a simulated cluster and a
// repository, both served by the test.
type testWorld struct {
	t       *testing.T // of all scripts: it ends after the last
	dir     string
	sim     *simulator
	git     *gitserve.Server
	gitURL  string
	written int
	held    map[string]string // files of the last push
}

type worldKey struct{}

func newTestWorld(t *testing.T, env *testscript.Env) error {
	t.Helper()
	env.Values[worldKey{}] = &testWorld{t: t, dir: env.WorkDir, held: make(map[string]string)}
	return nil
}

// testWorldCommands are the verbs of the scripts:
//
//	cluster            start a simulated cluster; its token goes to the file token,
//	                   $ENDPOINT, $FINGERPRINT and $DEBIAN, the checksum of the image
//	                   that it downloads, to the environment
//	push DIR MESSAGE   make the repository hold what DIR holds, variables expanded;
//	                   the first push starts it and writes agent.yaml
//	propose REF DIR MESSAGE    the same, under a reference of its own beside main
//	edit USER VMID KEY=VALUE   change a guest behind the agent's back
//	newguest VMID NAME KEY=VALUE…   put a virtual machine there that is nobody's
//	appears FILE       wait until a file is there
//	guest VMID KEY=VALUE…      check a guest's configuration; "gone" alone: it is not there
//	until VMID KEY=VALUE…      wait until it is so
//	modes MODE FILE…   check the permissions of files
//	encrypt PUBLIC IN OUT      encrypt a file by age
//	answers REGEXP COMMAND…    run a command until it prints that
//	expand FILE…       put variables into files
//	receiver FILE      write what is posted to $RECEIVER into a file
//	hook STATUS METHOD PATH [BODY]   call a hook; its body goes to the file answer
//	webhook STATUS FILE [SECRET]     send a push as GitHub does; likewise
//	signal NAME        send HUP, USR1 or TERM to the running agent
//	sign NAME          sign the newest commit; the key's line of allowed signers goes to the file NAME
//	manager FILE       be systemd, and write what it is told into a file
//	told FILE REGEXP   wait until a file has a line like that
//	asked socket|door STATUS PATH TOKEN|- [REGEXP]   ask the running agent until it answers so
//	writes N           check how many writes the cluster has seen since the last look
func testWorldCommands() map[string]func(ts *testscript.TestScript, neg bool, args []string) {
	type verb func(w *testWorld, ts *testscript.TestScript, args []string) error
	wrap := func(f verb) func(*testscript.TestScript, bool, []string) {
		return func(ts *testscript.TestScript, neg bool, args []string) {
			if neg {
				ts.Fatalf("this verb can't be negated")
			}
			ts.Check(f(ts.Value(worldKey{}).(*testWorld), ts, args))
		}
	}
	return map[string]func(*testscript.TestScript, bool, []string){
		"cluster":  wrap((*testWorld).cluster),
		"push":     wrap((*testWorld).push),
		"propose":  wrap((*testWorld).propose),
		"edit":     wrap((*testWorld).edit),
		"newguest": wrap((*testWorld).newGuest),
		"appears":  wrap((*testWorld).appears),
		"guest":    wrap((*testWorld).guest),
		"until":    wrap((*testWorld).until),
		"seal":     wrap((*testWorld).seal),
		"writes":   wrap((*testWorld).writes),
		"modes":    wrap((*testWorld).modes),
		"encrypt":  wrap((*testWorld).encrypt),
		"answers":  wrap((*testWorld).answers),
		"expand":   wrap((*testWorld).expand),
		"receiver": wrap((*testWorld).receiver),
		"hook":     wrap((*testWorld).hook),
		"webhook":  wrap((*testWorld).webhook),
		"sign":     wrap((*testWorld).sign),
		"tag":      wrap((*testWorld).tag),
		"signal":   wrap((*testWorld).signal),
		"manager":  wrap((*testWorld).manager),
		"told":     wrap((*testWorld).told),
		"asked":    wrap((*testWorld).asked),
	}
}

func (w *testWorld) cluster(ts *testscript.TestScript, _ []string) error {
	var err error
	ctx, cancel := context.WithCancel(context.Background())
	ts.Defer(cancel)
	if w.sim, err = startSimulator(ctx, "127.0.0.1:0", pvesim.Options{Now: time.Now}); err != nil {
		return err
	}
	ts.Defer(func() { _ = w.sim.close() })
	schemacheck.Watch(w.t, w.sim.cluster)
	ts.Setenv("ENDPOINT", w.sim.endpoint)
	ts.Setenv("FINGERPRINT", w.sim.fingerprint)
	ts.Setenv("DEBIAN", pvesim.Sum("https://example.com/debian-12.tar.zst", "sha256"))
	return os.WriteFile(filepath.Join(w.dir, "token"), []byte(w.sim.token), 0o600)
}

func (w *testWorld) push(ts *testscript.TestScript, args []string) error {
	if w.git == nil {
		if err := w.serveGit(ts); err != nil {
			return err
		}
	}
	files := make(map[string]*string)
	now := make(map[string]string)
	root := os.DirFS(ts.MkAbs(args[0]))
	err := fs.WalkDir(root, ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := fs.ReadFile(root, path)
		content := string(text)
		if utf8.Valid(text) {
			// What is encrypted may hold a dollar sign, too.
			content = os.Expand(content, ts.Getenv)
		}
		files[path], now[path] = &content, content
		return err
	})
	if err != nil {
		return err
	}
	for path := range w.held {
		if files[path] == nil {
			files[path] = nil
		}
	}
	w.held = now
	_, err = w.git.Commit(files, strings.Join(args[1:], " "))
	return err
}

func (w *testWorld) serveGit(ts *testscript.TestScript) error {
	var err error
	if w.git, err = gitserve.New(filepath.Join(w.dir, "fleet.git")); err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: w.git, ReadHeaderTimeout: time.Second}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = server.Serve(listener) }()
	ts.Defer(func() { _ = server.Close(); <-ended })
	w.gitURL = "http://" + listener.Addr().String() + "/fleet.git"
	ts.Setenv("REPOSITORY", w.gitURL)
	text := "repository: {url: " + w.gitURL + "}\nstate: state\nsocket: agent.sock\nsecrets: {pve: token}\n"
	return os.WriteFile(filepath.Join(w.dir, "agent.yaml"), []byte(text), 0o600)
}

func (w *testWorld) edit(_ *testscript.TestScript, args []string) error {
	vmid, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	set := make(map[string]string)
	for _, arg := range args[2:] {
		key, value, _ := strings.Cut(arg, "=")
		set[key] = value
	}
	w.sim.cluster.Edit(args[0], vmid, set)
	return nil
}

func (w *testWorld) newGuest(_ *testscript.TestScript, args []string) error {
	vmid, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	config := map[string]string{"name": args[1], "smbios1": fmt.Sprintf("uuid=00000000-0000-4000-8000-%012d", vmid)}
	for _, arg := range args[2:] {
		key, value, _ := strings.Cut(arg, "=")
		config[key] = value
	}
	w.sim.cluster.AddGuest(pvesim.Guest{VMID: vmid, Running: true, Config: config})
	return nil
}

func (w *testWorld) appears(ts *testscript.TestScript, args []string) error {
	for deadline := time.Now().Add(30 * time.Second); ; <-time.After(20 * time.Millisecond) {
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s does not appear", args[0])
		}
	}
}

func (w *testWorld) guest(_ *testscript.TestScript, args []string) error {
	vmid, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	g, there := w.sim.cluster.Guest(vmid)
	if len(args) == 2 && args[1] == "gone" {
		if there {
			return fmt.Errorf("guest %d is there", vmid)
		}
		return nil
	}
	if !there {
		return fmt.Errorf("guest %d is not there", vmid)
	}
	for _, arg := range args[1:] {
		key, want, _ := strings.Cut(arg, "=")
		got := g.Config[key]
		if key == "running" {
			got = strconv.FormatBool(g.Running)
		}
		if got != want {
			return fmt.Errorf("guest %d: %s is %q, want %q", vmid, key, got, want)
		}
	}
	return nil
}

func (w *testWorld) until(ts *testscript.TestScript, args []string) error {
	var err error
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		if err = w.guest(ts, args); err == nil {
			return nil
		}
		<-time.After(20 * time.Millisecond) // The agent is another process: there is nothing else to wait for.
	}
	return err
}

func (w *testWorld) modes(ts *testscript.TestScript, args []string) error {
	for _, file := range args[1:] {
		info, err := os.Stat(ts.MkAbs(file))
		if err != nil {
			return err
		}
		if got := fmt.Sprintf("%o", info.Mode().Perm()); got != args[0] {
			return fmt.Errorf("%s has mode %s, want %s", file, got, args[0])
		}
	}
	return nil
}

func (w *testWorld) writes(_ *testscript.TestScript, args []string) error {
	want, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	var writes []string
	for _, r := range w.sim.cluster.Requests()[w.written:] {
		if r.Write() {
			writes = append(writes, r.Method+" "+r.Path)
		}
	}
	w.written = len(w.sim.cluster.Requests())
	if len(writes) != want {
		return fmt.Errorf("%d writes, want %d: %s", len(writes), want, strings.Join(writes, ", "))
	}
	return nil
}
