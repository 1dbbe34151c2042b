package proxmox

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"berth/applyers/proxmox/notation"
	"berth/applyers/proxmox/pvesim"
	"berth/applyers/proxmox/stamp"
	"berth/drift"
)

const dhcpYAML = `
kind: Container
name: lease
id: 4010
disks: {rootfs: {image: debian-ct, storage: ssd, size: 4GiB}}
networks: {net0: {network: lan}}
`

const agentYAML = `
kind: VM
name: asker
id: 4011
agent: true
disks: {scsi0: {image: debian-12, storage: ssd, size: 8GiB}}
networks: {net0: {network: lan}}
`

func TestAddressesAreAskedOfTheGuest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, dhcpYAML, agentYAML+"ready: {agent: true}\n")
		time.AfterFunc(time.Minute, func() {
			b.sim.SetGuestAgent(4011, pvesim.Interface{Name: "eth9", MAC: "00:00:00:00:00:01", Addresses: []string{"172.17.0.1/16"}},
				pvesim.Interface{Name: "eth0", MAC: nicMAC(b.guest(4011)), Addresses: []string{"fe80::1/64", "10.1.1.77/24"}})
		})
		b.apply()
		for _, live := range b.observe().Lives {
			want := map[string]string{"vm/asker": "10.1.1.77", "ct/lease": "198.18.15.170"}[string(live.ID)]
			if live.Facts["address"] != want {
				t.Errorf("%s is at %q", live.ID, live.Facts["address"])
			}
		}
		b.settled()
	})
}

// TestAGuestThatNothingReachesIsReadyWithoutAnAddress holds that an agent which
// is enabled and not installed keeps no turn waiting.
func TestAGuestThatNothingReachesIsReadyWithoutAnAddress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, agentYAML)
		began := time.Now()
		b.apply()
		if took := time.Since(began); took > time.Minute {
			t.Errorf("it took %v", took)
		}
		b.settled()
	})
}

func nicMAC(g pvesim.Guest) string {
	_, mac := nicModel(notation.Parse("", g.Config["net0"]))
	return mac
}

func TestNotReadySaysWhatWasNotReached(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ yaml, want string }{
		"no address":    {agentYAML + "ready: {port: 22}\n", "not ready after 10m: its address is not known, since its guest agent does not tell it: install and start qemu-guest-agent"},
		"agent":         {edited(webYAML, "agent: true", "agent: true\nready: {agent: true, timeout: 2m}"), "not ready after 2m: its guest agent does not answer"},
		"port":          {webYAML + "ready: {port: 8080, timeout: 1m}\n", "not ready after 1m: port 8080 of 10.1.1.4 does not answer: refused"},
		"cloud-init":    {webYAML + "ready: {cloudInit: true, timeout: 1m}\n", "not ready after 1m: cloud-init has not ended"},
		"it stops soon": {webYAML + "ready: {port: 8080, timeout: 1m}\n", "not ready after 1m: it does not run"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, c.yaml)
				b.a.opts.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("refused") }
				if name == "it stops soon" {
					b.sim.OnPower(func(g pvesim.Guest, running bool) {
						if running {
							time.AfterFunc(10*time.Second, func() { b.sim.SetRunning(g.VMID, false) })
						}
					})
				}
				out := told(b.turn())
				if !strings.Contains(out, c.want) {
					t.Errorf("outcome %s", out)
				}
			})
		})
	}
}

func TestReadyWaitsForThePortOfPlaybookOrRoute(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ edge, port string }{
		"a name":      {"tls: {default: reject, routes: {web.example.net: \"vm/web-1:8443\"}}", "8443"},
		"an upstream": {"upstreams: {lab: {servers: [\"10.1.1.9:443\", \"vm/web-1:9443\"]}}\ntls: {default: lab}\nhttp: {default: redirect, routes: {web.example.net: \"vm/web-1:80\"}}", "9443"},
		"a port":      {"udp: {53: \"vm/web-1:53\"}\ntcp: {25: \"vm/web-1:25\"}", "25"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, webYAML, "kind: Edge\nname: edge\n"+c.edge+"\n")
				var tried []string
				b.a.opts.Dial = func(_ context.Context, _, addr string) (net.Conn, error) {
					tried = append(tried, addr)
					if len(tried) < 4 {
						return nil, errors.New("refused")
					}
					here, _ := net.Pipe()
					return here, nil
				}
				p, w := b.planned(t.Context())
				b.execute(t.Context(), only(p, "vm", "image"), w, &events{})
				if len(tried) != 4 || tried[3] != "10.1.1.4:"+c.port {
					t.Errorf("tried %q", tried)
				}
			})
		})
	}
}

// only leaves the changes of some kinds in a plan.
func only(p *drift.Plan, kinds ...string) *drift.Plan {
	var kept []drift.Change
	for _, c := range p.Changes {
		if strings.Contains(strings.Join(kinds, " "), c.ID.Kind()) {
			kept = append(kept, c)
		}
	}
	p.Changes = kept
	return p
}

// answering answers some reads itself.
type answering struct {
	below http.RoundTripper
	path  string
	body  string
}

func (a *answering) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(r.URL.Path, a.path) {
		return a.below.RoundTrip(r)
	}
	return &http.Response{
		Status: "200 OK", StatusCode: 200, Header: http.Header{}, ContentLength: int64(len(a.body)),
		Body: io.NopCloser(strings.NewReader(a.body)), Request: r,
	}, nil
}

func TestCloudInitThatEndedWithErrorsIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML+"ready: {cloudInit: true}\n")
		b.over = &answering{b.sim.Transport(), "/agent/file-read", `{"data":{"content":"{\"v1\":{\"errors\":[\"no such package\"]}}"}}`}
		told := &events{}
		b.turnIn(t.Context(), told)
		if !strings.Contains(strings.Join(told.lines, "\n"), "cloud-init ended with errors: no such package") {
			t.Errorf("lines: %q", told.lines)
		}
	})
}

// capture keeps the body of uploads.
type capture struct {
	below http.RoundTripper
	body  string
}

func (c *capture) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Path, "/upload") {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		c.body = string(text)
		r.Body = io.NopCloser(strings.NewReader(c.body))
	}
	return c.below.RoundTrip(r)
}

func TestTheSeedNamesTheGuestsOwnMACAndAddress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, webYAML)
		seen := &capture{below: b.sim.Transport()}
		b.over = seen
		b.apply()
		g := b.guest(4001)
		_, s, _ := stamp.Split(g.Config["description"])
		for _, want := range []string{strings.ToLower(nicMAC(g)), "10.1.1.4/24", "instance-id: " + s.Instance, "local-hostname: web-1", "git"} {
			// A word of digits alone is quoted.
			if !strings.Contains(strings.ReplaceAll(seen.body, `"`, ""), want) {
				t.Errorf("the seed has no %q", want)
			}
		}
		content, sums, file := strings.Index(seen.body, `name="content"`), strings.Index(seen.body, `name="checksum-algorithm"`), strings.Index(seen.body, `name="filename"`)
		if content < 0 || sums < content || file < sums {
			t.Errorf("the fields come in a wrong order: %d %d %d", content, sums, file)
		}
	})
}
