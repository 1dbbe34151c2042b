package metrics_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"berth/agent/internal/metrics"
	"berth/agent/internal/pause"
	"berth/agent/internal/turn"
	"berth/agent/internal/web"
	"berth/drift"
	"berth/drift/report"
)

// TestPromtoolChecksMetrics has Prometheus's own tool check what a scrape answers, with a
// value of each metric that there is.
func TestPromtoolChecksMetrics(t *testing.T) {
	if os.Getenv("BERTH_REAL") != "1" {
		t.Skip("runs promtool: set BERTH_REAL=1, or run deploy/test")
	}
	tool, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatalf("BERTH_REAL=1 asks for real components: %v; deploy/test installs them", err)
	}
	w := watch(t)
	if err := os.WriteFile(filepath.Join(w.dir, "turn.jsonl"), make([]byte, 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	w.Target("chat \"of\" all\n")
	w.Delivery("gitea", "started")
	w.ForgeAsked(errors.New("502"))
	w.Polled(nil)
	w.Request("home", "GET", "/version", 200, time.Second)
	refused := sample("home", "paris")
	refused.Commit = report.Commit{Hash: "aaaa", Time: w.at}
	refused.Refused = &report.Refusal{Commit: report.Commit{Hash: "bbbb"}, Reason: "it does not load"}
	w.turn(turn.Request{Mode: report.Run, Why: "start"}, refused, nil, 2*time.Second)
	w.status = web.Status{
		Commit: refused.Commit, Refused: refused.Refused, Paused: &pause.Pause{Since: w.at},
		Now: &web.Underway{Since: w.at}, Next: &web.Next{At: w.at.Add(time.Minute)},
		Expiries: []drift.Expiry{{Kind: drift.TokenExpiry, ID: "site/home", What: "berth@pve!agent", At: w.at.Add(time.Hour)}},
	}
	text := w.scrape()
	for _, name := range metrics.New("", t.TempDir(), nil).Names() {
		if !strings.Contains(text, "\n# TYPE "+name+" ") {
			t.Errorf("the scrape has no %s, which is not checked", name)
		}
	}
	check := exec.CommandContext(t.Context(), tool, "check", "metrics")
	check.Stdin = strings.NewReader(text)
	if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}
