package machine

import (
	"encoding/json"
	"errors"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// engineScript keeps to the command line, the words and the codes of docker and of
// podman, as far as they are used. Of docker: `inspect --type container NAME`
// prints a JSON list, of one; `exec -i NAME PROGRAM …` hands input, output and the
// program's code on. For none of the name both end with 1 and "Error response from
// daemon: No such container: NAME" (inspect with "Error: …" and an empty list), for
// a stopped one exec says "… container ID is not running". Podman ends with 125 and
// "Error: no container with name or ID …", and with 255 and "… container state
// improper". A program that is not in the image is runc's "OCI runtime exec
// failed: …" with 127. The container's files are this machine's.
const engineScript = `#!/bin/sh
cd "$(dirname "$0")"
engine=$(basename "$0")
state=$(cat state)
case $1 in
inspect) [ "$2 $3" = "--type container" ] || exit 64; name=$4 ;;
exec) [ "$2" = -i ] || exit 64; name=$3 ;;
*) exit 64 ;;
esac
case $state in
nodaemon)
  echo "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?" >&2
  exit 1 ;;
norights)
  echo "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: dial unix /var/run/docker.sock: connect: permission denied" >&2
  exit 1 ;;
esac
if [ "$name" != nginx ]; then
  if [ "$engine" = podman ]; then
    echo "Error: no container with name or ID \"$name\" found: no such container" >&2
    exit 125
  fi
  if [ "$1" = inspect ]; then
    echo "[]"
    echo "Error: No such container: $name" >&2
  else
    echo "Error response from daemon: No such container: $name" >&2
  fi
  exit 1
fi
if [ "$1" = inspect ]; then
  cat inspect
  exit 0
fi
if [ "$state" = stopped ]; then
  if [ "$engine" = podman ]; then
    echo "Error: can only create exec sessions on running containers: container state improper" >&2
    exit 255
  fi
  echo "Error response from daemon: container 3f4e6b is not running" >&2
  exit 1
fi
shift 3
if ! command -v "$1" >/dev/null; then
  echo "OCI runtime exec failed: exec failed: unable to start container process: exec: \"$1\": executable file not found in \$PATH: unknown" >&2
  exit 127
fi
exec "$@"
`

// newEngine makes docker and podman; say sets what they tell.
func newEngine(t *testing.T) (dir string, say func(state string, mounts ...mount)) {
	t.Helper()
	dir = t.TempDir()
	for _, name := range []string{"docker", "podman"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(engineScript), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	say = func(state string, mounts ...mount) {
		var told inspected
		told.State.Running = state != "stopped"
		told.Mounts = mounts
		text, err := json.Marshal([]inspected{told})
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, "inspect"), string(text))
		write(t, filepath.Join(dir, "state"), state)
	}
	say("runs")
	return dir, say
}

func TestContainer(t *testing.T) {
	b := newBench(t)
	dir, say := newEngine(t)
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	for name, m := range map[string]Machine{"here": Local(false), "there": b.SSH(b.access(), false)} {
		t.Run(name, func(t *testing.T) {
			say("runs")
			c := In(m, "docker", "nginx")
			filesWork(t, c, t.TempDir())
			at := "container nginx"
			if name == "there" {
				at += " on " + b.name()
			}
			if c.String() != at {
				t.Errorf("it is called %s", c)
			}
			out, err := c.Run(t.Context(), Command{Argv: []string{"sh", "-c", "cat; echo 'nginx is not running' >&2; exit 1"}, Stdin: []byte("in")})
			exit, ok := errors.AsType[*ExitError](err)
			if !ok || exit.Code != 1 || string(out.Stdout) != "in" || err.Error() != at+": sh -c cat; echo 'nginx is not running' >&2; exit 1: exit status 1: nginx is not running in" {
				t.Errorf("a program that says no: %q, %v", out.Stdout, err)
			}
			if _, err := c.Run(t.Context(), Command{Argv: []string{"no-such"}}); err == nil || !strings.Contains(err.Error(), at+`: no-such: exit status 127: OCI runtime exec failed: `) {
				t.Errorf("a program that is not there: %v", err)
			}
			for _, wrong := range []struct{ state, engine, name, want string }{
				{"runs", "docker", "caddy", "there is none of this name: start it, or mend nginx.container; docker ps -a lists what is there"},
				{"runs", "podman", "caddy", "there is none of this name: start it, or mend nginx.container; podman ps -a lists what is there"},
				{"stopped", "docker", "nginx", "it does not run: docker start nginx"},
				{"stopped", "podman", "nginx", "it does not run: podman start nginx"},
				{"nodaemon", "docker", "nginx", "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?: start docker"},
				{"norights", "docker", "nginx", "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: dial unix /var/run/docker.sock: connect: permission denied: set nginx.sudo: true, or let the user use docker"},
			} {
				say(wrong.state)
				c := In(m, wrong.engine, wrong.name)
				_, inspected := c.Inside(t.Context(), "/srv/nginx/stream.conf")
				_, ran := c.Run(t.Context(), Command{Argv: []string{"true"}})
				_, read := c.Read(t.Context(), "/etc/passwd", 0, 10)
				want := strings.Replace(at, "nginx", wrong.name, 1) + ": " + wrong.want
				for _, err := range []error{inspected, ran, read} {
					if _, ok := errors.AsType[*ContainerError](err); !ok || err.Error() != want {
						t.Errorf("%+v: the error is\n  %v\nwant\n  %s", wrong, err, want)
					}
				}
			}
			say("runs")
			if err := os.Rename(filepath.Join(dir, "podman"), filepath.Join(dir, "gone")); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = os.Rename(filepath.Join(dir, "gone"), filepath.Join(dir, "podman")) }()
			c = In(m, "podman", "nginx")
			_, inspected := c.Inside(t.Context(), "/srv/nginx/stream.conf")
			_, read := c.Read(t.Context(), "/etc/passwd", 0, 10)
			for _, err := range []error{inspected, read} {
				if err == nil || err.Error() != at+": there is no program podman: install it, or mend nginx.engine" {
					t.Errorf("without the engine: %v", err)
				}
			}
		})
	}
}

func TestInside(t *testing.T) {
	c := In(Local(false), "docker", "nginx")
	const file = "/srv/nginx/stream.conf"
	for name, test := range map[string]struct {
		mounts []mount
		want   string
	}{
		"its directory":       {[]mount{{"/srv/nginx", "/etc/nginx/berth"}}, "/etc/nginx/berth/stream.conf"},
		"one above":           {[]mount{{"/srv", "/data"}}, "/data/nginx/stream.conf"},
		"everything":          {[]mount{{"/", "/host"}}, "/host/srv/nginx/stream.conf"},
		"to the root":         {[]mount{{"/srv/nginx/", "/"}}, "/stream.conf"},
		"the nearest":         {[]mount{{"/srv", "/data"}, {"/srv/nginx", "/etc/nginx/berth"}}, "/etc/nginx/berth/stream.conf"},
		"twice":               {[]mount{{"/srv/nginx", "/b"}, {"/srv/nginx", "/a"}}, "/a/stream.conf"},
		"one of two hidden":   {[]mount{{"/srv/nginx", "/a/b"}, {"", "/a/b/stream.conf"}, {"/srv", "/c"}}, "/c/nginx/stream.conf"},
		"memory beside":       {[]mount{{"", "/run"}, {"/srv/nginx", "/etc/nginx/berth"}}, "/etc/nginx/berth/stream.conf"},
		"none":                {nil, "it does not see /srv/nginx/stream.conf: no mount of it holds /srv/nginx: start it with -v /srv/nginx:/etc/nginx/berth, and include that directory in its nginx's configuration"},
		"a neighbour":         {[]mount{{"/srv/ngin", "/x"}}, "it does not see /srv/nginx/stream.conf: no mount of it holds /srv/nginx: start it with -v /srv/nginx:/etc/nginx/berth, and include that directory in its nginx's configuration"},
		"the file alone":      {[]mount{{"/srv", "/data"}, {file, "/etc/nginx/stream.conf"}}, "it sees /srv/nginx/stream.conf by a mount of that one file, and would go on seeing the old one after a change: mount the directory, as in -v /srv/nginx:/etc/nginx"},
		"hidden by another":   {[]mount{{"/srv", "/data"}, {"/var/x", "/data/nginx"}}, "it does not see /srv/nginx/stream.conf: another mount lies over it at /data/nginx: mount /srv/nginx elsewhere in the container, and include it from there"},
		"another not over":    {[]mount{{"/srv", "/data"}, {"/var/x", "/data/ngin"}}, "/data/nginx/stream.conf"},
		"one above the other": {[]mount{{"/srv/nginx", "/data/berth"}, {"/var/x", "/data"}}, "/data/berth/stream.conf"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := c.inside(test.mounts, file)
			if err != nil {
				got = strings.TrimPrefix(err.Error(), "container nginx: ")
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Whatever an engine prints, what comes of it is a path of the file's own name
// behind a mount, or an error.
func FuzzInspect(f *testing.F) {
	f.Add([]byte(`[{"State":{"Running":true},"Mounts":[{"Type":"bind","Source":"/srv/nginx","Destination":"/etc/nginx/berth","RW":true}]}]`))
	f.Add([]byte(`[{"State":null,"Mounts":[{"Source":"/","Destination":"//x/../y"},{"Type":"tmpfs","Source":"","Destination":"/run"}]}]`))
	f.Add([]byte(`[]`))
	c := In(Local(false), "docker", "nginx")
	f.Fuzz(func(t *testing.T, text []byte) {
		box, err := parseInspect(text)
		if err != nil {
			return
		}
		got, err := c.inside(box.Mounts, "/srv/nginx/stream.conf")
		if err != nil {
			return
		}
		if !path.IsAbs(got) || path.Base(got) != "stream.conf" || path.Clean(got) != got {
			t.Errorf("it is seen as %q", got)
		}
	})
}

func FuzzStat(f *testing.F) {
	f.Add([]byte("81a4 6 0 0\n"))
	f.Add([]byte("a1ff -1 0 4294967295"))
	f.Fuzz(func(t *testing.T, text []byte) {
		info, err := parseStat(text)
		if err == nil && (info.Size < 0 || info.UID < 0 || info.GID < 0) {
			t.Errorf("%q is %+v", text, info)
		}
	})
}
