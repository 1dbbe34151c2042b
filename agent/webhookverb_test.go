package main

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// webhook sends a file to the agent of agent.yaml as GitHub sends a push, signed by the
// content of another, checks the status, and leaves the body in the file answer.
func (w *testWorld) webhook(ts *testscript.TestScript, args []string) error {
	if err := ts.Exec("agent", "status", "--config", "agent.yaml", "--output", "json"); err != nil && ts.ReadFile("stdout") == "" {
		return err
	}
	var status struct{ HTTP string }
	if err := json.Unmarshal([]byte(ts.ReadFile("stdout")), &status); err != nil {
		return err
	}
	body := ts.ReadFile(args[1])
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, status.HTTP+"/webhook", strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("X-GitHub-Event", "push")
	req.Header.Set("X-GitHub-Delivery", rand.Text())
	if len(args) > 2 {
		mac := hmac.New(sha256.New, []byte(strings.TrimSpace(ts.ReadFile(args[2]))))
		mac.Write([]byte(body))
		req.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if strconv.Itoa(resp.StatusCode) != args[0] {
		return fmt.Errorf("it answers %s, want %s: %s", resp.Status, args[0], text)
	}
	return os.WriteFile(ts.MkAbs("answer"), text, 0o600)
}
