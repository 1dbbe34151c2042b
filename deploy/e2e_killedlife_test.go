//go:build linux

package deploy_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"berth/applyers/proxmox/pvesim"
	"berth/deploy/internal/standin"
)

// lives are clusters behind one address, and one agent for each, which is told by its
// token: all share one repository, which names one endpoint.
type lives struct {
	network *standin.Network
	remote  *remote
	binary  string
	token   string // The header that every cluster takes.

	mu  sync.Mutex
	all map[string]*life
}

// life is one agent's, with a cluster of its own.
type life struct {
	agent *agent
	sim   *pvesim.Cluster

	mu    sync.Mutex
	left  int // Requests to the last one; no last one if it is 0.
	after bool
	kill  func()
}

// begin starts a life with a state directory, of which it takes a copy.
func (h *lives) begin(t *testing.T, sim *pvesim.Cluster, state string) *life {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	token := fmt.Sprintf("berth@pve!agent=00000000-0000-4000-8000-%012d", len(h.all))
	l := &life{sim: sim, agent: newAgent(t, h.network, h.binary, h.remote.url, map[string]string{
		"git-token": h.remote.token + "\n", "pve-token": token + "\n", "ssh-key": "",
	})}
	if state != "" && exists(state) {
		if err := os.CopyFS(filepath.Join(l.agent.dir, "state"), os.DirFS(state)); err != nil {
			t.Fatal(err)
		}
	}
	h.all["PVEAPIToken="+token] = l
	return l
}

// ServeHTTP leads a request to the cluster of the life that it belongs to.
func (h *lives) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	l, token := h.all[r.Header.Get("Authorization")], h.token
	h.mu.Unlock()
	if l == nil {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	r.Header.Set("Authorization", "PVEAPIToken="+strings.TrimPrefix(token, "PVEAPIToken="))
	last, after, kill := l.last()
	if last && !after {
		kill()
		panic(http.ErrAbortHandler)
	}
	if !last {
		l.sim.ServeHTTP(w, r)
		return
	}
	l.sim.ServeHTTP(nowhere{header: make(http.Header)}, r)
	kill()
	panic(http.ErrAbortHandler)
}

// last tells whether this is the request at which the agent is killed, and how.
func (l *life) last() (last, after bool, kill func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left == 0 {
		return false, false, nil
	}
	l.left--
	return l.left == 0, l.after, l.kill
}

// nowhere is where an answer goes that nobody lives to hear.
type nowhere struct{ header http.Header }

func (n nowhere) Header() http.Header            { return n.header }
func (n nowhere) Write(text []byte) (int, error) { return len(text), nil }
func (n nowhere) WriteHeader(int)                {}

// turn runs the agent for one turn, and kills it at its nth request; 0 is never.
func (l *life) turn(t *testing.T, n int, after bool) error {
	cmd := l.agent.command(t, "sync", "--once")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	ended := make(chan struct{})
	l.mu.Lock()
	err := cmd.Start()
	l.left, l.after, l.kill = n, after, func() {
		_ = cmd.Process.Kill()
		<-ended
	}
	l.mu.Unlock()
	if err != nil {
		return err
	}
	err = cmd.Wait()
	close(ended)
	l.mu.Lock()
	defer l.mu.Unlock()
	killed := n > 0 && l.left == 0
	l.left = 0
	if exit := (*exec.ExitError)(nil); killed && errors.As(err, &exit) && exit.ExitCode() == -1 {
		return nil
	}
	if err != nil || killed {
		return fmt.Errorf("the agent ends with %w (killed %t) and says:\n%s", err, killed, &said)
	}
	return nil
}

// rest starts the agent again until it has nothing left to do, and looks at the
// journal that it then has.
func (l *life) rest(t *testing.T) error {
	var err error
	for range 4 {
		before := len(written(l.sim, 0))
		err = l.turn(t, 0, false)
		if err == nil && len(written(l.sim, 0)) == before {
			return l.readable()
		}
	}
	return fmt.Errorf("it does not come to rest: %w", err)
}

// readable looks whether every turn of the journal can be read to its end.
func (l *life) readable() error {
	files, err := os.ReadDir(filepath.Join(l.agent.dir, "state", "journal"))
	if err != nil {
		return err
	}
	for _, f := range files {
		if strings.HasSuffix(f.Name(), ".open") || strings.Contains(f.Name(), "damaged") {
			err = errors.Join(err, fmt.Errorf("in the journal is %s", f.Name()))
		}
		if !strings.HasSuffix(f.Name(), ".jsonl") {
			continue
		}
		text, reading := os.ReadFile(filepath.Join(l.agent.dir, "state", "journal", f.Name()))
		for line := range bytes.Lines(text) {
			if !json.Valid(line) {
				reading = errors.Join(reading, fmt.Errorf("in turn %s of the journal is %q", f.Name(), line))
			}
		}
		err = errors.Join(err, reading)
	}
	return err
}
