//go:build linux

package edgebed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"berth/deploy/internal/standin"
)

// Proxy's own file names, as on Debian.
const (
	Main   = "/etc/nginx/nginx.conf"
	Stream = "/etc/nginx/berth/stream.conf"
	HTTP80 = "/etc/nginx/berth/http.conf"
)

// StreamInclude is the one step by hand, at the end of the main file.
const StreamInclude = "\nstream {\n\tinclude /etc/nginx/berth/stream*.conf;\n}\n"

// HTTPInclude is the same for port 80, a file of its own in conf.d.
const HTTPInclude = "include /etc/nginx/berth/http*.conf;\n"

// Host is a host with nginx as Debian installs it.
type Host struct {
	*standin.Host
}

// NewHost makes a host that is on, whose nginx runs and includes what Berth
// manages; its site of Debian's on port 80 is taken away, since it is in the way of
// the twin. publicKey may log in, as root and as "ops", who may sudo without a
// password.
func NewHost(t testing.TB, n *standin.Network, name, address, publicKey string) Host {
	t.Helper()
	h := BareHost(t, n, name, address, publicKey)
	h.Run(t, "sh", "-c", `rm -f /etc/nginx/sites-enabled/default && mkdir -p /etc/nginx/berth &&
printf '`+HTTPInclude+`' >/etc/nginx/conf.d/berth.conf && printf '`+strings.ReplaceAll(strings.ReplaceAll(StreamInclude, "\n", `\n`), "\t", `\t`)+`' >>`+Main)
	h.StartNginx(t)
	return h
}

// BareHost is NewHost before anything was done by hand, and without nginx running.
func BareHost(t testing.TB, n *standin.Network, name, address, publicKey string) Host {
	t.Helper()
	require(t)
	h := Host{n.Host(t, name, address, publicKey)}
	// "*" and not "!", which sshd takes for a locked account.
	for _, line := range []struct {
		file, text string
		mode       fs.FileMode
	}{
		{"/etc/passwd", "ops:x:4711:4711:ops:/home/ops:/bin/sh\n", 0o644},
		{"/etc/shadow", "ops:*:20000:0:99999:7:::\n", 0o600},
		{"/etc/group", "ops:x:4711:\n", 0o644},
	} {
		text, err := os.ReadFile(line.file)
		if err != nil {
			t.Fatal(err)
		}
		h.WriteFile(t, line.file, string(text)+line.text, line.mode)
	}
	h.WriteFile(t, "/etc/sudoers.d/ops", "ops ALL=(root) NOPASSWD: ALL\n", 0o440)
	h.WriteFile(t, "/etc/hosts", "127.0.0.1 localhost "+name+"\n", 0o644)
	if err := h.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.Run(t, "sh", "-c", "mkdir -p /home/ops && chown ops:ops /home/ops")
	t.Cleanup(func() {
		if t.Failed() {
			for _, file := range []string{Stream, HTTP80, "/var/log/nginx/error.log"} {
				text, err := h.ReadFile(file)
				t.Logf("%s on %s (%v):\n%s", file, name, err, tail(string(text)))
			}
		}
	})
	return h
}

// tail is the end of a text.
func tail(text string) string {
	if len(text) > 6000 {
		return "…" + text[len(text)-6000:]
	}
	return text
}

// StartNginx starts nginx as a daemon, as a service manager would.
func (h Host) StartNginx(t testing.TB) {
	t.Helper()
	if out, err := h.Command(t.Context(), "nginx").CombinedOutput(); err != nil {
		t.Fatalf("start nginx: %v: %s", err, out)
	}
}

// Answers waits until nginx takes connections at an address.
func Answers(t testing.TB, n *standin.Network, address string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		conn, err := n.DialContext(ctx, "tcp", address)
		if err == nil {
			_ = conn.Close()
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("nothing listens on %s: %v", address, err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Managed lists the files in Berth's directory, hidden ones included.
func (h Host) Managed(t testing.TB) []string {
	t.Helper()
	entries, err := os.ReadDir(h.Path("/etc/nginx/berth"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// Closed tells whether an error is what a client is told who is led nowhere: the
// connection was closed before anybody answered.
func Closed(err error) bool {
	var op *net.OpError
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &op) && op.Op == "read" && !op.Timeout()
}

// require fails the test where a part that Debian has is missing.
func require(t testing.TB) {
	t.Helper()
	if _, err := os.Stat("/usr/lib/nginx/modules/ngx_stream_module.so"); err != nil {
		t.Fatalf("BERTH_REAL=1 asks for real components: %v; deploy/test installs them", err)
	}
	for _, program := range []string{"nginx", "sudo", "strace"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatal(fmt.Errorf("BERTH_REAL=1 asks for real components: %w; deploy/test installs them", err))
		}
	}
}

// Workers are the process ids of nginx's workers, but for those that are about to
// end; a reload makes new ones.
func (h Host) Workers(t testing.TB) string {
	t.Helper()
	files, err := filepath.Glob(h.Path("/proc/[0-9]*/cmdline"))
	if err != nil {
		t.Fatal(err)
	}
	var pids []string
	for _, file := range files {
		// What has ended in between is none.
		if title, err := os.ReadFile(file); err == nil && strings.TrimRight(string(title), "\x00") == "nginx: worker process" {
			pids = append(pids, filepath.Base(filepath.Dir(file)))
		}
	}
	return strings.Join(pids, " ")
}
