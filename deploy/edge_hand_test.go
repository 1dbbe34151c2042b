//go:build linux

package deploy_test

import (
	"os"
	"strings"
	"testing"

	"berth/deploy/internal/edgebed"
)

// byHand edits the live file, which must hold what is replaced, and reloads nginx as
// somebody would who does.
func (w *edgeWorld) byHand(t *testing.T, pairs ...string) {
	t.Helper()
	text := w.edge.Run(t, "cat", edgebed.Stream)
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("the live file does not hold %q:\n%s", pairs[i], text)
		}
		text = strings.ReplaceAll(text, pairs[i], pairs[i+1])
	}
	if err := os.WriteFile(w.edge.Path(edgebed.Stream), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// storyHand finds what was done by hand, and undoes it.
func storyHand(t *testing.T, binary string) {
	w := newEdgeWorld(t, binary)
	w.mixedBackends(t)
	w.commit(t, mixed)
	w.settles(t)
	sound := w.edge.Run(t, "cat", edgebed.Stream)

	t.Run("names", func(t *testing.T) {
		w.byHand(t, "address.example.test 10.77.2.3:443;", "address.example.test 10.77.2.2:443;\n    added.example.test 10.77.2.3:443;", "moving.example.test 10.77.2.3:443;\n", "\n")
		w.edge.Run(t, "nginx", "-s", "reload")
		out := w.drift(t, 2, "10.77.2.2:443 → 10.77.2.3:443", "changed live")
		for sign, name := range map[string]string{"~": "address.example.test", "-": "added.example.test", "+": "moving.example.test"} {
			holds(t, "drift", out, sign+" "+name)
		}
		if strings.Contains(out, "headed.example.test") {
			t.Errorf("drift tells of a name that nobody touched:\n%s", out)
		}
		w.sync(t, 0)
		w.drift(t, 0)
		w.reaches(t, w.client, edgeHost+":443", mixedNames)
		w.reaches(t, w.client, edgeHost+":443", map[string]string{"moving.example.test": "address", "added.example.test": "plain"})
	})
	t.Run("file gone", func(t *testing.T) {
		w.edge.Run(t, "rm", edgebed.Stream)
		w.drift(t, 2, "headed.example.test", ".plain.example.test")
		w.settles(t)
		w.reaches(t, w.client, edgeHost+":443", mixedNames)
	})
	t.Run("no mark", func(t *testing.T) {
		_, rest, _ := strings.Cut(sound, "\n")
		w.edge.WriteFile(t, edgebed.Stream, rest, 0o644)
		out, code := w.agent(t, "sync", "--once")
		if code == 0 || w.edge.Run(t, "cat", edgebed.Stream) != rest {
			t.Errorf("a file that is not ours is overwritten: %d %s", code, out)
		}
		holds(t, "the turn", out, edgebed.Stream)
		w.edge.WriteFile(t, edgebed.Stream, sound, 0o644)
		w.settles(t)
	})
	// The three ways in which the real edge broke: nginx's own test finds nothing in
	// the first two.
	for _, c := range []struct {
		name       string
		old, new   string
		goes, says []string
	}{
		{"undefined upstream", "address.example.test 10.77.2.3:443;", "address.example.test lab_backend;", []string{"address.example.test", ""}, []string{"~ address.example.test", "lab_backend → 10.77.2.3:443"}},
		{"no hostnames", "hostnames;", "", []string{"a.b.plain.example.test", "plain"}, []string{".plain.example.test"}},
		{"a name that does not resolve", "address.example.test 10.77.2.3:443;", "address.example.test lab-certbot:443;", []string{"address.example.test", ""}, []string{"~ address.example.test", "lab-certbot:443 → 10.77.2.3:443"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.byHand(t, c.old, c.new)
			w.edge.Run(t, "nginx", "-t")
			w.edge.Run(t, "nginx", "-s", "reload")
			w.drift(t, 2, c.says...)
			w.settles(t)
			w.reaches(t, w.client, edgeHost+":443", mixedNames)
		})
	}
	t.Run("an upstream that does not resolve", func(t *testing.T) {
		// With this nginx would not start again after a power cut.
		w.byHand(t, "server 10.77.2.2:443", "server lab-certbot:443")
		if out, err := w.edge.Command(t.Context(), "nginx", "-t").CombinedOutput(); err == nil {
			t.Fatalf("nginx takes a name that does not resolve: %s", out)
		}
		w.drift(t, 2, "upstreams.plain", "lab-certbot:443")
		w.settles(t)
		w.edge.Run(t, "nginx", "-t")
		w.reaches(t, w.client, edgeHost+":443", mixedNames)
	})
	w.clean(t, "stream.conf")
}

// storyRefused has changes that nginx, or the backends, do not take: what worked
// goes on to work.
func storyRefused(t *testing.T, binary string) {
	w := newEdgeWorld(t, binary)
	w.mixedBackends(t)
	w.commit(t, mixed)
	w.settles(t)
	sound := w.edge.Run(t, "cat", edgebed.Stream)
	unchanged := func(t *testing.T) {
		t.Helper()
		if now := w.edge.Run(t, "cat", edgebed.Stream); now != sound {
			t.Errorf("the live file was changed:\n%s", now)
		}
		w.clean(t, "stream.conf")
		w.reaches(t, w.client, edgeHost+":443", mixedNames)
		w.reaches(t, w.client, edgeHost+":443", map[string]string{"moving.example.test": "address"})
	}
	t.Run("somebody's broken include", func(t *testing.T) {
		w.edge.WriteFile(t, "/etc/nginx/conf.d/broken.conf", "server { listen nonsense; }\n", 0o644)
		workers := w.edge.Workers(t)
		w.commit(t, moved("headed"))
		out := w.sync(t, 1)
		holds(t, "the turn", out, "nginx refuses the new file, nothing was changed", "[emerg]", "/etc/nginx/conf.d/broken.conf:1")
		unchanged(t)
		if w.edge.Workers(t) != workers {
			t.Error("nginx was reloaded")
		}
		w.edge.Run(t, "rm", "/etc/nginx/conf.d/broken.conf")
		w.settles(t)
		w.reaches(t, w.client, edgeHost+":443", map[string]string{"moving.example.test": "headed"})
		w.commit(t, mixed)
		w.settles(t)
	})
	for _, c := range []struct{ name, target, says string }{
		{"nobody listens", "10.77.2.3:444", "moving.example.test"},
		{"no PROXY where it is wanted", "10.77.2.1:443", "moving.example.test"},
		{"no TLS there", "10.77.2.3:80", "moving.example.test"},
	} {
		t.Run(c.name, func(t *testing.T) {
			sound = w.edge.Run(t, "cat", edgebed.Stream)
			w.commit(t, moved(c.target))
			out := w.sync(t, 1)
			holds(t, "the turn", out, c.says, "the former file is back")
			t.Log(out)
			unchanged(t)
			w.drift(t, 2, "moving.example.test")
			w.commit(t, mixed)
			w.settles(t)
		})
	}
	t.Run("a new name that nobody answers", func(t *testing.T) {
		w.commit(t, strings.ReplaceAll(mixed, "  routes:\n", "  routes:\n    new.example.test: 10.77.2.9:443\n"))
		out, code := w.agent(t, "sync", "--once")
		holds(t, "the turn", out, "new.example.test")
		t.Log(code, out)
		w.reaches(t, w.client, edgeHost+":443", mixedNames)
	})
}
