//go:build linux

package deploy_test

import (
	"strings"
	"testing"

	"berth/deploy/internal/edgebed"
	"berth/deploy/internal/standin"
)

// ports is an edge with ports besides those of names.
const ports = mixed + `tcp: {25: "10.77.2.4:25", "` + edgeHost + `:2525": mail}
udp: {3478: "10.77.2.4:3478"}
`

// storyPorts takes mail and STUN besides.
func storyPorts(t *testing.T, binary string) {
	w := newEdgeWorld(t, binary)
	w.mixedBackends(t)
	w.network.Address(t, "10.77.2.4/16")
	edgebed.TCP(t, w.network, "mail", "10.77.2.4:25", edgebed.Plain)
	edgebed.TCP(t, w.network, "headed mail", "10.77.2.4:26", edgebed.Proxy)
	edgebed.UDP(t, w.network, "stun", "10.77.2.4:3478")
	w.commit(t, strings.Replace(ports, "upstreams:\n", "upstreams:\n  mail: {servers: [\"10.77.2.4:26\"], proxyProtocol: true}\n", 1))
	w.settles(t)
	w.reaches(t, w.client, edgeHost+":443", mixedNames)
	for _, c := range []struct {
		address string
		client  edgebed.Client
		want    edgebed.Seen
	}{
		{edgeHost + ":25", w.client, edgebed.Seen{Backend: "mail", Peer: edgeHost}},
		{"[" + edgeHost6 + "]:25", w.client6, edgebed.Seen{Backend: "mail", Peer: edgeHost}},
		{edgeHost + ":2525", w.client, edgebed.Seen{Backend: "headed mail", Peer: edgeHost, Proxy: visitor4}},
	} {
		conn, err := c.client.TCP(t.Context(), c.address)
		if err != nil {
			t.Error(err)
			continue
		}
		if seen, err := conn.Ask(); err != nil || seen != c.want {
			t.Errorf("%s: %+v, %v", c.address, seen, err)
		}
		_ = conn.Close()
	}
	for _, c := range []struct {
		address string
		client  edgebed.Client
	}{{edgeHost + ":3478", w.client}, {"[" + edgeHost6 + "]:3478", w.client6}} {
		if seen, err := c.client.UDP(t.Context(), c.address); err != nil || seen.Backend != "stun" {
			t.Errorf("%s: %+v, %v", c.address, seen, err)
		}
	}
	// One goes, one comes.
	w.commit(t, strings.NewReplacer("tcp: {25:", "tcp: {2500:", `, "`+edgeHost+`:2525": mail`, "").Replace(ports))
	w.drift(t, 2, "25", "2500")
	w.settles(t)
	if conn, err := w.client.TCP(t.Context(), edgeHost+":2500"); err != nil {
		t.Error(err)
	} else if seen, err := conn.Ask(); err != nil || seen.Backend != "mail" {
		t.Errorf("port 2500: %+v, %v", seen, err)
	}
	for _, address := range []string{edgeHost + ":25", edgeHost + ":2525"} {
		if conn, err := w.client.TCP(t.Context(), address); err == nil {
			_ = conn.Close()
			t.Errorf("%s is still listened on", address)
		}
	}
}

// engine is a container engine as far as the agent uses one: a box has a mount
// namespace of its own, in which /etc/nginx and /run are its own, too.
const engine = `#!/bin/sh
box=/srv/box
pid=$(cat $box/pid 2>/dev/null)
name() {
  if [ "$1" != nginx ]; then
    echo "Error response from daemon: No such container: $1" >&2
    exit 1
  fi
}
case $1 in
inspect)
  for name in "$@"; do :; done
  name "$name"
  running=true
  [ -d "/proc/$pid" ] || running=false
  mounts='{"Type":"bind","Source":"/opt/edge","Destination":"/etc/nginx/berth","Mode":"","RW":true}'
  [ ! -e $box/single ] || mounts='{"Type":"bind","Source":"/opt/edge/stream.conf","Destination":"/etc/nginx/berth/stream.conf","Mode":"","RW":true}'
  printf '[{"Id":"0123","State":{"Status":"running","Running":%s,"Paused":false},"Mounts":[%s]}]\n' $running "$mounts"
  ;;
exec)
  shift
  while [ "${1#-}" != "$1" ]; do shift; done
  name "$1"
  shift
  if [ ! -d "/proc/$pid" ]; then
    echo "Error response from daemon: container 0123 is not running" >&2
    exit 1
  fi
  exec nsenter --target="$pid" --mount --net --root --wd -- "$@"
  ;;
*)
  echo "unknown command: docker $1" >&2
  exit 1
  ;;
esac
`

// startBox starts the box; network is the words by which unshare gives it a network
// of its own, or "".
const startBox = `set -e
mkdir -p /srv/box/nginx /opt/edge
cp -a /etc/nginx/. /srv/box/nginx/
rm -rf /etc/nginx # The machine itself has none.
cat >/srv/box/start <<'END'
set -e
mkdir -p /etc/nginx
mount --bind /srv/box/nginx /etc/nginx
mount --bind /opt/edge /etc/nginx/berth
mount -t tmpfs run /run
nginx
exec sleep 86400
END
mkdir -p /etc/nginx
setsid unshare --mount sh -c 'echo $$ >/srv/box/pid; exec sh /srv/box/start' >/srv/box/log 2>&1 </dev/null &
n=0
until [ -s /srv/box/pid ] && nsenter -t "$(cat /srv/box/pid)" -m -r test -s /run/nginx.pid; do
  sleep 0.02
  n=$((n + 1))
  if [ $n -gt 250 ]; then
    cat /srv/box/log
    exit 1
  fi
done
`

// boxed is an edge in a container.
func boxed(manifests string) string {
	return strings.Replace(manifests, "kind: Edge\nname: edge\n", "kind: Edge\nname: edge\nnginx: {container: nginx, stream: /opt/edge/stream.conf, http: /opt/edge/http.conf}\n", 1)
}

// storyContainer looks after an nginx in a container, which has files, a network and
// a /run of its own.
func storyContainer(t *testing.T, binary string) {
	w := edgeNetwork(t)
	key, public := standin.ClientKey(t)
	w.key = key
	w.edge = edgebed.NewHost(t, w.network, "edge", edgeHost, public)
	w.control = w.edge.Host
	w.install(t, binary)
	w.mixedBackends(t)
	w.edge.Run(t, "sh", "-c", "nginx -s stop; while pgrep -x nginx >/dev/null; do sleep 0.01; done")
	w.edge.WriteFile(t, "/usr/local/bin/docker", engine, 0o755)
	w.edge.Run(t, "sh", "-c", startBox)
	w.commit(t, boxed(mixed))
	w.settles(t)
	w.reaches(t, w.client, edgeHost+":443", mixedNames)
	w.commit(t, boxed(moved("headed")))
	w.settles(t)
	w.reaches(t, w.client, edgeHost+":443", mixedNames)
	w.reaches(t, w.client, edgeHost+":443", map[string]string{"moving.example.test": "headed"})

	t.Run("one file mounted", func(t *testing.T) {
		w.edge.Run(t, "touch", "/srv/box/single")
		w.drift(t, 2, "container nginx: it sees /opt/edge/stream.conf by a mount of that one file", "mount the directory")
		w.edge.Run(t, "rm", "/srv/box/single")
		w.drift(t, 0)
	})
	t.Run("another name", func(t *testing.T) {
		w.commit(t, strings.Replace(boxed(moved("headed")), "container: nginx", "container: proxy", 1))
		w.drift(t, 2, "container proxy: there is none of this name")
	})
}
