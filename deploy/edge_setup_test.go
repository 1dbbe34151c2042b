//go:build linux

package deploy_test

import (
	"testing"

	"berth/deploy/internal/edgebed"
	"berth/deploy/internal/standin"
)

// storySetup begins on a host on which nginx was just installed: the agent says what
// is to be done by hand, one step after the other, and changes nothing until it is.
func storySetup(t *testing.T, binary string) {
	w := edgeNetwork(t)
	key, public := standin.ClientKey(t)
	w.key = key
	w.edge = edgebed.BareHost(t, w.network, "edge", edgeHost, public)
	w.edge.Address6(t, edgeHost6+"/64")
	w.control = w.edge.Host
	w.install(t, binary)
	w.backend(t, "lab-proxy", "10.77.2.212", edgebed.Proxy)
	w.backend(t, "prod-proxy", "10.77.2.5", edgebed.Proxy)
	w.backend(t, "lab-certbot", "10.77.2.100", edgebed.Plain)
	w.edge.Run(t, "mv", "/etc/nginx/modules-enabled/50-mod-stream.conf", "/root/")
	w.edge.StartNginx(t)
	w.commit(t, pegasus)
	for _, step := range []struct {
		says []string
		do   string
	}{
		{
			[]string{"/etc/nginx/nginx.conf does not include /etc/nginx/berth/stream.conf in a stream block", "add to /etc/nginx/nginx.conf, outside of any block: stream { include /etc/nginx/berth/stream*.conf; }"},
			"echo 'stream { include /etc/nginx/berth/stream*.conf; }' >>/etc/nginx/nginx.conf",
		},
		{
			[]string{"/etc/nginx/nginx.conf does not include /etc/nginx/berth/http.conf", "in /etc/nginx/nginx.conf: include /etc/nginx/berth/http*.conf;"},
			"sed -i 's|^http {|&\\n\\tinclude /etc/nginx/berth/http*.conf;|' /etc/nginx/nginx.conf",
		},
		{
			[]string{"/etc/nginx/sites-enabled/default"},
			"rm /etc/nginx/sites-enabled/default",
		},
		{
			[]string{"libnginx-mod-stream"},
			"mv /root/50-mod-stream.conf /etc/nginx/modules-enabled/",
		},
	} {
		// A directory in which files were tried may have another time than before.
		const all = "find /etc/nginx ! -type d | sort | xargs ls -l --time-style=full-iso"
		before := w.edge.Run(t, "sh", "-c", all)
		out, code := w.agent(t, "sync", "--once")
		if code == 0 {
			t.Fatalf("before %s the turn says that all is well:\n%s", step.do, out)
		}
		holds(t, "the turn", out, step.says...)
		if now := w.edge.Run(t, "sh", "-c", all); now != before {
			t.Errorf("before %s, something is changed:\n%s\n%s", step.do, before, now)
		}
		w.edge.Run(t, "sh", "-c", step.do)
	}
	w.settles(t)
	w.seven(t, func(from string) (lab, prod edgebed.Seen) {
		return edgebed.Seen{Backend: "lab-proxy", Peer: edgeHost, Proxy: from}, edgebed.Seen{Backend: "prod-proxy", Peer: edgeHost, Proxy: from}
	})
	w.sevenInClear(t)
}
