package checkout

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
)

// sshSigners are whose SSH signatures are taken, as allowed_signers lists them
// (ssh-keygen(1), ALLOWED SIGNERS).
type sshSigners struct {
	all []sshSigner
	// given tells that there is a list.
	given bool
}

type sshSigner struct {
	who string // The principals, as they stand there.
	key ssh.PublicKey
	// namespaces are for what it may sign; none is for anything.
	namespaces []string
	// after and before bound when; zero is no bound.
	after, before time.Time
}

// gitNamespace is what Git signs commits for.
const gitNamespace = "git"

// parse reads the list. Its errors begin with the line, as in ":3: …"; where one is not
// understood none is used, lest a bound that was meant is not kept.
func (s *sshSigners) parse(text []byte) error {
	s.given = true
	var wrong []string
	n := 0
	for line := range bytes.Lines(text) {
		n++
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		signer, err := parseSigner(line)
		if err != nil {
			wrong = append(wrong, fmt.Sprintf(":%d: %v", n, err))
			continue
		}
		s.all = append(s.all, signer)
	}
	if len(wrong) > 0 {
		return errors.New(strings.Join(wrong, "; "))
	}
	return nil
}

// parseSigner reads one line: principals, and what authorized_keys holds.
func parseSigner(line []byte) (sshSigner, error) {
	who, rest := cutPrincipals(string(line))
	key, _, options, more, err := ssh.ParseAuthorizedKey([]byte(rest))
	if who == "" || err != nil || len(bytes.TrimSpace(more)) > 0 {
		return sshSigner{}, errors.New("not understood: write PRINCIPALS [OPTIONS] KEY, as in ada@example.com ssh-ed25519 AAAA…")
	}
	signer := sshSigner{who: printable(who), key: key}
	for _, option := range options {
		name, value, _ := strings.Cut(option, "=")
		value = strings.Trim(value, `"`)
		switch strings.ToLower(name) {
		case "namespaces":
			signer.namespaces = strings.Split(value, ",")
		case "valid-after":
			signer.after, err = signerTime(value)
		case "valid-before":
			signer.before, err = signerTime(value)
		case "cert-authority":
			err = errors.New("cert-authority is not supported: list the keys themselves")
		default:
			err = fmt.Errorf("the option %s is not known: there are namespaces, valid-after and valid-before", printable(name))
		}
		if err != nil {
			return sshSigner{}, err
		}
	}
	return signer, nil
}

// cutPrincipals takes the first word off a line, which may stand in quotes.
func cutPrincipals(line string) (who, rest string) {
	if quoted, ok := strings.CutPrefix(line, `"`); ok {
		who, rest, _ = strings.Cut(quoted, `"`)
		return who, strings.TrimSpace(rest)
	}
	if i := strings.IndexAny(line, " \t"); i > 0 {
		return line[:i], strings.TrimSpace(line[i:])
	}
	return "", ""
}

// signerTime reads a time as ssh-keygen writes it: YYYYMMDD, with HHMM or HHMMSS after
// it, by the clock of this machine, or by UTC where Z follows.
func signerTime(text string) (time.Time, error) {
	zone := time.Local //nolint:gosmopolitan // ssh-keygen(1): the local time zone.
	plain, utc := strings.CutSuffix(text, "Z")
	if utc {
		zone = time.UTC
	}
	for _, layout := range []string{"20060102", "200601021504", "20060102150405"} {
		if len(layout) != len(plain) {
			continue
		}
		if at, err := time.ParseInLocation(layout, plain, zone); err == nil {
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time: write YYYYMMDD or YYYYMMDDHHMMSS, with Z behind it for UTC", printable(text))
}

// judge tells what is wrong with a signature of what was committed at a time; nil is
// nothing.
func (s *sshSigners) judge(payload, armored []byte, at time.Time) *doubt {
	sig, err := sshsig.Unarmor(armored)
	if err != nil {
		return &doubt{what: "its SSH signature can't be read"}
	}
	key := ssh.FingerprintSHA256(sig.PublicKey)
	if _, certified := sig.PublicKey.(*ssh.Certificate); certified {
		return &doubt{what: "it is signed by a certificate, which is not supported", key: key}
	}
	switch {
	case sig.Namespace != gitNamespace:
		return &doubt{what: fmt.Sprintf("its signature is for %q, and not for git", printable(sig.Namespace)), key: key}
	case sig.Signature.Format == ssh.KeyAlgoRSA, sig.Signature.Format == ssh.InsecureKeyAlgoDSA: //nolint:staticcheck // It is refused.
		return &doubt{what: "its signature is made by SHA-1", key: key}
	case !s.given:
		return &doubt{what: "it is signed by the SSH key " + key + ", and no file of allowed signers is set", key: key, unknown: "a file that repository.verify.allowedSigners names"}
	}
	if err := sshsig.Verify(bytes.NewReader(payload), sig, sig.PublicKey, sig.HashAlgorithm, gitNamespace); err != nil {
		return &doubt{what: "its signature does not fit what is in it", key: key}
	}
	var near *doubt
	for _, signer := range s.all {
		if !bytes.Equal(signer.key.Marshal(), sig.PublicKey.Marshal()) {
			continue
		}
		why := signer.bars(at)
		if why == "" {
			return nil
		}
		near = &doubt{what: "it is signed by the key " + key + " of " + signer.who + ", " + why, key: key, unknown: "the allowed signers for that"}
	}
	if near != nil {
		return near
	}
	return &doubt{what: "it is signed by the SSH key " + key + ", which is none of the allowed signers", key: key, unknown: "the allowed signers"}
}

// bars tells why a listed key does not stand for a commit of a time; "" is that it does.
func (s *sshSigner) bars(at time.Time) string {
	matches := func(pattern string) bool {
		ok, err := path.Match(pattern, gitNamespace)
		return ok && err == nil
	}
	barred := slices.ContainsFunc(s.namespaces, func(pattern string) bool {
		pattern, not := strings.CutPrefix(pattern, "!")
		return not && matches(pattern)
	})
	switch {
	case s.namespaces != nil && (barred || !slices.ContainsFunc(s.namespaces, matches)):
		return "which may not sign for git"
	case !s.after.IsZero() && at.Before(s.after):
		return "which is valid from " + s.after.UTC().Format(time.RFC3339) + " on only"
	case !s.before.IsZero() && at.After(s.before):
		return "which was valid until " + s.before.UTC().Format(time.RFC3339)
	}
	return ""
}
