package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"berth/agent/internal/config"
	"berth/agent/internal/gitserve"
	"berth/applyers/proxmox/pvesim"
	"berth/drift"
	"berth/examples"
)

// demoWorld is everything that the demo starts.
type demoWorld struct {
	streams  streams
	dir      string
	sim      *simulator
	git      *http.Server
	gitURL   string
	pushed   chan struct{}
	settings *config.Settings
	wiring   *wiring
	nginx    *demoNginx // nil where nginx is not installed
	ansible  bool

	mu    sync.Mutex
	began map[drift.Key]time.Time
}

// startDemo starts the cluster, the repository, nginx if it is there, and makes
// an agent ready. What it returns must be closed, error or not.
func startDemo(ctx context.Context, s streams, dir string, once bool) (*demoWorld, error) {
	if _, err := os.Stat(filepath.Join(dir, "state")); err == nil {
		return nil, fmt.Errorf("%s holds an earlier demo, whose cluster is gone: remove it, or give another directory", dir)
	}
	d := &demoWorld{streams: s, dir: dir, pushed: make(chan struct{}, 1), began: make(map[drift.Key]time.Time)}
	d.heading("Starting")
	var err error
	if d.sim, err = startSimulator(ctx, "127.0.0.1:0", pvesim.Options{Now: time.Now, TaskTime: demoTaskTime}); err != nil {
		return d, err
	}
	d.sim.cluster.OnPower(d.boot)
	if s.Simulated != nil {
		s.Simulated(d.sim.cluster)
	}
	d.say("a simulated Proxmox cluster at %s: node proxmox-1 with %d guests that are not ours", d.sim.endpoint, len(d.sim.cluster.Guests()))
	if d.nginx, err = startDemoNginx(ctx, filepath.Join(dir, "nginx")); err != nil {
		return d, err
	}
	if d.nginx != nil {
		d.say("nginx, passing TLS on by SNI at %s", d.nginx.listen)
	} else {
		d.say("left out: the edge, since nginx with its stream module is not installed (Debian: nginx libnginx-mod-stream)")
	}
	if d.ansible = installed("ansible-playbook"); d.ansible {
		d.say("Ansible, on this host instead of in guests that are only simulated")
	} else {
		d.say("left out: the playbook, since Ansible is not installed (Debian: ansible-core)")
	}
	if err := d.serveGit(ctx); err != nil {
		return d, err
	}
	d.say("a Git repository at %s", d.gitURL)
	return d, d.wire(once)
}

// demoTaskTime makes tasks long enough to be seen.
func demoTaskTime(kind string) time.Duration {
	switch kind {
	case "download", "qmcreate", "vzcreate":
		return 400 * time.Millisecond
	}
	return 150 * time.Millisecond
}

// serveGit makes the repository with the example fleet in it, and serves it.
func (d *demoWorld) serveGit(ctx context.Context) error {
	files, err := d.fleet()
	if err != nil {
		return err
	}
	server, err := gitserve.New(filepath.Join(d.dir, "fleet.git"))
	if err != nil {
		return fmt.Errorf("make the repository: %w", err)
	}
	server.OnPush = func(string, string) {
		select {
		case d.pushed <- struct{}{}:
		default:
		}
	}
	if _, err := server.Commit(files, "Six guests and their data, behind an edge"); err != nil {
		return fmt.Errorf("make the repository: %w", err)
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("serve the repository: %w", err)
	}
	d.git = &http.Server{Handler: server, ReadHeaderTimeout: 10 * time.Second}
	d.gitURL = "http://" + listener.Addr().String() + "/fleet.git"
	go func() { _ = d.git.Serve(listener) }() // It ends by close.
	return nil
}

// fleet is the example's manifests, pointed at what the demo runs.
func (d *demoWorld) fleet() (map[string]*string, error) {
	example, err := examples.Pegasus()
	if err != nil {
		return nil, fmt.Errorf("read the example: %w", err)
	}
	files := make(map[string]*string)
	err = fs.WalkDir(example, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(example, path)
		content := d.adapt(path, string(text))
		files[path] = content
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the example: %w", err)
	}
	for path, content := range files {
		if content == nil {
			delete(files, path)
		}
	}
	return files, nil
}

// adapt points one file of the example at the demo's world; nil leaves it out.
func (d *demoWorld) adapt(path, text string) *string {
	switch {
	case path == "site.yaml":
		text = replaceLine(text, "endpoints:", "endpoints: ["+d.sim.endpoint+"]")
		text = replaceLine(text, "tls:", `tls: {fingerprint: "`+d.sim.fingerprint+`"}`)
	case path == "images.yaml":
		// The simulator makes up what it downloads.
		for line := range strings.SplitSeq(text, "\n") {
			if url, ok := strings.CutPrefix(line, "url: "); ok {
				after := text[strings.Index(text, line):]
				sum, _, _ := strings.Cut(after[strings.Index(after, "sha256: ")+len("sha256: "):], "\n")
				text = strings.Replace(text, sum, pvesim.Sum(url, "sha256"), 1)
			}
		}
	case path == "fleet.yaml":
		// Nothing listens in guests that are simulated: Ansible runs here.
		text = strings.Replace(text, "ssh: {user: ansible", "defaults: {VM: {vars: {ansible_connection: local}}}\nssh: {user: ansible", 1)
		text = replaceLine(text, "credential: ssh-key", "file: "+filepath.Join(d.dir, "ssh-key"))
	case path == "edge.yaml":
		if d.nginx == nil {
			return nil
		}
		// The example's runs in a container on another machine.
		text = demoEdge + "  listen: [\"" + d.nginx.listen + "\"]\n" + d.nginx.manifest()
	case path == "playbooks.yaml" || strings.HasPrefix(path, "ansible/"):
		if !d.ansible {
			return nil
		}
		text = strings.Replace(text, "become: true\n", "", 1)
		if path == "ansible/reverse-proxy.yml" {
			text = demoPlaybook
		}
	}
	return &text
}

const demoEdge = `kind: Edge
name: edge                          # nginx on the agent's own host
tls:
  default: host/prod-proxy:443
  routes:
    .lab.pegasuspad.com: vm/lab-proxy:443       # the name and all below it
    coder.pegasuspad.com: vm/lab-coder:443
`

const demoPlaybook = `- name: Make reverse proxies
  hosts: reverse_proxy
  gather_facts: false
  tasks:
    - name: Say what would be done
      ansible.builtin.debug:
        msg: "{{ berth_name }} of {{ berth_site }} would become a reverse proxy"
`

// replaceLine puts another line in the place of the one that begins with start.
func replaceLine(text, start, line string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		if strings.HasPrefix(lines[i], start) {
			lines[i] = line
		}
	}
	return strings.Join(lines, "\n")
}

// wire writes the agent's settings and makes it ready.
func (d *demoWorld) wire(once bool) error {
	for name, content := range map[string]string{"pve-home": d.sim.token, "ssh-key": ""} {
		if name == "ssh-key" {
			key, err := newSSHKey("berth demo")
			if err != nil {
				return err
			}
			content = key
		}
		if err := os.WriteFile(filepath.Join(d.dir, name), []byte(content), 0o600); err != nil {
			return fmt.Errorf("write the demo's settings: %w", err)
		}
	}
	file := filepath.Join(d.dir, "agent.yaml")
	text := "repository: {url: " + d.gitURL + "}\nstate: state\nsocket: agent.sock\npoll: 5s\nsweep: 30s\nsecrets: {pve-home: pve-home}\nsecretFiles: [.]\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return fmt.Errorf("write the demo's settings: %w", err)
	}
	var err error
	if d.settings, err = config.Load(file, func(string) string { return "" }); err != nil {
		return err
	}
	// What steps would log is shown by watch; what else goes wrong must be seen.
	log := slog.New(slog.DiscardHandler)
	if !once {
		log = newLog(d.streams, config.Log{Format: "text", Level: "warn"})
	}
	if d.wiring, err = newWiring(d.streams, d.settings, log); err != nil {
		return err
	}
	// What answers on the real network is nothing to guests that are simulated.
	d.wiring.dial, d.wiring.answers = d.dial, nil
	d.wiring.turner.Events = d.watch
	return nil
}

// dial stands in for guests that are only simulated: whoever should be there
// answers.
func (d *demoWorld) dial(context.Context, string, string) (net.Conn, error) {
	near, far := net.Pipe()
	_ = far.Close()
	return near, nil
}

func (d *demoWorld) close() error {
	var errs []error
	if d.wiring != nil {
		errs = append(errs, d.wiring.close())
	}
	if d.git != nil {
		errs = append(errs, d.git.Close())
	}
	if d.nginx != nil {
		d.nginx.close()
	}
	if d.sim != nil {
		errs = append(errs, d.sim.close())
	}
	return errors.Join(errs...)
}
