package ansible

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"golang.org/x/crypto/ssh"

	"berth/applyers"
	"berth/desired"
	"berth/drift"
)

// lastPlay is the play that the runner adds, as a fake has to tell of it.
const lastPlay = "berth: the playbook has run to its end"

// memory is a Memory that dies with the test.
type memory struct {
	mu     sync.Mutex
	runs   map[string]string
	at     map[string]time.Time
	asked  map[string]string
	begun  map[string]time.Time
	failed map[string]string
	seen   map[string]time.Time
	mended map[string][]string
	err    error // of Remember
	full   error // of Begins
	now    func() time.Time
}

func newMemory() *memory {
	return &memory{
		runs: make(map[string]string), at: make(map[string]time.Time), asked: make(map[string]string), begun: make(map[string]time.Time),
		failed: make(map[string]string), seen: make(map[string]time.Time), mended: make(map[string][]string), now: time.Now,
	}
}

func (m *memory) Ran(play desired.ID, host string) (string, time.Time, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	digest, ok := m.runs[string(play)+" "+host]
	return digest, m.at[string(play)+" "+host], ok
}

func (m *memory) Begins(play desired.ID, hosts []string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, host := range hosts {
		if m.full == nil {
			m.begun[string(play)+" "+host] = m.now()
		}
	}
	return m.full
}

func (m *memory) Ends(play desired.ID, runs map[string]string, again bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for host, digest := range runs {
		key := string(play) + " " + host
		delete(m.begun, key)
		m.failed[key] = digest
		if !again {
			delete(m.asked, key)
		}
	}
	return nil
}

func (m *memory) CutOff(play desired.ID, host string) (time.Time, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	at, ok := m.begun[string(play)+" "+host]
	return at, ok
}

func (m *memory) Failed(play desired.ID, host string) (string, time.Time, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	digest, ok := m.failed[string(play)+" "+host]
	return digest, m.now(), ok
}

func (m *memory) Asked(play desired.ID, host string) (string, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	why, ok := m.asked[string(play)+" "+host]
	return why, ok
}

func (m *memory) Since(play desired.ID, schedule string, hosts []string) (map[string]time.Time, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	since := make(map[string]time.Time)
	for _, host := range hosts {
		key := string(play) + " " + host
		if m.seen[key+" "+schedule].IsZero() {
			m.seen[key+" "+schedule] = m.now()
		}
		since[host] = m.seen[key+" "+schedule]
		if at := m.at[key]; at.After(since[host]) {
			since[host] = at
		}
	}
	return since, nil
}

func (m *memory) Mend(play desired.ID, tasks map[string]string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for host, what := range tasks {
		key := string(play) + " " + host
		if what == "" || len(m.mended[key]) > 0 && m.mended[key][0] != what {
			delete(m.mended, key)
		}
		if what != "" {
			m.mended[key] = append(m.mended[key], what)
		}
	}
	return nil
}

func (m *memory) Mended(play desired.ID, host string) (string, time.Time, int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := string(play) + " " + host
	if all := m.mended[key]; len(all) > 0 {
		return all[0], m.at[key], len(all)
	}
	return "", time.Time{}, 0
}

// vault is a Secrets of values in memory.
type vault struct {
	b *bench
	// locked are those that can't be read.
	locked map[string]bool
	values map[string]string
}

func (v *vault) Read(_ context.Context, ref desired.SecretRef) (desired.Secret, error) {
	if v.locked[ref.Secret] {
		return desired.Secret{}, &desired.LockedError{Secret: ref.Secret}
	}
	if value, ok := v.values[ref.Secret]; ok {
		return desired.MakeSecret([]byte(value)), nil
	}
	if v.b.key == nil {
		return desired.Secret{}, errors.New("no such secret")
	}
	return desired.MakeSecret(v.b.key), nil
}

func (v *vault) Version(_ context.Context, ref desired.SecretRef) (string, error) {
	if value, ok := v.values[ref.Secret]; ok {
		return "version of " + value, nil
	}
	return "", errors.New("no such secret")
}

func (m *memory) Remember(play desired.ID, runs map[string]string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for host, digest := range runs {
		if key := string(play) + " " + host; m.err == nil {
			m.runs[key], m.at[key] = digest, m.now()
			delete(m.asked, key)
			delete(m.begun, key)
			delete(m.failed, key)
		}
	}
	return m.err
}

func (m *memory) hosts() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []string
	for k := range m.runs {
		all = append(all, k)
	}
	slices.Sort(all)
	return all
}

// bench is an applyer with all that it needs, and a fleet.
type bench struct {
	*Applyer
	t      testing.TB
	memory *memory
	files  fstest.MapFS
	fleet  *desired.Fleet
	lives  []drift.Live
	key    []byte
	vault  *vault
	quick  bool           // looks are
	seen   drift.Observed // last
	log    *strings.Builder
}

func newBench(t testing.TB, bin string) *bench {
	t.Helper()
	b := &bench{
		t: t, memory: newMemory(), files: make(fstest.MapFS),
		fleet: &desired.Fleet{Hosts: make(map[string]*desired.Host)},
		log:   &strings.Builder{},
	}
	b.vault = &vault{b: b, locked: make(map[string]bool), values: make(map[string]string)}
	var err error
	b.Applyer, err = New(Options{
		Memory:  b.memory,
		Files:   func(context.Context) (fs.FS, error) { return b.files, nil },
		Secrets: b.vault,
		State:   t.TempDir(), Dir: t.TempDir(), Bin: bin,
		Log: slog.New(slog.NewTextHandler(b.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// remake makes the applyer again, of its options as they are now.
func (b *bench) remake() {
	b.t.Helper()
	a, err := New(b.Options)
	if err != nil {
		b.t.Fatal(err)
	}
	b.Applyer = a
}

// want adds a resource where the loader would put it.
func (b *bench) want(r *desired.Resource) {
	b.fleet.Resources = append(b.fleet.Resources, r)
	slices.SortFunc(b.fleet.Resources, func(a, b *desired.Resource) int { return strings.Compare(string(a.ID), string(b.ID)) })
}

// guest adds a virtual machine that is live.
func (b *bench) guest(name string, set func(*desired.Guest)) {
	g := desired.Guest{Name: name, State: desired.Running}
	if set != nil {
		set(&g)
	}
	id := desired.MakeID(desired.KindVM, name)
	g.Site = "home"
	b.want(&desired.Resource{ID: id, Site: "home", Spec: &desired.VM{Guest: g}})
	b.lives = append(b.lives, drift.Live{ID: id, Site: "home", Spec: &desired.VM{}, Facts: map[string]string{
		desired.FactAddress: "127.0.0.1", desired.FactInstance: "instance of " + name,
	}})
}

// play adds a playbook for targets, with text as its file.
func (b *bench) play(name, text string, targets ...string) *desired.Playbook {
	p := &desired.Playbook{Name: name, File: "ansible/" + name + ".yml", Dir: "ansible", Order: 50, Retry: true, Due: make(map[string]desired.Run)}
	b.files[p.File] = &fstest.MapFile{Data: []byte(text)}
	r := &desired.Resource{
		ID: desired.MakeID(desired.KindPlaybook, name), Spec: p,
		Source: desired.Source{File: "play.yaml", Line: 1},
	}
	for _, target := range targets {
		id := desired.MakeID(desired.KindVM, target)
		p.Targets = append(p.Targets, id)
		p.Due[target] = desired.Run{Digest: "files of " + name, Guest: id}
		r.Set.Put(desired.Path("hosts").Sub(target), r.Source)
	}
	b.want(r)
	return p
}

func (b *bench) plan(ctx context.Context) (*drift.Plan, *drift.World) {
	b.t.Helper()
	seen, err := b.Observe(ctx, b.fleet, applyers.Scope{Others: drift.Observed{Lives: b.lives}, Quick: b.quick})
	if err != nil {
		b.t.Fatal(err)
	}
	b.seen = seen
	seen.Lives = append(seen.Lives, b.lives...)
	plan, err := drift.Make(drift.Input{
		Fleet: b.fleet, Observed: seen, Steps: map[string]drift.Steps{desired.KindPlaybook: b.Steps},
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return plan, drift.NewWorld(b.fleet, seen.Lives)
}

// turn plans and applies.
func (b *bench) turn(ctx context.Context) []drift.Outcome {
	b.t.Helper()
	plan, world := b.plan(ctx)
	return b.execute(ctx, plan, world)
}

// execute applies a plan.
func (b *bench) execute(ctx context.Context, plan *drift.Plan, world *drift.World) []drift.Outcome {
	b.t.Helper()
	outcomes, err := applyers.Execute(ctx, applyers.Execution{
		Plan: plan, World: world, Appliers: applyers.ByKind(b.Applyer),
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return outcomes
}

// one is the outcome of a turn that has one step.
func (b *bench) one(ctx context.Context) drift.Outcome {
	b.t.Helper()
	outcomes := b.turn(ctx)
	if len(outcomes) != 1 {
		b.t.Fatalf("the turn has %d steps, want one: %+v", len(outcomes), outcomes)
	}
	return outcomes[0]
}

// nothingLeft holds that no run left anything behind.
func (b *bench) nothingLeft() {
	b.t.Helper()
	if left, _ := filepath.Glob(filepath.Join(b.Dir, "*")); len(left) > 0 {
		b.t.Errorf("a run left %q", left)
	}
}

// fake writes a shell script to be run in ansible-playbook's place.
func fake(t testing.TB, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ansible-playbook")
	text := "#!/bin/sh\ntell() { printf '%s\\n' \"$1\" >> \"$BERTH_EVENTS\"; }\n" +
		"ended() { tell '{\"event\":\"play\",\"name\":\"" + lastPlay + "\"}'; }\n" + script + "\n"
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// newKey makes an SSH key pair; passphrase may be "".
func newKey(t *testing.T, passphrase string) (private []byte, public string) {
	t.Helper()
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(priv, "berth test")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(priv, "berth test", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	line, err := ssh.NewPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(block), string(ssh.MarshalAuthorizedKey(line))
}

// show writes an outcome out; %+v stops at its key.
func show(o drift.Outcome) string {
	return fmt.Sprintf("%s %s: %q, results %q, lines:\n%s", o.Key, o.Status, o.Reason, o.Results, strings.Join(o.Lines, "\n"))
}

// read is a file's text; "" if it is not there.
func read(file string) string {
	text, _ := os.ReadFile(file)
	return string(text)
}

// write makes an empty file.
func write(t testing.TB, file string) {
	t.Helper()
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}
