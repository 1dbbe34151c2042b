package pve

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestKindsOfPath holds that no name and no number comes into a kind, and that there are
// few of them.
func TestKindsOfPath(t *testing.T) {
	for path, want := range map[string]string{
		"/api2/json/version":                                           "/version",
		"/cluster/nextid?vmid=4001":                                    "/cluster/nextid",
		"/cluster/log?max=500":                                         "/cluster/log",
		"/nodes/pve1/qemu":                                             "/nodes/{node}/qemu",
		"/nodes/pve1/lxc/118/pending":                                  "/nodes/{node}/lxc/{vmid}/pending",
		"/nodes/pve1/qemu/4001/status/current":                         "/nodes/{node}/qemu/{vmid}/status/{verb}",
		"/nodes/pve1/qemu/4001/agent/file-read?file=":                  "/nodes/{node}/qemu/{vmid}/agent/{verb}",
		"/nodes/pve1/tasks/UPID:pve1:1:2:3:qmstart:1:root@pam:/status": "/nodes/{node}/tasks/{upid}/status",
		"/nodes/pve1/storage/local/content/local:import/seed.raw":      "/nodes/{node}/storage/{storage}/content/{volume}",
		"/nodes/pve1/storage/local/content?content=iso":                "/nodes/{node}/storage/{storage}/content",
		"/pools/a/b":                             "/pools/{pool}",
		"/pools/a%2Fb":                           "/pools/{pool}",
		"/nodes/version":                         OtherPath,
		"/nodes/pve1/qemu/4001/made-up":          OtherPath,
		"/nodes/pve1/qemu/4001/status/current/x": OtherPath,
		"/nodes//qemu":                           OtherPath,
		"/nodes/":                                OtherPath,
		"":                                       OtherPath,
		"/":                                      OtherPath,
		"version":                                OtherPath,
	} {
		if got := PathKind(path); got != want {
			t.Errorf("%q is a %q, want %q", path, got, want)
		}
	}
	if !slices.IsSorted(kinds) || len(slices.Compact(slices.Clone(kinds))) != len(kinds) {
		t.Error("the kinds are not sorted, or one stands there twice")
	}
	for _, kind := range kinds {
		if got := PathKind(strings.NewReplacer("{", "", "}", "").Replace(kind)); got != kind {
			t.Errorf("a path of kind %s is taken for a %s", kind, got)
		}
	}
}

// TestEachRequestIsObserved watches answers, refusals, repeats, and what was never
// answered.
func TestEachRequestIsObserved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		statuses := []int{200, 503, 200, 500}
		c := clientAt(t, roundTrip(func(r *http.Request) (*http.Response, error) {
			<-time.After(time.Second)
			if r.Method == http.MethodPut {
				return nil, context.DeadlineExceeded
			}
			status := statuses[0]
			statuses = statuses[1:]
			return answer(status, "x", `{"data":null}`), nil
		}), "https://a")
		var seen []Request
		c.Observe(func(r Request) { seen = append(seen, r) })
		_ = c.Get(t.Context(), "/version", nil)
		_ = c.Get(t.Context(), "/cluster/tasks", nil) // Repeated once.
		_ = c.Write(t.Context(), http.MethodPost, "/nodes/a/qemu/1/clone", Params{"x": "y"}, nil)
		_ = c.Write(t.Context(), http.MethodPut, "/nodes/a/qemu/1/config", Params{"x": "y"}, nil)
		want := []Request{
			{"home", "GET", "/version", 200, time.Second},
			{"home", "GET", "/cluster/tasks", 503, time.Second},
			{"home", "GET", "/cluster/tasks", 200, time.Second},
			{"home", "POST", "/nodes/{node}/qemu/{vmid}/clone", 500, time.Second},
			{"home", "PUT", "/nodes/{node}/qemu/{vmid}/config", 0, time.Second},
		}
		if !slices.Equal(seen, want) {
			t.Errorf("observed\n%+v\nwant\n%+v", seen, want)
		}
	})
}
