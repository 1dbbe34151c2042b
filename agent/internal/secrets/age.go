package secrets

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"filippo.io/age/armor"

	"berth/agent/internal/config"
)

// errNotForUs is that a file was encrypted, but not for the agent's identity.
var errNotForUs = errors.New("it is not encrypted for this agent")

// openAge decrypts an age file, armored or not. The errors of age may quote what they
// read, which may be a secret that somebody forgot to encrypt: none is passed on.
func openAge(text []byte, identities []age.Identity) ([]byte, error) {
	var in io.Reader = bytes.NewReader(text)
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte(armor.Header)) {
		in = armor.NewReader(bytes.NewReader(bytes.TrimSpace(text)))
	}
	opened, err := age.Decrypt(in, identities...)
	var mismatch *age.NoIdentityMatchError
	switch {
	case errors.As(err, &mismatch) && slices.Contains(mismatch.StanzaTypes, "scrypt"):
		return nil, errors.New("it is encrypted with a passphrase, which nobody types here: encrypt it for this agent")
	case errors.As(err, &mismatch):
		return nil, errNotForUs
	case err != nil && !looksLikeAge(text):
		return nil, errors.New("it is no age file: if it is the secret in clear, it is in Git's history now: revoke it, make a new one and encrypt that with `age -r`")
	case err != nil:
		if locked := asLocked(err); locked != nil {
			return nil, locked
		}
		return nil, errors.New("its beginning is damaged: encrypt it anew")
	}
	plain, err := io.ReadAll(io.LimitReader(opened, config.MaxSecret+1))
	switch {
	case err != nil:
		return nil, errors.New("it is cut off or damaged: encrypt it anew")
	case len(plain) > config.MaxSecret:
		return nil, errTooLarge
	}
	return plain, nil
}

var errTooLarge = fmt.Errorf("it is larger than %d bytes, which no secret is", config.MaxSecret)

// looksLikeAge tells whether a file was made by age, as far as its beginning goes.
func looksLikeAge(text []byte) bool {
	return bytes.HasPrefix(text, []byte("age-encryption.org/")) || bytes.HasPrefix(bytes.TrimSpace(text), []byte(armor.Header))
}

// sealAge encrypts for a recipient: age1…, or a public key of SSH's.
func sealAge(value []byte, recipient string) ([]byte, error) {
	to, err := parseRecipient(recipient)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	sealed, err := age.Encrypt(&out, to)
	if err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	_, err = sealed.Write(value)
	if err := errors.Join(err, sealed.Close()); err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	return out.Bytes(), nil
}

func parseRecipient(text string) (age.Recipient, error) {
	if strings.HasPrefix(text, "ssh-") {
		return agessh.ParseRecipient(text)
	}
	parsed, err := age.ParseRecipients(strings.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("%q is no public half of an age identity", text)
	}
	return parsed[0], nil
}
