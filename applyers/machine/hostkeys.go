package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
	xknownhosts "golang.org/x/crypto/ssh/knownhosts"
)

// hostKeys judges the host key that a machine shows.
type hostKeys struct {
	// files hold the keys; the first is where one is added.
	files []string
	// name is what the machine is called there, with a port.
	name  string
	learn bool
	log   *slog.Logger
	db    *knownhosts.HostKeyDB
	// judged is why a key was refused; nil while none was.
	judged *judgement
}

// judgement is a host key that is refused.
type judgement struct{ reason, remedy string }

func (j *judgement) Error() string { return j.reason + ": " + j.remedy }

// hostKeys reads the known hosts that count for the machine, as OpenSSH does for
// playbooks: by its alias where keys are learnt, else by its address.
func (r *remote) hostKeys() (*hostKeys, error) {
	own := KnownHosts(r.o.State)
	h := &hostKeys{files: []string{own}, name: r.access.at(), log: r.o.Log}
	switch r.access.SSH.KnownHosts {
	case "file":
		h.files = nil
		if r.o.Home != "" {
			h.files = []string{filepath.Join(r.o.Home, ".ssh/known_hosts"), filepath.Join(r.o.Home, ".ssh/known_hosts2")}
		}
		h.files = append(h.files, "/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
	case "strict":
	default:
		// OpenSSH writes an alias without a port, whatever the port is.
		h.learn, h.name = true, Alias(r.access.ID, r.access.Instance)+":22"
	}
	return h, h.read()
}

// read reads the files; one that is not there knows nobody.
func (h *hostKeys) read() error {
	var there []string
	for _, file := range h.files {
		_, err := os.Stat(file)
		switch {
		case err == nil:
			there = append(there, file)
		case !errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("read the known hosts: %w", err)
		}
	}
	db, err := knownhosts.NewDB(there...)
	if err != nil {
		said := strings.ReplaceAll(err.Error(), "knownhosts: ", "")
		if !slices.ContainsFunc(there, func(file string) bool { return strings.Contains(said, file+":") }) {
			said = strings.Join(there, " or ") + ": " + said
		}
		return fmt.Errorf("read the known hosts: %s: correct the line, or take it out", said)
	}
	h.db = db
	return nil
}

// algorithms asks a machine for a key of a kind that is known of it, lest it shows
// a good one that nobody has written down. The other kinds follow, so that a
// machine that has none of these shows what it has.
func (h *hostKeys) algorithms() []string {
	secure := ssh.SupportedAlgorithms().HostKeys
	ask := slices.DeleteFunc(h.db.HostKeyAlgorithms(h.name), func(a string) bool { return !slices.Contains(secure, a) })
	// The order of OpenSSH, so that both learn the same key of a machine.
	for _, a := range []string{
		ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521,
		ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256,
	} {
		if !slices.Contains(ask, a) {
			ask = append(ask, a)
		}
	}
	return ask
}

// check is an ssh.HostKeyCallback.
func (h *hostKeys) check(_ string, remote net.Addr, key ssh.PublicKey) error {
	err := h.judge(remote, key)
	if err == nil {
		return nil
	}
	var no *judgement
	if !errors.As(err, &no) {
		no = &judgement{reason: "its SSH host key can't be judged: " + err.Error(), remedy: "let the agent read and write " + h.files[0]}
	}
	h.judged = no
	return no
}

func (h *hostKeys) judge(remote net.Addr, key ssh.PublicKey) error {
	if _, isTCP := remote.(*net.TCPAddr); !isTCP {
		remote = &net.TCPAddr{IP: net.IPv4zero} // The name is what counts.
	}
	err := h.db.HostKeyCallback()(h.name, remote, key)
	if err == nil {
		return nil
	}
	shown := key.Type() + " " + ssh.FingerprintSHA256(key)
	if revoked, ok := errors.AsType[*xknownhosts.RevokedError](err); ok {
		return &judgement{
			reason: fmt.Sprintf("its SSH host key %s is revoked by %s:%d", shown, revoked.Revoked.Filename, revoked.Revoked.Line),
			remedy: "somebody may stand in between",
		}
	}
	unfit, ok := errors.AsType[*xknownhosts.KeyError](err)
	switch {
	case !ok: // A certificate that has expired, or is for another host.
		return &judgement{reason: fmt.Sprintf("its SSH host certificate %s is not valid: %s", shown, clip(err.Error())), remedy: "give it a valid one"}
	case len(unfit.Want) > 0:
		return h.changed(unfit.Want, shown)
	case h.learn:
		return h.add(remote, key, shown)
	}
	return &judgement{
		reason: fmt.Sprintf("its SSH host key %s is not known, and none is learnt (ssh.knownHosts)", shown),
		remedy: fmt.Sprintf("compare it with the machine's own, and add this line to %s: %s", h.files[0], xknownhosts.Line([]string{h.name}, key)),
	}
}

// changed names the lines that say another key than the one shown.
func (h *hostKeys) changed(want []xknownhosts.KnownKey, shown string) error {
	var lines []string
	for _, k := range want {
		lines = append(lines, fmt.Sprintf("%s:%d", k.Filename, k.Line))
	}
	slices.Sort(lines)
	return &judgement{
		reason: "its SSH host key is another than the one learnt before: it shows " + shown,
		remedy: fmt.Sprintf("if it was installed anew by hand, take out %s; if not, somebody may stand in between", strings.Join(slices.Compact(lines), " and ")),
	}
}

// add writes down the first key that a machine has shown, for good. Another
// process may have learnt one in the meantime; then that one counts.
func (h *hostKeys) add(remote net.Addr, key ssh.PublicKey, shown string) (err error) {
	file := h.files[0]
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := f.Close(); err == nil {
			err = closeErr
		}
	}()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("lock %s: %w", file, err)
	}
	if err := h.read(); err != nil {
		return err
	}
	now := h.db.HostKeyCallback()(h.name, remote, key)
	unfit, ok := errors.AsType[*xknownhosts.KeyError](now)
	switch {
	case now == nil:
		return nil
	case !ok:
		return now
	case len(unfit.Want) > 0:
		return h.changed(unfit.Want, shown)
	}
	text := xknownhosts.Line([]string{h.name}, key) + "\n"
	if info, err := f.Stat(); err == nil && info.Size() > 0 {
		// An editor may have left the last line without its end.
		last := make([]byte, 1)
		if _, err := f.ReadAt(last, info.Size()-1); err == nil && last[0] != '\n' {
			text = "\n" + text
		}
	}
	if _, err := f.WriteString(text); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	h.log.Warn("learnt a machine's SSH host key at first contact",
		slog.String("machine", strings.TrimSuffix(h.name, ":22")), slog.String("key", shown), slog.String("file", file))
	return nil
}
