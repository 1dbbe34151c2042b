package metrics_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"berth/agent/internal/metrics"
	"berth/agent/internal/pause"
	"berth/agent/internal/turn"
	"berth/agent/internal/web"
	"berth/applyers"
	"berth/desired"
	"berth/drift"
	"berth/drift/report"
)

// watched are metrics with a clock of their own.
type watched struct {
	*metrics.Metrics
	t      *testing.T
	dir    string
	at     time.Time
	status web.Status
}

func watch(t *testing.T) *watched {
	t.Helper()
	w := &watched{t: t, dir: t.TempDir(), at: time.Unix(1e9, 0)}
	w.Metrics = metrics.New("v1.2.3", w.dir, func() time.Time { return w.at })
	w.Watch(func() web.Status { return w.status })
	return w
}

// scrape is what Prometheus gets, without the metrics of Go and of the process.
func (w *watched) scrape() string {
	w.t.Helper()
	out := httptest.NewRecorder()
	w.Handler().ServeHTTP(out, httptest.NewRequestWithContext(w.t.Context(), http.MethodGet, "/metrics", nil))
	if out.Code != http.StatusOK {
		w.t.Fatalf("scraped: %d %s", out.Code, out.Body)
	}
	return out.Body.String()
}

// turn makes one that takes a while.
func (w *watched) turn(req turn.Request, rep *report.Report, err error, took time.Duration) {
	w.t.Helper()
	w.Began(req)
	w.at = w.at.Add(took)
	if rep != nil {
		rep.Summarize()
	}
	w.Ended(req, rep, err, nil)
}

// wants looks for lines.
func (w *watched) wants(what string, lines ...string) {
	w.t.Helper()
	text := "\n" + w.scrape()
	for _, line := range lines {
		if !strings.Contains(text, "\n"+line+"\n") {
			name, _, _ := strings.Cut(line, "{")
			name, _, _ = strings.Cut(name, " ")
			w.t.Errorf("%s: no %s among\n%s", what, line, strings.Join(regexp.MustCompile(`(?m)^`+name+`.*$`).FindAllString(text, -1), "\n"))
		}
	}
}

// wantsNone looks for what must not be there.
func (w *watched) wantsNone(what string, parts ...string) {
	w.t.Helper()
	text := w.scrape()
	for _, part := range parts {
		if strings.Contains(text, part) {
			w.t.Errorf("%s: there is %s in\n%s", what, part, text)
		}
	}
}

func change(id desired.ID, site string) drift.Change {
	return drift.Change{Key: drift.Key{ID: id, Step: drift.Online}, Site: site}
}

func outcome(id desired.ID, status drift.Status) drift.Outcome {
	return drift.Outcome{Key: drift.Key{ID: id, Step: drift.Online}, Status: status}
}

// sample is a turn's report with a bit of everything.
func sample(sites ...string) *report.Report {
	return &report.Report{
		Mode: report.Run, Contents: report.Contents{Sites: sites},
		Plan: &drift.Plan{
			Changes: []drift.Change{change("vm/web", "home"), change("vm/db", "home"), change("ct/dns", "paris"), change("edge/main", "")},
			Blind:   []drift.Blind{{Kind: "play", Reason: "x"}, {ID: "vm/odd", Site: "home", Reason: "x"}},
			Counts:  map[string]drift.Count{"home": {Ours: 3, Others: 20, Unread: 1}, "paris": {Ours: 1}},
		},
		Outcomes: []drift.Outcome{outcome("vm/web", drift.Done), outcome("vm/db", drift.Failed), outcome("ct/dns", drift.Held), outcome("edge/main", drift.Done)},
	}
}

// TestTurnsAreCounted makes turns of all sorts.
func TestTurnsAreCounted(t *testing.T) {
	w := watch(t)
	w.wants("before the first turn", `berth_build_info{goversion="`+runtime.Version()+`",version="v1.2.3"} 1`, "berth_last_success_timestamp_seconds 0", "berth_repository_reachable 0", "berth_up_to_date 1", "berth_locked 0", `berth_polls_total{result="failed"} 0`)
	w.turn(turn.Request{Mode: report.Run, Why: "start"}, sample("home", "paris"), nil, 2*time.Second)
	w.wants("a step failed",
		`berth_turns_total{mode="run",result="failed"} 1`,
		`berth_turn_duration_seconds_sum{why="start"} 2`,
		`berth_turn_duration_seconds_bucket{why="start",le="3"} 1`,
		`berth_turn_duration_seconds_bucket{why="start",le="1"} 0`,
		`berth_changes_total{kind="vm",outcome="done"} 1`,
		`berth_changes_total{kind="vm",outcome="failed"} 1`,
		`berth_changes_total{kind="ct",outcome="held"} 1`,
		`berth_drift_resources{kind="vm",site="home"} 1`,
		`berth_drift_resources{kind="ct",site="paris"} 1`,
		`berth_unknown_scopes{site=""} 1`,
		`berth_unknown_scopes{site="home"} 1`,
		`berth_unknown_scopes{site="paris"} 0`,
		`berth_guests{owner="ours",site="home"} 3`,
		`berth_guests{owner="foreign",site="home"} 20`,
		`berth_guests{owner="unread",site="home"} 1`,
		`berth_site_last_read_timestamp_seconds{site="home"} 1.000000002e+09`,
		`berth_last_success_timestamp_seconds 0`,
		`berth_last_full_look_timestamp_seconds 1.000000002e+09`,
		`berth_repository_reachable 1`,
	)
	w.wantsNone("what was done is no drift", `berth_drift_resources{kind="edge"`)
	well := sample("home", "paris")
	well.Outcomes[1].Status, well.Outcomes[2].Status = drift.Done, drift.Done
	w.turn(turn.Request{Mode: report.Run, Why: "retry, changed: vm/web started and more", Quick: true}, well, nil, time.Second)
	w.wants("all went well", `berth_turns_total{mode="run",result="ok"} 1`, `berth_turn_duration_seconds_count{why="retry"} 1`,
		`berth_last_success_timestamp_seconds 1.000000003e+09`, `berth_last_full_look_timestamp_seconds 1.000000002e+09`)
	w.wantsNone("all went well", "berth_drift_resources{")
	// One name of an edge is held, and a site's token waits for an unlock.
	part := sample("home", "paris")
	part.Plan.Changes = part.Plan.Changes[3:]
	part.Plan.Changes[0].Fields = []drift.Field{{Path: "tls.routes[a.example.com]"}, {Path: "tls.routes[b.example.com]", Held: "it has no known address"}}
	part.Plan.Blind = []drift.Blind{{Site: "paris", Reason: "read the token: " + desired.WaitingForUnlock + ": run `agent unlock`"}}
	part.Outcomes = part.Outcomes[3:]
	w.turn(turn.Request{Mode: report.Run, Why: "sweep", Quick: true}, part, nil, 0)
	w.wants("a part of it is held, and another waits", `berth_drift_resources{kind="edge",site=""} 1`, `berth_unknown_scopes{site="paris"} 0`,
		`berth_site_last_read_timestamp_seconds{site="paris"} 1.000000003e+09`)
	// What says nothing of the whole fleet changes nothing about it.
	w.turn(turn.Request{Mode: report.Drift, Only: []string{"vm/web"}}, &report.Report{Plan: &drift.Plan{}}, nil, time.Second)
	w.turn(turn.Request{Mode: report.Run, Plan: "x"}, sample(), &turn.PlanChangedError{}, time.Second)
	w.turn(turn.Request{Mode: report.Run, Why: "provision web"}, nil, errors.New("no"), time.Second)
	w.turn(turn.Request{Mode: report.Run, Why: "the weather"}, nil, applyers.ErrLeft, time.Second)
	w.wants("other turns",
		`berth_turns_total{mode="drift",result="ok"} 1`, `berth_turns_total{mode="run",result="mistaken"} 1`,
		`berth_turns_total{mode="run",result="broken"} 1`, `berth_turns_total{mode="run",result="left"} 1`,
		`berth_turn_duration_seconds_count{why="drift"} 1`, `berth_turn_duration_seconds_count{why="sync"} 1`,
		`berth_turn_duration_seconds_count{why="hook"} 1`, `berth_turn_duration_seconds_count{why="other"} 1`,
		`berth_guests{owner="foreign",site="home"} 20`, `berth_last_success_timestamp_seconds 1.000000003e+09`)
}

// TestCommits follows a commit that is refused, another one, and a good one.
func TestCommits(t *testing.T) {
	w := watch(t)
	refused := func(hash string) *report.Report {
		rep := sample("home")
		rep.Refused = &report.Refusal{Commit: report.Commit{Hash: hash}}
		return rep
	}
	w.turn(turn.Request{Mode: report.Run}, refused("bbbb"), nil, time.Second)
	w.at = w.at.Add(time.Minute)
	w.turn(turn.Request{Mode: report.Run}, refused("cccc"), nil, 0)
	w.status = web.Status{
		Commit:  report.Commit{Hash: "aaaa", Time: time.Unix(9e8, 0)},
		Refused: &report.Refusal{Commit: report.Commit{Hash: "cccc"}}, Lock: web.LockStatus{State: web.LockLocked},
		Waiting: make([]turn.Waiting, 3), Failing: make([]turn.Failing, 2), Held: make([]web.Held, 1),
		Now: &web.Underway{Since: w.at.Add(-5 * time.Second)}, Last: &web.Turn{Ended: time.Unix(9e8, 0)}, Next: &web.Next{At: time.Unix(2e9, 0)},
	}
	w.wants("refused", "berth_up_to_date 0", "berth_commit_behind_seconds 60", `berth_commit_info{commit="aaaa",state="enforced"} 1`, `berth_commit_info{commit="cccc",state="seen"} 1`,
		"berth_commit_timestamp_seconds 9e+08", "berth_locked 1", "berth_waiting_resources 3", "berth_failing_resources 2", "berth_held_resources 1",
		"berth_turn_underway 1", "berth_turn_underway_seconds 5", "berth_last_turn_timestamp_seconds 9e+08", "berth_next_turn_timestamp_seconds 2e+09")
	silent := sample("home")
	silent.Refused = &report.Refusal{}
	w.turn(turn.Request{Mode: report.Run}, silent, nil, time.Second)
	w.wants("the repository is silent", "berth_repository_reachable 0", "berth_repository_last_contact_timestamp_seconds 1.000000061e+09")
	w.status.Expiries = []drift.Expiry{
		{Kind: drift.CertificateExpiry, ID: "site/home", What: "https://b", At: time.Unix(3e9, 0)},
		{Kind: drift.CertificateExpiry, ID: "site/home", What: "https://a", At: time.Unix(2e9, 0)},
		{Kind: drift.TokenExpiry, ID: "site/home", What: "berth@pve!agent"},
		{Kind: drift.ApprovalExpiry, ID: "approval/web", At: time.Unix(2e9, 0)},
	}
	w.wants("the first certificate", `berth_expiry_timestamp_seconds{site="home",what="certificate"} 2e+09`)
	w.wantsNone("what never expires, and what is meant to", `what="token"`, `what="approval"`)
	paused := sample("home")
	paused.Mode, w.status.Paused = report.Drift, &pause.Pause{}
	w.turn(turn.Request{Mode: report.Drift, Paused: true, Why: "sweep"}, paused, nil, 0)
	w.wants("paused", "berth_paused 1", fmt.Sprintf("berth_last_full_look_timestamp_seconds %v", float64(w.at.Unix())))
	w.Polled(nil)
	w.wants("it is back", "berth_repository_reachable 1", `berth_polls_total{result="ok"} 1`)
	w.turn(turn.Request{Mode: report.Run}, sample("home"), nil, 0)
	w.status.Paused = nil
	w.wants("a good one", "berth_paused 0", "berth_up_to_date 1", "berth_commit_behind_seconds 0")
}

// TestSitesThatGoAwayLeaveNothing takes a site out, and makes another dark.
func TestSitesThatGoAwayLeaveNothing(t *testing.T) {
	w := watch(t)
	w.Request("paris", "GET", "/version", 200, time.Second)
	w.Request("home", "GET", "/version", 0, time.Second)
	w.turn(turn.Request{Mode: report.Run}, sample("home", "paris"), nil, time.Second)
	w.wants("both", `berth_proxmox_requests_total{method="GET",path="/version",status="200"} 1`, `berth_proxmox_requests_total{method="GET",path="/version",status="none"} 1`,
		`berth_proxmox_request_duration_seconds_count{site="paris"} 1`)
	next := sample("home")
	next.Plan.Changes, next.Plan.Counts = nil, nil
	next.Plan.Blind = []drift.Blind{{Site: "home", Reason: "401"}}
	w.turn(turn.Request{Mode: report.Run}, next, nil, time.Second)
	w.wantsNone("paris is gone", "paris")
	w.wants("home is dark", `berth_unknown_scopes{site="home"} 1`, `berth_site_last_read_timestamp_seconds{site="home"} 1.000000001e+09`)
	w.wantsNone("home is dark", "berth_guests{")
}

// TestOthersAreCounted counts what forges send, what people are told, and what the forge
// is asked.
func TestOthersAreCounted(t *testing.T) {
	w := watch(t)
	w.Target("chat")
	w.wants("before any", `berth_notifications_total{result="given_up",target="chat"} 0`, `berth_forge_requests_total{result="failed"} 0`, `berth_turns_total{mode="run",result="broken"} 0`)
	w.Notified("chat", "given up")
	w.Delivery("gitea", "refused")
	w.ForgeAsked(errors.New("502"))
	w.ForgeAsked(nil)
	w.Request("home", "GET", "/version", 1000, time.Second)
	w.wants("each once", `berth_notifications_total{result="given_up",target="chat"} 1`, `berth_webhook_deliveries_total{forge="gitea",result="refused"} 1`,
		`berth_forge_requests_total{result="failed"} 1`, `berth_forge_requests_total{result="ok"} 1`, `berth_proxmox_requests_total{method="GET",path="/version",status="other"} 1`)
}

// TestSeriesAreFew has a large fleet do all there is a thousand times.
func TestSeriesAreFew(t *testing.T) {
	w := watch(t)
	for n := range 1000 {
		rep := sample("home", "paris")
		for i := range 20 {
			id := desired.ID(fmt.Sprintf("vm/guest-%d-%d", n, i))
			rep.Plan.Changes = append(rep.Plan.Changes, change(id, "home"))
			rep.Outcomes = append(rep.Outcomes, outcome(id, drift.Failed))
			rep.Plan.Blind = append(rep.Plan.Blind, drift.Blind{ID: id, Site: "home"})
		}
		w.turn(turn.Request{Mode: report.Run, Why: fmt.Sprintf("changed: vm/guest-%d started", n)}, rep, nil, time.Second)
		w.status.Commit.Hash = fmt.Sprintf("%040d", n)
	}
	text := w.scrape()
	if lines := len(regexp.MustCompile(`(?m)^berth_`).FindAllString(text, -1)); lines > 100 {
		t.Errorf("%d series:\n%s", lines, text)
	}
	if strings.Contains(text, "guest-") {
		t.Error("a guest's name is in a label")
	}
}

// TestJournalIsMeasured measures it once a minute.
func TestJournalIsMeasured(t *testing.T) {
	w := watch(t)
	w.wants("none", "berth_journal_size_bytes 0")
	if err := os.WriteFile(filepath.Join(w.dir, "turn.jsonl"), make([]byte, 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	w.wants("lately", "berth_journal_size_bytes 0")
	w.at = w.at.Add(time.Minute)
	w.wants("a minute later", "berth_journal_size_bytes 1000")
}

// TestAllIsDocumented holds METRICS.md against what there is, both ways.
func TestAllIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../METRICS.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := regexp.MustCompile("`(berth_[a-z_]+)`").FindAllSubmatch(text, -1)
	var told []string
	for _, m := range documented {
		told = append(told, string(m[1]))
	}
	slices.Sort(told)
	names := metrics.New("", t.TempDir(), nil).Names()
	for _, name := range names {
		if !slices.Contains(told, name) {
			t.Errorf("METRICS.md does not tell of %s", name)
		}
	}
	for _, name := range slices.Compact(told) {
		if !slices.Contains(names, name) {
			t.Errorf("METRICS.md tells of %s, which there is not", name)
		}
	}
}

// TestScrapesLeaveNothing scrapes many times: memory and goroutines stay as they are.
func TestScrapesLeaveNothing(t *testing.T) {
	w := watch(t)
	w.turn(turn.Request{Mode: report.Run}, sample("home", "paris"), nil, time.Second)
	times := 300
	if os.Getenv("BERTH_EVERY") == "1" {
		times = 10_000
	}
	handler := w.Handler()
	scrape := func() {
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	}
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for range 20 {
		scrape()
	}
	before, goroutines := heap(), runtime.NumGoroutine()
	for range times {
		scrape()
	}
	if after := heap(); after > before+1<<20 {
		t.Errorf("%d scrapes leave %d bytes", times, after-before)
	}
	if now := runtime.NumGoroutine(); now > goroutines+2 {
		t.Errorf("%d scrapes leave %d goroutines", times, now-goroutines)
	}
}
