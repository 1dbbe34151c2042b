package nginx

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"berth/desired"
	"berth/drift"
)

// containerBench is a bench whose nginx runs in a container: a docker that has one,
// which sees the managed directory as mount says, and all else as its machine does.
func containerBench(t *testing.T, mount string) *bench {
	b := newBench(t)
	b.write("berth/.keep", "")
	inspect := fmt.Sprintf(`[{"State":{"Running":true},"Mounts":[%s]}]`, strings.ReplaceAll(mount, "DIR", b.dir))
	b.write("bin/docker", "#!/bin/sh\ncase $1 in\ninspect) cat <<'END'\n"+inspect+"\nEND\n;;\nexec) shift 3; exec \"$@\" ;;\nesac\n")
	if err := os.Chmod(b.path("bin/docker"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", b.path("bin")+":"+os.Getenv("PATH"))
	b.spec.Nginx.Container = "nginx"
	return b
}

// What nginx in a container is told are the paths that it sees.
func TestContainer(t *testing.T) {
	b := containerBench(t, `{"Source":"DIR/berth","Destination":"DIR/seen"}`)
	if err := os.Symlink(b.path("berth"), b.path("seen")); err != nil {
		t.Fatal(err)
	}
	b.write("nginx.conf", "stream { include seen/stream*.conf; }\nhttp { include seen/http*.conf; }\n")
	b.route("a.example.com", "10.1.1.1:443")
	_, outcomes := b.turn()
	if o := outcomes[0]; o.Status != drift.Done || !strings.Contains(strings.Join(o.Lines, "\n"), "whether nginx has taken the files over can't be seen") {
		t.Errorf("%s: %s: %q", o.Status, o.Reason, o.Lines)
	}
	if b.fake.tested != b.managed() || b.managed() == "" {
		t.Errorf("nginx tested\n%s\nbut this is in place\n%s", b.fake.tested, b.managed())
	}
	b.spec.HTTP = desired.EdgeHTTP{Listen: desired.List{b.fake.web.Addr().String()}, Default: desired.Target{Text: "redirect"}}
	b.settle()
	b.edit("a.example.com 10.1.1.1:443", "a.example.com 10.1.1.2:443")
	b.settle()
}

// A container that would not see a change is not changed.
func TestContainerSeesNothing(t *testing.T) {
	for mount, want := range map[string]string{
		"": "blind edge/main: container nginx: it does not see DIR/berth/stream.conf: no mount of it holds DIR/berth; start it with -v DIR/berth:/etc/nginx/berth, and include that directory in its nginx's configuration\n",
		`{"Source":"DIR/berth/stream.conf","Destination":"/etc/nginx/berth/stream.conf"}`: "blind edge/main: container nginx: it sees DIR/berth/stream.conf by a mount of that one file, and would go on seeing the old one after a change; mount the directory, as in -v DIR/berth:/etc/nginx/berth\n",
	} {
		b := containerBench(t, mount)
		b.route("a.example.com", "10.1.1.1:443")
		b.expect(text(b.plan()), want)
	}
}
