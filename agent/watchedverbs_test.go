package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"berth/agent/internal/web"
)

// manager listens as systemd does, at $NOTIFY_SOCKET, and writes what it is told into a
// file, a message on each line.
func (w *testWorld) manager(ts *testscript.TestScript, args []string) error {
	path := ts.MkAbs("notify.sock")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return err
	}
	file, err := os.Create(ts.MkAbs(args[0]))
	if err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for buf := make([]byte, 4096); ; {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			fmt.Fprintln(file, strings.ReplaceAll(strings.TrimSpace(string(buf[:n])), "\n", " "))
		}
	}()
	ts.Defer(func() { conn.Close(); <-ended; file.Close() })
	ts.Setenv("NOTIFY_SOCKET", path)
	return nil
}

// told waits until a file has a line that matches.
func (w *testWorld) told(ts *testscript.TestScript, args []string) error {
	want, err := regexp.Compile("(?m)" + args[1])
	if err != nil {
		return err
	}
	for end := time.Now().Add(20 * time.Second); ; <-time.After(20 * time.Millisecond) {
		text := ts.ReadFile(args[0])
		if want.MatchString(text) {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%s has no %q:\n%s", args[0], args[1], text)
		}
	}
}

// asked asks the agent of agent.yaml by its socket, or at the door that it has opened
// with the token of a file (- for none), until the status is as given and the body, which
// goes to the file answer, matches.
func (w *testWorld) asked(ts *testscript.TestScript, args []string) error {
	where, status, path, token := args[0], args[1], args[2], args[3]
	want := regexp.MustCompile("(?m)" + strings.Join(args[4:], " "))
	client, base := http.DefaultClient, "http://agent"
	if where == "socket" {
		client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", ts.MkAbs("agent.sock"))
		}}}
	}
	var last string
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); <-time.After(20 * time.Millisecond) {
		if where != "socket" {
			stands, err := web.NewClient(ts.MkAbs("agent.sock")).Status(context.Background())
			if err != nil || stands.HTTP == "" {
				last = fmt.Sprint("no door: ", err)
				continue
			}
			base = stands.HTTP
		}
		req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, base+path, http.NoBody)
		if err != nil {
			return err
		}
		if token != "-" {
			req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(ts.ReadFile(token)))
		}
		resp, err := client.Do(req)
		if err != nil {
			last = err.Error()
			continue
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if last = resp.Status + "\n" + string(text); err == nil && strconv.Itoa(resp.StatusCode) == status && want.Match(text) {
			return os.WriteFile(ts.MkAbs("answer"), text, 0o600)
		}
	}
	return fmt.Errorf("%s %s does not answer %s %s: %s", where, path, status, want, last)
}
