package machine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"berth/desired"
)

// keys are what is shown to a server.
type keys struct {
	// secret is what the key that was named is called, public its public part; "" if
	// none was named.
	secret, public string
	signers        []ssh.Signer
	// ofAgent is how many are the ssh-agent's, and files are what the others are from.
	ofAgent int
	files   []string
	socket  net.Conn
}

// keys opens the key that is named; else those that OpenSSH shows for playbooks: the
// ssh-agent's, and then the agent user's own.
func (r *remote) keys(ctx context.Context) (*keys, error) {
	ref := r.access.SSH.Key
	if ref == (desired.SecretRef{}) {
		return r.unnamed(ctx)
	}
	text, err := r.o.Key(ctx, ref)
	if err != nil {
		return nil, fmt.Errorf("read the SSH key, secret %s: %w", ref.Secret, err)
	}
	signer, err := ParseKey(ref, text)
	if err != nil {
		return nil, err
	}
	return &keys{
		secret: ref.Secret, signers: []ssh.Signer{signer},
		public: strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey()))),
	}, nil
}

// unnamed finds keys where none is named.
func (r *remote) unnamed(ctx context.Context) (*keys, error) {
	k := new(keys)
	var reasons []string
	if err := k.askAgent(ctx, r.o.AgentSocket); err != nil {
		reasons = append(reasons, err.Error())
	}
	reasons = append(reasons, k.readHome(r.o.Home)...)
	if len(k.signers) == 0 {
		k.close()
		return nil, fmt.Errorf("no key is named (ssh.key), and none is found: %s: name a key", strings.Join(reasons, "; "))
	}
	return k, nil
}

// askAgent takes the keys of an ssh-agent, which stays connected: it signs.
func (k *keys) askAgent(ctx context.Context, socket string) error {
	if socket == "" {
		return errors.New("no ssh-agent is there (SSH_AUTH_SOCK)")
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return fmt.Errorf("the ssh-agent does not answer (%w)", err)
	}
	k.socket = conn
	if end, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(end)
	}
	signers, err := agent.NewClient(conn).Signers()
	if err != nil {
		return fmt.Errorf("the ssh-agent is of no use (%w)", err)
	}
	if len(signers) == 0 {
		return errors.New("the ssh-agent holds no key")
	}
	k.signers, k.ofAgent = signers, len(signers)
	return nil
}

// readHome takes the user's own keys, as OpenSSH does where nobody is to be asked for
// a passphrase. It tells why there are none.
func (k *keys) readHome(home string) (reasons []string) {
	if home == "" {
		return []string{"the agent's user has no home"}
	}
	names := []string{"id_rsa", "id_ecdsa", "id_ed25519"}
	for _, name := range names {
		file := filepath.Join(home, ".ssh", name)
		signer, err := identity(file)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			reasons = append(reasons, err.Error())
		case !slices.ContainsFunc(k.signers, func(s ssh.Signer) bool {
			return string(s.PublicKey().Marshal()) == string(signer.PublicKey().Marshal())
		}):
			k.signers, k.files = append(k.signers, signer), append(k.files, file)
		}
	}
	if len(reasons) == 0 && len(k.files) == 0 {
		reasons = append(reasons, fmt.Sprintf("%s has no %s", filepath.Join(home, ".ssh"), strings.Join(names, ", ")))
	}
	return reasons
}

// identity reads a key file of the user's. What OpenSSH would not take isn't taken.
func identity(file string) (ssh.Signer, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	switch {
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no plain file", file)
	case info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("%s can be read by others (chmod 600)", file)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	signer, err := ssh.ParsePrivateKey(text)
	if _, locked := errors.AsType[*ssh.PassphraseMissingError](err); locked {
		return nil, fmt.Errorf("%s has a passphrase", file)
	}
	if err != nil {
		// The parser's own error could quote the key.
		return nil, fmt.Errorf("%s holds no private key that OpenSSH reads", file)
	}
	return signer, nil
}

// shown names the keys.
func (k *keys) shown() string {
	if k.secret != "" {
		return "secret " + k.secret
	}
	all := slices.Clone(k.files)
	if k.ofAgent > 0 {
		all = slices.Insert(all, 0, fmt.Sprintf("%d of the ssh-agent", k.ofAgent))
	}
	return strings.Join(all, ", ")
}

func (k *keys) close() {
	if k.socket != nil {
		_ = k.socket.Close()
	}
}
