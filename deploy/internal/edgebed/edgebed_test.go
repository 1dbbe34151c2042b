//go:build linux

package edgebed_test

import (
	"net/netip"
	"strings"
	"testing"

	"berth/deploy/internal/edgebed"
	"berth/deploy/internal/standin"
)

// byHand is a configuration that nobody but this test manages.
const byHandStream = `map $ssl_preread_server_name $to {
  hostnames;
  default 10.77.2.1:443;
  .lab.example.test 10.77.2.2:443;
}
server {
  listen 443;
  listen [::]:443;
  ssl_preread on;
  proxy_pass $to;
}
server { listen 4443; proxy_protocol on; proxy_pass 10.77.2.3:443; }
server { listen 25; proxy_pass 10.77.2.4:25; }
server { listen 3478 udp; proxy_responses 1; proxy_pass 10.77.2.5:3478; }
`

const byHandHTTP = `server {
  listen 80 default_server;
  location / {
    proxy_pass http://10.77.2.6:80;
    proxy_http_version 1.1;
    proxy_set_header Host $host;
    proxy_set_header X-Real-IP $remote_addr;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection upgrade;
  }
}
`

// TestBed tries the test bed itself by an nginx that was configured by hand.
func TestBed(t *testing.T) {
	t.Parallel()
	n := standin.Net(t)
	for _, a := range []string{"10.77.2.1/16", "10.77.2.2/16", "10.77.2.3/16", "10.77.2.4/16", "10.77.2.5/16", "10.77.2.6/16", "10.77.3.1/16", "fd77::1/64"} {
		n.Address(t, a)
	}
	edgebed.TLS(t, n, "prod", "10.77.2.1:443", edgebed.Plain)
	edgebed.TLS(t, n, "lab", "10.77.2.2:443", edgebed.Plain)
	edgebed.TLS(t, n, "headed", "10.77.2.3:443", edgebed.Proxy)
	edgebed.TCP(t, n, "mail", "10.77.2.4:25", edgebed.Plain)
	edgebed.UDP(t, n, "stun", "10.77.2.5:3478")
	edgebed.HTTP(t, n, "site", "10.77.2.6:80", edgebed.Plain)
	_, key := standin.ClientKey(t)
	h := edgebed.NewHost(t, n, "edge", "10.77.0.5", key)
	h.Address6(t, "fd77::5/64")
	h.WriteFile(t, edgebed.Stream, byHandStream, 0o644)
	h.WriteFile(t, edgebed.HTTP80, byHandHTTP, 0o644)
	h.Run(t, "nginx", "-s", "reload")
	edgebed.Answers(t, n, "10.77.0.5:443")
	edgebed.Answers(t, n, "10.77.0.5:80")

	client := edgebed.Client{Network: n, From: netip.MustParseAddr("10.77.3.1")}
	for name, want := range map[string]string{"a.lab.example.test": "lab", "A.LAB.EXAMPLE.TEST": "lab", "": "prod", "www.example.test": "prod"} {
		seen, err := client.Who(t.Context(), "10.77.0.5:443", name)
		if err != nil || seen != (edgebed.Seen{Backend: want, Peer: "10.77.0.5", SNI: strings.ToLower(name)}) && seen.SNI != name {
			t.Errorf("%q: %+v, %v", name, seen, err)
		}
	}
	if seen, err := (edgebed.Client{Network: n}).Who(t.Context(), "[fd77::5]:443", "a.lab.example.test"); err != nil || seen.Backend != "lab" {
		t.Errorf("by IPv6: %+v, %v", seen, err)
	}
	if seen, err := client.Who(t.Context(), "10.77.0.5:4443", "x"); err != nil || seen.Backend != "headed" || seen.Proxy != "10.77.3.1" {
		t.Errorf("with a header: %+v, %v", seen, err)
	}
	if _, err := client.Who(t.Context(), "10.77.2.3:443", "x"); !edgebed.Closed(err) {
		t.Errorf("without a header: %v", err)
	}
	if seen, err := client.Who(t.Context(), "10.77.2.1:443", "x"); err != nil || seen.Peer != "10.77.3.1" {
		t.Errorf("by itself: %+v, %v", seen, err)
	}
	mail, err := client.TCP(t.Context(), "10.77.0.5:25")
	if err != nil {
		t.Fatal(err)
	}
	if seen, err := mail.Ask(); err != nil || seen.Backend != "mail" {
		t.Errorf("port 25: %+v, %v", seen, err)
	}
	_ = mail.Close()
	if seen, err := client.UDP(t.Context(), "10.77.0.5:3478"); err != nil || seen.Backend != "stun" {
		t.Errorf("port 3478: %+v, %v", seen, err)
	}
	page, err := client.HTTP(t.Context(), "10.77.0.5:80", "www.example.test")
	if err != nil || page.Status != 200 || page.Backend != "site" || page.Seen != (edgebed.Seen{Backend: "site", Peer: "10.77.0.5", Host: "www.example.test", RealIP: "10.77.3.1"}) {
		t.Errorf("a page: %+v, %v", page, err)
	}
	socket, err := client.Upgrade(t.Context(), "10.77.0.5:80", "www.example.test")
	if err != nil {
		t.Fatal(err)
	}
	if seen, err := socket.Ask(); err != nil || seen.Backend != "site" {
		t.Errorf("upgraded: %+v, %v", seen, err)
	}
	_ = socket.Close()
	visitors := client.Visit(t, "10.77.0.5:443", map[string][]string{"a.lab.example.test": {"lab"}, "www.example.test": {"lab"}})
	held, err := client.TLS(t.Context(), "10.77.0.5:443", "a.lab.example.test")
	if err != nil {
		t.Fatal(err)
	}
	h.Run(t, "nginx", "-s", "reload")
	if seen, err := held.Ask(); err != nil || seen.Backend != "lab" {
		t.Errorf("after a reload: %+v, %v", seen, err)
	}
	_ = held.Close()
	visits, wrong := visitors.End()
	if visits == 0 || len(wrong) == 0 || !strings.Contains(wrong[0], `"www.example.test" reaches "prod", not ["lab"]`) {
		t.Errorf("%d visits, of which wrong: %q", visits, wrong)
	}
	// The user who may sudo, and a cable that is out.
	if who := h.Run(t, "setpriv", "--reuid=ops", "--regid=ops", "--clear-groups", "sudo", "-n", "id", "-u"); strings.TrimSpace(who) != "0" {
		t.Errorf("sudo makes ops %q", who)
	}
}
