package web_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"berth/agent/internal/history"
	"berth/agent/internal/journal"
	"berth/agent/internal/turn"
	"berth/agent/internal/web"
	"berth/applyers"
	"berth/drift"
	"berth/drift/explain"
	"berth/drift/report"
)

// kept is an archive of one turn that did something.
func kept(t *testing.T) (archive history.Archive, id string) {
	t.Helper()
	dir := t.TempDir()
	archive = history.Archive{Journal: filepath.Join(dir, "journal"), History: filepath.Join(dir, "history")}
	j, err := journal.Open(journal.Options{Dir: archive.Journal})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	id = j.NextID()
	log := j.StartLog(id)
	key := drift.Key{ID: "play/base", Step: drift.Run}
	rep := &report.Report{
		Version: report.Version, Turn: id, Mode: report.Run,
		Plan: &drift.Plan{Changes: []drift.Change{{Key: key}}}, Outcomes: []drift.Outcome{{Key: key, Status: drift.Done}},
	}
	rep.Summarize()
	e, err := j.Begin(journal.Turn{ID: id, Why: "commit", Plan: rep.Plan})
	if err != nil {
		t.Fatal(err)
	}
	slog.New(j.Handler()).InfoContext(applyers.InTurn(t.Context(), id), "step done")
	out := j.Output(id, key)
	_, _ = out.Write([]byte("<script>"))
	text, err := json.Marshal(rep)
	if err == nil {
		err = e.End(text)
	}
	if err != nil || out.Close() != nil || log.Close() != nil {
		t.Fatal(err)
	}
	history.New(history.Options{Dir: archive.History}).Tell(history.Ended{ID: id, At: time.Now(), Why: "commit", Report: rep})
	return archive, id
}

func TestPastIsServed(t *testing.T) {
	archive, id := kept(t)
	api := web.API{
		Archive: archive, Log: slog.New(slog.DiscardHandler),
		Ask: func(_ context.Context, req turn.Request) (*report.Report, error) {
			if req.Mode != report.Drift || req.Explain == "ct/none" {
				return nil, &turn.UnknownResourceError{Word: string(req.Explain), Near: []string{"ct/one"}}
			}
			return &report.Report{Fleet: "tested", Plan: &drift.Plan{}, Explained: &explain.Explanation{Version: 1, ID: req.Explain}}, nil
		},
	}
	for _, row := range []struct {
		ask, body string
		status    int
		want      string
	}{
		{"GET /v1/turns", "", 200, `"result":"done","kept":true`},
		{"GET /v1/turns?limit=1&failed=true", "", 200, `{"version":1,"turns":[]}`},
		{"GET /v1/turns?before=" + id, "", 200, `{"version":1,"turns":[]}`},
		{"GET /v1/turns?since=2100-01-01T00:00:00Z", "", 200, `{"version":1,"turns":[]}`},
		{"GET /v1/turns?resource=play/base", "", 200, `"resource":"play/base","lines":[{`},
		{"GET /v1/turns?resource=web", "", 400, `"resource=web: write KIND/NAME, as vm/web-1"`},
		{"GET /v1/turns?limit=0", "", 400, `"limit=0: write a number from 1 to 10000"`},
		{"GET /v1/turns?limit=x", "", 400, `"limit=x: write a number from 1 to 10000"`},
		{"GET /v1/turns?before=zzz", "", 400, `"before=zzz: write a turn's id as the list has it, 20261121T140000.000Z, or how it begins"`},
		{"GET /v1/turns?failed=maybe", "", 400, `"failed=maybe: write true or false"`},
		{"GET /v1/turns?since=yesterday", "", 400, `"since=yesterday: write a time as 2026-11-21T14:00:00Z"`},
		{"GET /v1/turns?lmit=1", "", 400, `there is no such parameter: write resource, limit, before, since or failed`},
		{"GET /v1/turns/" + id, "", 200, `"log":true,"outputs":[{"name":"play.base.run.log","size":8}]`},
		{"GET /v1/turns/last", "", 200, id},
		{"GET /v1/turns/last-failed", "", 404, `none of the turns that are kept failed`},
		{"GET /v1/turns/1999", "", 404, `no turn begins with`},
		{"GET /v1/turns/..%2f..%2fetc%2fpasswd", "", 404, `no turn begins with`},
		{"GET /v1/turns/last/log", "", 200, `"msg":"step done"`},
		{"GET /v1/turns/last/output/play.base.run.log", "", 200, `<script>`},
		{"GET /v1/turns/last/output/..%2fruns.json", "", 404, `it has play.base.run.log`},
		{"GET /v1/turns/last/output/turn.log", "", 404, `it has play.base.run.log`},
		{"POST /v1/explain", `{"resource":"ct/one"}`, 200, `{"fleet":"tested","explanation":{"version":1,"resource":"ct/one"`},
		{"POST /v1/explain", `{"resource":"ct/none"}`, 404, `did you mean ct/one?`},
		{"POST /v1/explain", ``, 400, `write {\"resource\": \"vm/web-1\"}`},
		{"POST /v1/explain", `{"resource":"ct"}`, 400, `the request names no resource`},
		{"POST /v1/explain", `{"id":"ct/one"}`, 400, `unknown field`},
	} {
		method, path, _ := strings.Cut(row.ask, " ")
		w := httptest.NewRecorder()
		api.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(row.body)))
		if w.Code != row.status || !strings.Contains(w.Body.String(), row.want) {
			t.Errorf("%s %s: %d %s\nwant %d and %s", row.ask, row.body, w.Code, w.Body, row.status, row.want)
		}
		if strings.Contains(path, "/output/") && w.Code == http.StatusOK && (w.Header().Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain")) {
			t.Errorf("%s: %v", row.ask, w.Header())
		}
	}
}
