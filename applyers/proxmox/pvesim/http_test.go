package pvesim

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestEvery401IsHeldBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Options{AuthDelay: 3 * time.Second})
		for token, reason := range map[string]string{"": "No ticket", "a@pve!b=c": "Authentication failed!"} {
			began := time.Now()
			r := client{t: t, c: c, token: token}.do("GET", "/version", nil)
			if r.status != 401 || r.reason != reason || time.Since(began) != 3*time.Second {
				t.Errorf("%q: %d %s after %s", token, r.status, r.reason, time.Since(began))
			}
		}
	})
}

// A real client over TLS must see the reason phrases, and errors close the connection.
func TestServeOverTLS(t *testing.T) {
	c, api := withVM(t, Options{})
	srv := httptest.NewTLSServer(c)
	defer srv.Close()
	hc := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer hc.CloseIdleConnections()
	get := func(method, path, body string) (status string, closed bool, text string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, srv.URL+"/api2/json"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "PVEAPIToken="+api.token)
		if body != "" {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		resp, err := hc.Do(r)
		if err != nil {
			t.Fatalf("%s %s: %v", method, path, err)
		}
		defer func() { _ = resp.Body.Close() }()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.Status, resp.Close, string(b)
	}
	if status, closed, body := get("GET", "/version", ""); status != "200 OK" || !strings.Contains(body, "8.4.21") || closed {
		t.Errorf("%s close=%v %s", status, closed, body)
	}
	status, closed, body := get("GET", "/nodes/pve1/qemu/999/config", "")
	if status != "500 Configuration file 'nodes/pve1/qemu-server/999.conf' does not exist" || !closed || !strings.Contains(body, `"data":null`) {
		t.Errorf("%s close=%v %s", status, closed, body)
	}
	if status, closed, _ := get("PUT", vm100+"/config", "cores=2"); status != "200 OK" || !closed {
		t.Errorf("%s close=%v", status, closed)
	}
	c.Inject(Fault{Drop: true})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, srv.URL+"/api2/json/version", nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := hc.Do(r); err == nil {
		_ = resp.Body.Close()
		t.Error("a dropped connection gave an answer")
	}
}

func TestNoQuorumAndAbsentNodes(t *testing.T) {
	c := New(Options{Nodes: []string{"a", "b"}})
	api := rootClient(t, c)
	c.SetQuorum(false)
	api.fails("POST", "/nodes/a/qemu", form("vmid", "100"), 500, "no quorum")
	api.ok("GET", "/cluster/resources", nil)
	c.SetQuorum(true)
	c.AddGuest(Guest{VMID: 100, Node: "b", Running: true, Config: map[string]string{"name": "x"}})
	c.SetOnline("b", false)
	api.fails("GET", "/nodes/b/qemu/100/config", nil, 595, "No route to host")
	rows, _ := api.ok("GET", "/cluster/resources?type=vm", nil).([]any)
	if row, _ := rows[0].(map[string]any); row["status"] != "unknown" {
		t.Errorf("row = %v", rows[0])
	}
}
