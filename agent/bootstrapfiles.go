package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/crypto/ssh"

	"berth/agent/internal/config"
	"berth/agent/internal/durable"
	"berth/agent/internal/web"
)

// deployKey is the key by which the repository is read.
type deployKey struct {
	// public is its public half; where it is "", none says why there is no key.
	public, none string
	// write is what agent.yaml lacks; "" if nothing.
	write string
}

// deployKey makes the repository's key where there is none.
func (b *bootstrap) deployKey() (deployKey, error) {
	from := b.settings.Repository
	if withoutSSH(from.URL) {
		return deployKey{none: "The repository is read without SSH: it needs no deploy key."}, nil
	}
	file, named, err := b.place(from.SSH.Key, "deploy_key", "the repository's key")
	if err != nil {
		return deployKey{}, err
	}
	host, _ := os.Hostname()
	made := false
	if file != "" {
		if made, err = keepNew(file, func() (string, error) { return newSSHKey("berth@" + host) }); err != nil {
			return deployKey{}, fmt.Errorf("make the repository's key: %w", err)
		}
	}
	key := deployKey{}
	where := file
	if !named {
		key.write = "repository: {url: \"git@HOST:PATH.git\", ssh: {key: " + file + "}}"
		if from.URL != "" {
			key.write = "repository: {url: \"" + from.URL + "\", ssh: {key: " + file + "}}"
		}
		from.SSH.Key = config.Credential{File: file}
	} else if where == "" {
		where = from.SSH.Key.String()
	}
	if key.public, err = b.publicHalf(from.SSH.Key, host); err != nil {
		return deployKey{}, err
	}
	b.tell(made, "deploy key of the repository", where)
	return key, nil
}

// withoutSSH tells whether a repository is reached without SSH: by HTTP, or as a
// directory. What is not known yet may be reached by SSH.
func withoutSSH(url string) bool {
	return strings.HasPrefix(url, "http://") || strings.HasPrefix(url, "https://") || strings.HasPrefix(url, "file://") || strings.HasPrefix(url, "/")
}

// place is the file in which a credential of the settings' shall be, or one in the
// state directory where they name none. It is "" for what is not bootstrap's to make:
// a credential of systemd's.
func (b *bootstrap) place(c config.Credential, name, what string) (file string, named bool, err error) {
	switch {
	case c.File != "":
		return c.File, true, nil
	case c.Secret == "":
		return filepath.Join(b.settings.State, name), false, nil
	}
	if file := b.settings.Secrets[c.Secret]; file != "" {
		return file, true, nil
	}
	if _, err := b.settings.Read(c, b.Env); err != nil {
		return "", true, fmt.Errorf("%s: agent.yaml names %s, of which neither `secrets` nor systemd knows: add `secrets: {%s: FILE}`, and run this again", what, c, c.Secret)
	}
	return "", true, nil
}

// publicHalf reads the public half of a private key.
func (b *bootstrap) publicHalf(c config.Credential, host string) (string, error) {
	text, err := b.settings.Read(c, b.Env)
	defer clear(text)
	if err != nil {
		return "", fmt.Errorf("read the repository's key: %w", err)
	}
	var public ssh.PublicKey
	signer, err := ssh.ParsePrivateKey(text)
	missing, encrypted := errors.AsType[*ssh.PassphraseMissingError](err)
	switch {
	case err == nil:
		public = signer.PublicKey()
	case encrypted && missing.PublicKey != nil:
		public = missing.PublicKey
	default:
		return "", fmt.Errorf("read the repository's key: %s holds no private key that SSH knows: move it away, and run this again", c)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public))) + " berth@" + host, nil
}

// newSSHKey makes a private key in OpenSSH's form.
func newSSHKey(comment string) (string, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", fmt.Errorf("make an SSH key: %w", err)
	}
	block, err := ssh.MarshalPrivateKey(private, comment)
	if err != nil {
		return "", fmt.Errorf("make an SSH key: %w", err)
	}
	return string(pem.EncodeToMemory(block)), nil
}

// hookToken makes the token of the hooks where there is none, and tells where it is.
func (b *bootstrap) hookToken() (string, error) {
	file, _, err := b.place(b.settings.Hooks.Token, "hook_token", "the token of the hooks")
	if err != nil {
		return "", err
	}
	if file == "" {
		b.tell(false, "token of the hooks", b.settings.Hooks.Token.String())
		return "FILE", nil
	}
	made, err := keepNew(file, func() (string, error) {
		token := make([]byte, 32)
		_, _ = rand.Read(token) // It never fails.
		return hex.EncodeToString(token) + "\n", nil
	})
	if err != nil {
		return "", fmt.Errorf("make the token of the hooks: %w", err)
	}
	text, err := b.settings.Read(config.Credential{File: file}, b.Env)
	if err == nil {
		err = web.CheckToken(text)
	}
	clear(text)
	if err != nil {
		return "", fmt.Errorf("read the token of the hooks: %s: %w", file, err)
	}
	b.tell(made, "token of the hooks", file)
	return file, nil
}

// keepNew writes a file for its owner alone, whole and for good, where none is. It
// takes nobody's place.
func keepNew(path string, content func() (string, error)) (made bool, err error) {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return false, err
	}
	text, err := content()
	if err != nil {
		return false, err
	}
	if err := durable.Create(path, []byte(text)); !errors.Is(err, fs.ErrExist) {
		return err == nil, err
	}
	return false, nil
}

// giveAway lets the user who owns the state directory have what root made in it: the
// agent may run as that user.
func giveAway(state string) error {
	info, err := os.Stat(state)
	if errors.Is(err, fs.ErrNotExist) || os.Geteuid() != 0 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at the state directory: %w", err)
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || owner.Uid == 0 {
		return nil
	}
	root, err := os.OpenRoot(state)
	if err != nil {
		return fmt.Errorf("give the state directory's user what was made: %w", err)
	}
	defer root.Close()
	for _, name := range []string{"lock", "lock/lock", "lock/identity.age", "lock/identity.pub", "identity", "deploy_key", "hook_token"} {
		if err := root.Lchown(name, int(owner.Uid), int(owner.Gid)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("give the state directory's user what was made: %w", err)
		}
	}
	return nil
}
