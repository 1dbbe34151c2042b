package nginx

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"
)

// witness tells whether nginx's workers run the file that sends its name here.
//
// A listener of nginx's own that tells a generation would do, but not without
// harm: a Unix socket that a killed nginx leaves behind keeps it from starting
// again, and a port may be another's. So a random name is routed to a port of
// the agent for as long as this takes; then it leads nowhere, and nobody knows it.
type witness struct {
	listener net.Listener
	probe    probe
}

func newWitness(ctx context.Context) (*witness, error) {
	var random [16]byte
	if _, err := rand.Read(random[:]); err != nil {
		return nil, fmt.Errorf("make a random name: %w", err)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for nginx's answer: %w", err)
	}
	return &witness{listener: listener, probe: probe{
		name: hex.EncodeToString(random[:]) + "." + probeDomain, to: listener.Addr().String(),
	}}, nil
}

func (w *witness) close() { _ = w.listener.Close() }

// wait asks all addresses until each has led here, or ctx ends.
func (w *witness) wait(ctx context.Context, addresses []string) error {
	arrived := make(chan struct{})
	done := make(chan struct{})
	defer close(done)
	go func() {
		for {
			conn, err := w.listener.Accept()
			if err != nil {
				return
			}
			ours := w.hears(conn)
			_ = conn.Close()
			if !ours {
				continue
			}
			select {
			case arrived <- struct{}{}:
			case <-done:
				return
			}
		}
	}()
	for _, address := range addresses {
		for {
			hello(ctx, address, w.probe.name)
			select {
			case <-arrived:
			case <-ctx.Done():
				return fmt.Errorf("%s does not answer by the new routes: %w", address, context.Cause(ctx))
			case <-time.After(40 * time.Millisecond):
				continue
			}
			break
		}
	}
	return nil
}

// hears tells whether what arrives is a ClientHello for the random name, which
// stands there in clear: anything on this host may connect to a port.
func (w *witness) hears(conn net.Conn) bool {
	_ = conn.SetReadDeadline(time.Now().Add(time.Second))
	var all []byte
	for part := make([]byte, 4096); len(all) < outputMax; {
		n, err := conn.Read(part)
		all = append(all, part[:n]...)
		if bytes.Contains(all, []byte(w.probe.name)) {
			return true
		}
		if err != nil {
			return false
		}
	}
	return false
}

// hello sends a ClientHello for a name. Nobody answers it with a certificate, so
// it ends in an error in any case; where it arrived is what counts.
func hello(ctx context.Context, address, name string) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	dialer := tls.Dialer{Config: &tls.Config{ServerName: name, MinVersion: tls.VersionTLS12}}
	if conn, err := dialer.DialContext(ctx, "tcp", address); err == nil {
		_ = conn.Close()
	}
}

// logMark remembers the end of nginx's log, since a reload that fails is told
// there and nowhere else.
type logMark struct {
	file string
	size int64
}

func markLog(file string) logMark {
	info, err := os.Stat(file)
	if file == "" || err != nil {
		return logMark{}
	}
	return logMark{file: file, size: info.Size()}
}

// said is what nginx has complained about since; nil if nothing is known.
func (l logMark) said() error {
	if l.file == "" {
		return nil
	}
	file, err := os.Open(l.file)
	if err != nil {
		return nil
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.NewSectionReader(file, l.size, outputMax))
	if err != nil {
		return nil
	}
	var lines []string
	for line := range bytes.Lines(text) {
		for _, level := range []string{"[emerg]", "[alert]", "[crit]"} {
			if at := bytes.Index(line, []byte(level)); at >= 0 {
				lines = append(lines, string(bytes.TrimSpace(line[at:])))
			}
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return errors.New("nginx says: " + strings.Join(lines[:min(len(lines), 3)], "; "))
}
