package machine

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"berth/desired"
)

// Where no key is named, the agent's user has keys that playbooks would use.
func TestSSHOwnKeys(t *testing.T) {
	b := newBench(t)
	a := b.access()
	a.SSH.Key = desired.SecretRef{}
	socket := ""
	try := func() error {
		m := b.turn(t)
		m.o.AgentSocket = socket
		_, err := m.SSH(a, false).Stat(t.Context(), "/")
		return err
	}
	in := func(name string) string { return filepath.Join(b.state, ".ssh", name) }
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	locked, err := ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, in("id_rsa"), string(pem.EncodeToMemory(locked)))
	write(t, in("id_ecdsa"), "no key")
	write(t, in("id_ed25519"), string(b.key))
	if err := os.Chmod(in("id_ed25519"), 0o640); err != nil {
		t.Fatal(err)
	}
	b.says(t, try(), "no key is named (ssh.key), and none is found: no ssh-agent is there (SSH_AUTH_SOCK); "+
		in("id_rsa")+" has a passphrase; "+in("id_ecdsa")+" holds no private key that OpenSSH reads; "+in("id_ed25519")+" can be read by others (chmod 600): name a key")
	if err := os.Chmod(in("id_ed25519"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := try(); err != nil {
		t.Errorf("with the user's own key: %v", err)
	}
	// An ssh-agent that is of no use is no reason not to use it.
	socket = in("none")
	if err := try(); err != nil {
		t.Errorf("without the ssh-agent: %v", err)
	}

	// All keys are shown, each once.
	ring := agent.NewKeyring()
	socket = filepath.Join(t.TempDir(), "agent")
	l, err := new(net.ListenConfig).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _ = agent.ServeAgent(ring, c) }()
		}
	}()
	_, other := newKey(t)
	for _, text := range [][]byte{b.key, other} {
		private, err := ssh.ParseRawPrivateKey(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := ring.Add(agent.AddedKey{PrivateKey: private}); err != nil {
			t.Fatal(err)
		}
	}
	_, third := newKey(t)
	write(t, in("id_rsa"), string(third))
	b.keys(nil, b.host)
	b.says(t, try(), "refuses all keys that are shown to it (user root): 2 of the ssh-agent, "+in("id_rsa")+
		": put the public part of one into ~root/.ssh/authorized_keys there, or name another key (ssh.key)")
	b.server.mu.Lock()
	b.config.MaxAuthTries = 2
	b.server.mu.Unlock()
	b.says(t, try(), "lets nobody try as many keys as are shown to it (user root): 2 of the ssh-agent, "+in("id_rsa")+": name the one that it knows (ssh.key)")
}
