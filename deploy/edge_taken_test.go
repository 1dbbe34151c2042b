//go:build linux

package deploy_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berth/deploy/internal/edgebed"
	"berth/deploy/internal/standin"
)

// byHand are nginx's maps as people keep them, for the names of examples/edge.
const byHand = `stream {
    map $ssl_preread_server_name $goes {
        hostnames;
        shop.example.net 10.77.2.10:443;
        .lab.example.net 127.0.0.1:9443;
        *.preview.example.net 10.77.2.10:8443;
    }
    server { listen 443; ssl_preread on; proxy_pass $goes; }
` + byHandInner + `}
`

// byHandInner is a server of nginx's own that its maps send names to.
const byHandInner = `    server { listen 127.0.0.1:9443; proxy_protocol on; proxy_pass 10.77.2.20:443; }
`

// storyTaken takes the names of examples/edge over from an nginx that was kept by hand,
// step by step as is told there, and who visits those behind a proxy notices nothing.
func storyTaken(t *testing.T, binary string) {
	w := edgeNetwork(t)
	key, public := standin.ClientKey(t)
	w.key = key
	w.edge = edgebed.BareHost(t, w.network, "edge", edgeHost, public)
	w.control = w.edge.Host
	w.install(t, binary)
	w.backend(t, "shop", "10.77.2.10", edgebed.Plain)
	edgebed.TLS(t, w.network, "preview", "10.77.2.10:8443", edgebed.Plain)
	w.backend(t, "lab", "10.77.2.20", edgebed.Proxy)
	const main = "/etc/nginx/nginx.conf"
	plain, err := os.ReadFile(w.edge.Path(main))
	if err != nil {
		t.Fatal(err)
	}
	w.edge.Run(t, "rm", "/etc/nginx/sites-enabled/default")
	w.edge.WriteFile(t, main, string(plain)+byHand, 0o644)
	w.edge.StartNginx(t)
	names := map[string]string{
		"shop.example.net": "shop", "lab.example.net": "lab", "a.b.lab.example.net": "lab", "x.preview.example.net": "preview", "other.example.net": "",
	}
	w.reaches(t, w.client, edgeHost+":443", names)

	manifests, err := os.ReadFile(filepath.Join("..", "examples", "edge", "edge.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	w.commit(t, "-- edge.yaml --\n"+strings.ReplaceAll(string(manifests), "192.0.2.", "10.77.2."))
	out, _ := w.agent(t, "routes", "shop.example.net")
	holds(t, "routes before anything is changed", out, "CN=shop")
	w.drift(t, 2, "in a stream block", "in an http block", "/etc/nginx/nginx.conf:", "a server of nginx's own has 0.0.0.0:443, as this edge (tls.listen)", "with no reload")

	// Names that go by a server of another way, as shop, may find a former worker there
	// that knows nothing of it, for as long as the reload takes: examples/edge says so.
	visitors := w.client.Visit(t, edgeHost+":443", map[string][]string{"lab.example.net": {"lab"}, "a.lab.example.net": {"lab"}})
	included := strings.Replace(string(plain), "\nhttp {", "\nhttp {\n\tinclude /etc/nginx/berth/http*.conf;", 1)
	w.edge.WriteFile(t, main, included+"stream { include /etc/nginx/berth/stream*.conf;\n"+byHandInner+"}\n", 0o644)
	w.settles(t)
	// Nobody is sent there any more; until all of nginx's former workers had gone some were.
	w.edge.WriteFile(t, main, included+"stream { include /etc/nginx/berth/stream*.conf; }\n", 0o644)
	w.edge.Run(t, "nginx", "-s", "reload")
	w.clean(t, "http.conf", "stream.conf")
	if visits, wrong := visitors.End(); visits == 0 || len(wrong) > 0 {
		t.Errorf("of %d visits went wrong: %q", visits, wrong)
	}
	w.reaches(t, w.client, edgeHost+":443", names)
	w.clean(t, "http.conf", "stream.conf")
}
