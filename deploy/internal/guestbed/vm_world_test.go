//go:build linux

package guestbed_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"berth/applyers/proxmox/pvesim"
	"berth/applyers/proxmox/pvesim/schemacheck"
	"berth/deploy/internal/guestbed"
	"berth/deploy/internal/standin"
)

// garden is a simulated Proxmox whose one virtual machine is a real one, and an agent
// that keeps it.
type garden struct {
	network *standin.Network
	sim     *pvesim.Cluster
	dir     string // What the machine has written.
	fleet   string
	agent   string
	image   guestbed.VMImage
	starts  chan int
	vm      atomic.Pointer[guestbed.VM]

	endpoint, fingerprint, key string
}

const imageURL = "https://images.example.test/debian-12.qcow2"

// require skips or fails the test where there is no QEMU.
func require(t *testing.T) {
	t.Helper()
	if os.Getenv("BERTH_REAL") != "1" {
		t.Skip("boots a real machine in QEMU: set BERTH_REAL=1, or run deploy/test")
	}
	for _, program := range []string{"qemu-system-x86_64", "qemu-img", "mmdebstrap", "git", "ssh", "ssh-keygen", "ssh-keyscan"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("BERTH_REAL=1 asks for real components: %v; deploy/test installs them", err)
		}
	}
}

func newGarden(t *testing.T) *garden {
	t.Helper()
	g := &garden{dir: t.TempDir(), fleet: t.TempDir(), agent: t.TempDir(), starts: make(chan int, 1), network: standin.Net(t)}
	g.image = guestbed.NewVMImage(t, "./vm-image")
	g.sim = pvesim.New(pvesim.Options{Bridges: []string{"vmbr0", "vmbr1"}})
	schemacheck.Watch(t, g.sim)
	g.sim.OnPower(func(guest pvesim.Guest, running bool) {
		if running {
			g.starts <- guest.VMID
		}
	})
	token := g.sim.AddToken("berth@pve", "agent", false, pvesim.ACL{Path: "/", Role: "Administrator", Propagate: true})
	g.serve(t)

	g.key = filepath.Join(t.TempDir(), "key")
	command(t, "", "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ops@example.test", "-f", g.key)
	words := map[string]string{
		"ENDPOINT": g.endpoint, "FINGERPRINT": g.fingerprint, "SUM": pvesim.Sum(imageURL, "sha256"),
		"KEY": strings.TrimSpace(read(t, g.key+".pub")),
	}
	for _, name := range []string{"fleet.yaml", "guest.yaml"} {
		text := os.Expand(read(t, "testdata/seedling/"+name), func(word string) string {
			if value, ok := words[word]; ok {
				return value
			}
			return "$" + word
		})
		write(t, g.fleet, name, text)
	}
	write(t, g.fleet, "lab.crt", authority(t))
	command(t, g.fleet, "git", "init", "--quiet", "--initial-branch=main")
	g.commit(t)

	command(t, "", "env", "CGO_ENABLED=0", "go", "build", "-buildvcs=false", "-o", filepath.Join(g.agent, "agent"), "berth/agent")
	write(t, g.agent, "pve-token", token)
	write(t, g.agent, "agent.yaml", fmt.Sprintf("repository: {url: %q}\nstate: state\nsocket: agent.sock\nsecrets: {pve: pve-token}\n", "file://"+g.fleet))
	return g
}

func (g *garden) commit(t *testing.T) {
	t.Helper()
	command(t, g.fleet, "git", "add", "--all")
	command(t, g.fleet, "git", "-c", "user.name=ops", "-c", "user.email=ops@example.test", "commit", "--quiet", "--message=The garden")
}

// serve serves the cluster over TLS. What is asked of the guest agent, the machine's
// own answers.
func (g *garden) serve(t *testing.T) {
	t.Helper()
	g.endpoint, g.fingerprint = g.network.ServeTLS(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if dir, command := path.Split(r.URL.Path); path.Base(dir) == "agent" {
			g.ask(w, r, command)
			return
		}
		g.sim.ServeHTTP(w, r)
	}))
}

// ask answers as Proxmox does (FACTS 4): with what the agent in the machine says.
func (g *garden) ask(w http.ResponseWriter, r *http.Request, command string) {
	var answer any
	err := errors.New("QEMU guest agent is not running")
	if vm := g.vm.Load(); vm != nil {
		switch command {
		case "ping":
			answer = map[string]any{"result": map[string]any{}}
			_, err = vm.Agent.Ask(r.Context(), "guest-ping", nil)
		case "file-read":
			var content string
			content, err = vm.Agent.ReadFile(r.Context(), r.URL.Query().Get("file"))
			answer = map[string]any{"content": content}
		case "network-get-interfaces":
			var result json.RawMessage
			result, err = vm.Agent.Ask(r.Context(), "guest-network-get-interfaces", nil)
			answer = map[string]any{"result": result}
		default:
			err = fmt.Errorf("%s is not asked of a machine here", command)
		}
	}
	body := map[string]any{"data": answer}
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		body = map[string]any{"data": nil, "message": err.Error()}
	}
	_ = json.NewEncoder(w).Encode(body)
}

// sync makes one turn, and starts the machine when Proxmox is told to.
func (g *garden) sync(t *testing.T) string {
	t.Helper()
	var out bytes.Buffer
	cmd := g.network.Command(context.WithoutCancel(t.Context()), filepath.Join(g.agent, "agent"), "sync", "--once", "--verbose", "--config", filepath.Join(g.agent, "agent.yaml"))
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Env = append(os.Environ(), "HOME="+g.agent)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	for {
		select {
		case vmid := <-g.starts:
			g.vm.Store(guestbed.StartVM(t, g.dir, g.machine(t, vmid)))
		case err := <-ended:
			if err != nil {
				t.Fatalf("agent sync: %v\n%s", err, &out)
			}
			return out.String()
		}
	}
}

// machine is the machine that Proxmox's configuration of a guest describes: the disks
// that were allocated, the seed that was uploaded, and the MACs that were made up.
func (g *garden) machine(t *testing.T, vmid int) guestbed.VMSpec {
	t.Helper()
	guest, _ := g.sim.Guest(vmid)
	spec := guestbed.VMSpec{Image: g.image, Drives: make(map[string]guestbed.Drive)}
	volumes := make(map[string]pvesim.Volume)
	for _, v := range g.sim.Volumes() {
		volumes[v.ID] = v
	}
	for key, value := range guest.Config {
		words := strings.Split(value, ",")
		slot := key
		switch {
		case strings.HasPrefix(slot, "scsi") && slot != "scsihw":
			v, ok := volumes[words[0]]
			if !ok {
				t.Fatalf("%s of the guest is %q, which is no volume", slot, value)
			}
			if slot == "scsi0" {
				spec.RootSize = v.Size
				continue
			}
			spec.Drives[slot] = guestbed.Drive{File: g.disk(t, slot, v), Serial: option(words, "serial")}
		case key == "net0":
			spec.NICs = append([]guestbed.NIC{{
				MAC: option(words, "virtio"), Subnet: "10.91.1.0/24", Gateway: "10.91.1.1",
				Subnet6: "fd00:91:1::/64", Gateway6: "fd00:91:1::2", SSH: "10.91.1.4",
			}}, spec.NICs...)
		case key == "net1":
			spec.NICs = append(spec.NICs, guestbed.NIC{MAC: option(words, "virtio"), Subnet: "10.92.1.0/24", Gateway: "10.92.1.1"})
		}
	}
	return spec
}

func option(words []string, key string) string {
	for _, word := range words {
		if value, ok := strings.CutPrefix(word, key+"="); ok {
			return value
		}
	}
	return ""
}

// disk is the file of a volume: what Proxmox was given, or nothing at all.
func (g *garden) disk(t *testing.T, slot string, v pvesim.Volume) string {
	t.Helper()
	file := filepath.Join(g.dir, slot+".raw")
	if _, err := os.Stat(file); err == nil {
		return file
	}
	if err := os.WriteFile(file, v.Data, 0o600); err != nil {
		t.Fatal(err)
	}
	if int64(len(v.Data)) < v.Size {
		if err := os.Truncate(file, v.Size); err != nil {
			t.Fatal(err)
		}
	}
	return file
}

// authority is a certificate that the machine shall trust.
func authority(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Garden CA"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func command(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
