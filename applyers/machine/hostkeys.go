package machine

import (
	"bytes"
	"context"
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
	"time"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
	xknownhosts "golang.org/x/crypto/ssh/knownhosts"

	"berth/desired"
)

// hostKeys judges the host key that a machine shows.
type hostKeys struct {
	// files hold the keys; the first is where one is added.
	files []string
	// name is what the machine is called there, with a port.
	name string
	// own is the agent's own file, and alias what the machine is called in it where
	// keys are learnt, without a port.
	own, alias string
	learn      bool
	// unsure tells that it is a guest of which nobody knows at present which one it
	// is: see [hostKeys.ofAnInstance].
	unsure bool
	log    *slog.Logger
	db     *knownhosts.HostKeyDB
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
	alias := Alias(r.access.ID, r.access.Instance)
	h := &hostKeys{files: []string{own}, name: r.access.at(), own: own, alias: alias, log: r.o.Log}
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
		h.learn, h.name = true, alias+":22"
		h.unsure = r.access.Instance == "" && r.access.ID.Kind() != desired.KindHost
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

// check is asked at first, and whenever both sides agree on new keys later on.
func (h *hostKeys) check(ctx context.Context, remote net.Addr, key ssh.PublicKey) error {
	err := h.judge(ctx, remote, key)
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

func (h *hostKeys) judge(ctx context.Context, remote net.Addr, key ssh.PublicKey) error {
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
	case h.unsure:
		return h.ofAnInstance(key, shown)
	case h.learn:
		return h.add(ctx, remote, key, shown)
	}
	return h.unknown(key, shown)
}

// unknown explains a key that nobody has written down, where none is learnt. One may
// have been learnt before, under the machine's alias, which does not count here.
func (h *hostKeys) unknown(key ssh.PublicKey, shown string) error {
	all, _ := learnt(h.own, func(name string) bool { return name == h.alias })
	told := ""
	switch at := slices.IndexFunc(all, func(k pinned) bool { return bytes.Equal(k.key.Marshal(), key.Marshal()) }); {
	case at >= 0:
		told = fmt.Sprintf("it is the one that was learnt at first contact (%s:%d); ", h.own, all[at].line)
	case len(all) > 0:
		told = fmt.Sprintf("it is another than the one that was learnt at first contact (%s:%d), so somebody may stand in between; ", h.own, all[0].line)
	}
	return &judgement{
		reason: fmt.Sprintf("its SSH host key %s is not known, and none is learnt (ssh.knownHosts)", shown),
		remedy: fmt.Sprintf("%scompare it with the machine's own, and add this line to %s: %s", told, h.files[0], xknownhosts.Line([]string{h.name}, key)),
	}
}

// ofAnInstance judges the key of a guest of which nobody knows at present which one it
// is, since its site does not answer. A key that was learnt of one of its name is good
// enough; nothing is learnt, else who keeps the site from answering could show any.
func (h *hostKeys) ofAnInstance(key ssh.PublicKey, shown string) error {
	all, err := learnt(h.own, func(name string) bool { return strings.HasPrefix(name, h.alias+".") })
	if err != nil {
		return err
	}
	if slices.ContainsFunc(all, func(k pinned) bool { return bytes.Equal(k.key.Marshal(), key.Marshal()) }) {
		return nil
	}
	return &judgement{
		reason: fmt.Sprintf("its SSH host key %s was not learnt before, and none is learnt while its site does not tell which guest it is", shown),
		remedy: "see why the site does not answer",
	}
}

// pinned is a key of a file of known hosts.
type pinned struct {
	key  ssh.PublicKey
	line int
}

// learnt are the keys that a file has for some names; one that is not there has none.
func learnt(file string, is func(name string) bool) ([]pinned, error) {
	text, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var all []pinned
	line := 0
	for text := range bytes.Lines(text) {
		line++
		marker, names, key, _, _, err := ssh.ParseKnownHosts(text)
		if err == nil && marker == "" && slices.ContainsFunc(names, is) {
			all = append(all, pinned{key: key, line: line})
		}
	}
	return all, nil
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
func (h *hostKeys) add(ctx context.Context, remote net.Addr, key ssh.PublicKey, shown string) (err error) {
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
	if err := flock(ctx, f); err != nil {
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
	h.log.WarnContext(ctx, "learnt a machine's SSH host key at first contact",
		slog.String("machine", h.alias), slog.String("key", shown), slog.String("file", file))
	// Both sides may agree on new keys later on.
	return h.read()
}

// flock waits for a file's lock.
func flock(ctx context.Context, f *os.File) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("another program keeps it: %w", ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}
