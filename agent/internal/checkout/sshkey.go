package checkout

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
)

// SSH is how a repository is reached over SSH. Nothing else is asked: no ssh-agent,
// nothing below ~/.ssh, no ssh_config, since none of these is the agent's own.
type SSH struct {
	// Key is the private key, and Passphrase what it is encrypted with, if it is. Both
	// are read at every fetch, so that a renewed key needs no restart.
	Key, Passphrase Credential
	// KnownHosts is the file of the host keys that are trusted, as OpenSSH writes it;
	// read at every fetch. It need not be there.
	KnownHosts string
	// Learn trusts whatever key a host shows that KnownHosts has none of, and writes it
	// there. A key that differs from a known one is refused all the same.
	Learn bool

	opened openedKey
}

// openedKey keeps a key that took long to decrypt: what slows a thief down would
// hold every poll up.
type openedKey struct {
	mu     sync.Mutex
	from   [sha256.Size]byte
	signer ssh.Signer
}

// decrypt opens an encrypted key, once for each key and passphrase.
func (o *openedKey) decrypt(raw, passphrase []byte) (ssh.Signer, error) {
	whole := sha256.New()
	fmt.Fprintf(whole, "%d\n", len(raw))
	whole.Write(raw)
	whole.Write(passphrase)
	o.mu.Lock()
	defer o.mu.Unlock()
	from := [sha256.Size]byte(whole.Sum(nil))
	if o.signer != nil && o.from == from {
		return o.signer, nil
	}
	signer, err := ssh.ParsePrivateKeyWithPassphrase(raw, passphrase)
	if err == nil {
		o.from, o.signer = from, signer
	}
	return signer, err
}

// Credential is a secret that is read when it is needed. The zero value is none.
type Credential struct {
	Name string                 // What it is called in messages: a file, or `secret "x"`.
	Read func() ([]byte, error) // Its errors say what it is called, and never repeat the content.
}

// errNoKey tells how to make a key, since none is ever looked for.
var errNoKey = errors.New("repository.ssh.key is missing: over SSH the agent shows a key of its own, never one of an ssh-agent or of ~/.ssh; " +
	"make one with `ssh-keygen -t ed25519 -N '' -f FILE`, let it read the repository, and write ssh: {key: FILE}")

// settleSSH checks that the SSH settings are there for an SSH address, and for no other. It
// names the field that an error is about.
func (s Source) settleSSH() (field string, err error) {
	switch {
	case !s.ssh() && s.SSH != nil:
		return "ssh", errors.New("repository.ssh is only for ssh:// and git@host:path addresses; remove it")
	case s.ssh() && s.SSH == nil:
		return "url", errNoKey
	case s.ssh() && s.SSH.Key.Read == nil:
		return "ssh", errNoKey
	case s.ssh() && s.SSH.KnownHosts == "":
		return "ssh", errors.New("the file of known hosts is not named")
	}
	return "", nil
}

// readKey reads the private key. No error repeats any of it.
func (s *SSH) readKey() (ssh.Signer, error) {
	raw, err := s.Key.Read()
	if err != nil {
		return nil, fmt.Errorf("read repository.ssh.key: %w", err)
	}
	signer, err := s.parseKey(raw)
	if err != nil {
		return nil, fmt.Errorf("read repository.ssh.key: %s: %w", s.Key.Name, err)
	}
	return signer, nil
}

func (s *SSH) parseKey(raw []byte) (ssh.Signer, error) {
	signer, err := ssh.ParsePrivateKey(raw)
	_, encrypted := errors.AsType[*ssh.PassphraseMissingError](err)
	switch {
	case encrypted && s.Passphrase.Read == nil:
		return nil, errors.New("it is encrypted; name its passphrase as repository.ssh.passphrase, or take that off with `ssh-keygen -p -N '' -f FILE`")
	case encrypted:
		passphrase, err := s.Passphrase.Read()
		if err != nil {
			return nil, fmt.Errorf("read repository.ssh.passphrase: %w", err)
		}
		signer, err = s.opened.decrypt(raw, passphrase)
		if errors.Is(err, x509.IncorrectPasswordError) {
			return nil, fmt.Errorf("its passphrase is not that of %s; correct repository.ssh.passphrase", s.Passphrase.Name)
		}
		if err != nil {
			return nil, noKey(raw)
		}
		return usable(signer)
	case err != nil:
		return nil, noKey(raw)
	case s.Passphrase.Read != nil:
		return nil, errors.New("it is not encrypted; remove repository.ssh.passphrase, or encrypt it with `ssh-keygen -p -f FILE`")
	}
	return usable(signer)
}

// noKey says what a text is that should be a private key and can't be read as one.
func noKey(raw []byte) error {
	text := string(bytes.TrimSpace(raw))
	for _, kind := range []struct{ begins, is string }{
		{"ssh-", "it is the public key; name the private one, the file without .pub"},
		{"ecdsa-", "it is the public key; name the private one, the file without .pub"},
		{"sk-", "it is the public key of a hardware token, which can't serve an agent; make one with `ssh-keygen -t ed25519`"},
		{"---- BEGIN SSH2 PUBLIC", "it is the public key; name the private one"},
		{"-----BEGIN PUBLIC", "it is the public key; name the private one"},
		{"PuTTY-User-Key-File", "it is a key of PuTTY's; convert it with `puttygen FILE -O private-openssh -o NEW`"},
		{"-----BEGIN ENCRYPTED PRIVATE KEY", "it is an encrypted key in PKCS #8; convert it with `ssh-keygen -p -f FILE`"},
		{"-----BEGIN CERTIFICATE", "it is a certificate, not a private key"},
		{"-----BEGIN", "it is no private key that can be used, or it is damaged; make one with `ssh-keygen -t ed25519`"},
	} {
		if strings.HasPrefix(text, kind.begins) {
			return errors.New(kind.is)
		}
	}
	if text == "" {
		return errors.New("it is empty")
	}
	return errors.New("it is no private key: it should begin with -----BEGIN OPENSSH PRIVATE KEY-----")
}

// usable takes a key of a kind that may sign, and keeps RSA from signing by SHA-1.
func usable(signer ssh.Signer) (ssh.Signer, error) {
	switch kind := signer.PublicKey().Type(); kind {
	case ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521:
		return signer, nil
	case ssh.KeyAlgoRSA:
		algorithms, ok := signer.(ssh.AlgorithmSigner)
		if !ok {
			return nil, errors.New("it is an RSA key that can't sign with SHA-2; make one with `ssh-keygen -t ed25519`")
		}
		return ssh.NewSignerWithAlgorithms(algorithms, []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256})
	default:
		return nil, fmt.Errorf("it is a key of the kind %s, which is not used any more; make one with `ssh-keygen -t ed25519`", kind)
	}
}
