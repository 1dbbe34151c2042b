package checkout

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
	xknownhosts "golang.org/x/crypto/ssh/knownhosts"
)

const maxKnownHosts = 16 << 20

// hostKeys judges the host key that a server shows by a file of known hosts.
type hostKeys struct {
	file  string
	learn bool
	log   *slog.Logger
	db    *knownhosts.HostKeyDB
}

// hostKeyError is a host key that is not trusted, and what to do.
type hostKeyError struct{ detail, remedy string }

func (e *hostKeyError) Error() string { return e.detail + "; " + e.remedy }

// readHostKeys reads the known hosts. A file that is not there knows nobody.
func (s *SSH) readHostKeys(log *slog.Logger) (*hostKeys, error) {
	h := &hostKeys{file: s.KnownHosts, learn: s.Learn, log: log}
	var files []string
	// Whoever may write the file says whom the agent obeys.
	_, err := readBounded(h.file, maxKnownHosts, 0o002)
	switch {
	case err == nil:
		files = append(files, h.file)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("read known hosts: %w", err)
	}
	if h.db, err = knownhosts.NewDB(files...); err != nil {
		return nil, fmt.Errorf("read known hosts: %s; correct the line, or remove it", strings.ReplaceAll(err.Error(), "knownhosts: ", ""))
	}
	return h, nil
}

// hostKeyAlgorithms are the kinds of host keys that are taken, the best first. RSA
// signs with SHA-2 or not at all.
func hostKeyAlgorithms() []string {
	return []string{
		ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521,
		ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256,
	}
}

// certAlgorithms are the same for hosts whose authority is known.
func certAlgorithms() []string {
	return []string{
		ssh.CertAlgoED25519v01, ssh.CertAlgoECDSA256v01, ssh.CertAlgoECDSA384v01, ssh.CertAlgoECDSA521v01,
		ssh.CertAlgoRSASHA512v01, ssh.CertAlgoRSASHA256v01,
	}
}

// algorithms asks a host for a key of a kind that is known of it, lest it shows a
// good one that nobody has written down. The other kinds follow: a host that has
// nothing else shows one of these, and the fingerprint can be told.
func (h *hostKeys) algorithms(hostPort string) []string {
	known := h.db.HostKeyAlgorithms(hostPort)
	plain := hostKeyAlgorithms()
	ask := slices.DeleteFunc(slices.Concat(certAlgorithms(), plain), func(a string) bool { return !slices.Contains(known, a) })
	for _, a := range plain {
		if !slices.Contains(ask, a) {
			ask = append(ask, a)
		}
	}
	return ask
}

// check is an ssh.HostKeyCallback.
func (h *hostKeys) check(hostPort string, remote net.Addr, key ssh.PublicKey) error {
	err := h.db.HostKeyCallback()(hostPort, remote, key)
	if err == nil {
		return nil
	}
	shown := describeKey(key)
	if revoked, ok := errors.AsType[*xknownhosts.RevokedError](err); ok {
		return &hostKeyError{
			detail: fmt.Sprintf("it shows the host key %s, which %s:%d revokes", shown, h.file, revoked.Revoked.Line),
			remedy: "somebody may stand in between: ask the server's operator for its present key",
		}
	}
	unfit, ok := errors.AsType[*xknownhosts.KeyError](err)
	if !ok { // A certificate that has expired, or is for another host.
		return &hostKeyError{
			detail: fmt.Sprintf("it shows the host key %s: %s", shown, printable(err.Error())),
			remedy: "ask the server's operator for a valid host certificate, or add the host's own key to " + h.file,
		}
	}
	line := xknownhosts.Line([]string{hostPort}, key)
	if len(unfit.Want) > 0 {
		return &hostKeyError{
			detail: fmt.Sprintf("its host key has changed: it shows %s, and %s", shown, h.otherwise(unfit.Want)),
			remedy: "somebody may stand in between, so nothing was fetched; only if its operator confirms the new fingerprint, put this line in the place of the old: " + line,
		}
	}
	if h.learn {
		return h.add(line, shown)
	}
	return &hostKeyError{
		detail: fmt.Sprintf("its host key is not known: it shows %s, and %s has none for %s", shown, h.file, xknownhosts.Normalize(hostPort)),
		remedy: "compare the fingerprint with the one that the server's operator publishes; if it is the same, add this line to the file: " + line,
	}
}

// maxLines bounds how many lines of known hosts an error names.
const maxLines = 3

// otherwise names the lines that say another key than the one shown.
func (h *hostKeys) otherwise(want []xknownhosts.KnownKey) string {
	var lines []string
	for _, k := range want {
		lines = append(lines, fmt.Sprintf("%s:%d has %s", h.file, k.Line, describeKey(k.Key)))
	}
	if n := len(lines); n > maxLines {
		lines = append(lines[:maxLines], fmt.Sprintf("%d more lines differ, too", n-maxLines))
	}
	return strings.Join(lines, ", ")
}

// add writes the first key that a host has ever shown into the file, for good.
func (h *hostKeys) add(line, shown string) (err error) {
	f, err := os.OpenFile(h.file, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return &hostKeyError{detail: "its host key cannot be learnt: " + err.Error(), remedy: "let the agent write the file"}
	}
	defer func() {
		if closeErr := errors.Join(f.Sync(), f.Close()); err == nil && closeErr != nil {
			err = &hostKeyError{detail: "its host key cannot be learnt: " + printable(closeErr.Error()), remedy: "let the agent write the file"}
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return &hostKeyError{detail: "its host key cannot be learnt: " + err.Error(), remedy: "let the agent read the file"}
	}
	text := line + "\n"
	if size := info.Size(); size > 0 {
		// An editor may have left the last line without its end.
		last := make([]byte, 1)
		if _, err := f.ReadAt(last, size-1); err == nil && last[0] != '\n' {
			text = "\n" + text
		}
	}
	if _, err := f.WriteString(text); err != nil {
		return &hostKeyError{detail: "its host key cannot be learnt: " + err.Error(), remedy: "let the agent write the file"}
	}
	h.log.Warn("learnt the repository server's host key at first contact; compare the fingerprint with the published one",
		slog.String("key", shown), slog.String("file", h.file))
	return nil
}

// describeKey names a public key as people compare it.
func describeKey(key ssh.PublicKey) string {
	if cert, ok := key.(*ssh.Certificate); ok {
		return "certificate for " + describeKey(cert.Key) + " by " + describeKey(cert.SignatureKey)
	}
	return key.Type() + " " + ssh.FingerprintSHA256(key)
}
