package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"filippo.io/age"
	"filippo.io/age/armor"
	"github.com/rogpeppe/go-internal/testscript"
)

// encrypt encrypts a file for a public half, as the age tool does.
func (w *testWorld) encrypt(ts *testscript.TestScript, args []string) error {
	recipients, err := age.ParseRecipients(bytes.NewReader([]byte(ts.ReadFile(args[0]))))
	if err != nil {
		return err
	}
	var sealed bytes.Buffer
	armored := armor.NewWriter(&sealed)
	plain, err := age.Encrypt(armored, recipients...)
	if err != nil {
		return err
	}
	_, err = plain.Write([]byte(ts.ReadFile(args[1])))
	if err := errors.Join(err, plain.Close(), armored.Close()); err != nil {
		return err
	}
	path := ts.MkAbs(args[2])
	return errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, sealed.Bytes(), 0o600))
}

// answers runs a command until what it prints matches.
func (w *testWorld) answers(ts *testscript.TestScript, args []string) error {
	want, err := regexp.Compile("(?s)" + args[0])
	if err != nil {
		return err
	}
	for end := time.Now().Add(20 * time.Second); ; <-time.After(50 * time.Millisecond) {
		failed := ts.Exec(args[1], args[2:]...)
		out := ts.ReadFile("stdout")
		if want.MatchString(out) {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("it does not answer %q: %w, %s", args[0], failed, out)
		}
	}
}

// expand puts the script's variables into files.
func (w *testWorld) expand(ts *testscript.TestScript, args []string) error {
	for _, name := range args {
		if err := os.WriteFile(ts.MkAbs(name), []byte(os.Expand(ts.ReadFile(name), ts.Getenv)), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// receiver writes what is posted to it into a file, a line each, and names itself
// $RECEIVER, without its scheme $RECEIVERHOST. What is posted to /hang is not answered.
func (w *testWorld) receiver(ts *testscript.TestScript, args []string) error {
	file, err := os.Create(ts.MkAbs(args[0]))
	if err != nil {
		return err
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if strings.HasPrefix(r.URL.Path, "/hang") {
			<-r.Context().Done()
			return
		}
		_, _ = fmt.Fprintf(file, "%s %s %s%s\n", r.Header.Get("X-Berth-Event"), r.Header.Get("X-Berth-Signature-256"), body, r.Header.Get("Title"))
		_, _ = io.WriteString(w, "{}")
	}))
	ts.Defer(func() { server.CloseClientConnections(); server.Close(); _ = file.Close() })
	ts.Setenv("RECEIVER", server.URL)
	ts.Setenv("RECEIVERHOST", strings.TrimPrefix(server.URL, "http://"))
	return nil
}

// hook calls a hook of the agent of agent.yaml, checks the status, and leaves the body
// in the file answer. The token is that of the file token-of-hooks.
func (w *testWorld) hook(ts *testscript.TestScript, args []string) error {
	if err := ts.Exec("agent", "status", "--config", "agent.yaml", "--output", "json"); err != nil && ts.ReadFile("stdout") == "" {
		return err
	}
	var status struct{ HTTP string }
	if err := json.Unmarshal([]byte(ts.ReadFile("stdout")), &status); err != nil {
		return err
	}
	body := ""
	if len(args) > 3 {
		body = ts.ReadFile(args[3])
	}
	req, err := http.NewRequestWithContext(w.t.Context(), args[1], status.HTTP+args[2], strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("X-Token", strings.TrimSpace(ts.ReadFile("token-of-hooks")))
	if strings.HasPrefix(args[2], "/v1/") {
		req.Header.Del("X-Token")
		req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(ts.ReadFile("token-of-hooks")))
	}
	began := time.Now()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return err
	case strconv.Itoa(resp.StatusCode) != args[0]:
		return fmt.Errorf("it answers %s, want %s: %s", resp.Status, args[0], text)
	case time.Since(began) > 5*time.Second:
		return fmt.Errorf("it answers after %v", time.Since(began))
	}
	return os.WriteFile(ts.MkAbs("answer"), text, 0o600)
}
