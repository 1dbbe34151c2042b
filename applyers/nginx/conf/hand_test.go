package conf

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"berth/desired"
)

// pegasus is the real edge that the shape comes from: two proxies that are told
// who asks, certificates made elsewhere on port 80, and mail.
func pegasus() *desired.Edge {
	connect, idle := plainWay().connect, plainWay().idle
	one := func(address string) desired.Servers { return desired.Servers{{To: to(address), Weight: 1}} }
	return &desired.Edge{
		Name: "main",
		Upstreams: map[string]desired.Upstream{
			"lab":  {Servers: one("10.111.1.212:443"), ProxyProtocol: true, Connect: connect, Idle: idle},
			"prod": {Servers: one("10.111.1.5:443"), ProxyProtocol: true, Connect: connect, Idle: idle},
			"acme": {Servers: one("10.111.1.7:80"), Keepalive: 4, Connect: connect, Idle: idle},
			"web": {
				Servers:   desired.Servers{{To: to("10.111.1.5:80"), Weight: 2}, {To: to("10.111.1.6:80"), Weight: 1, Backup: true}},
				Keepalive: 32, Connect: desired.Duration(2 * time.Second), Idle: desired.Duration(90 * time.Second),
			},
		},
		TLS: desired.EdgeTLS{
			Listen: desired.List{"443"}, Default: to("prod"),
			Routes: map[string]desired.Target{".lab.example.com": to("lab"), "git.example.com": to("10.111.1.9:443"), "old.example.com": to(reject)},
		},
		HTTP: desired.EdgeHTTP{
			Listen: desired.List{"80"}, Default: to("web"),
			Routes: map[string]desired.Target{".lab.example.com": to("acme"), "git.example.com": to(redirect)},
		},
		TCP: map[string]desired.Target{"25": to("10.111.1.25:25")},
		UDP: map[string]desired.Target{"3478": to("10.111.1.34:3478")},
	}
}

// differs tells in what live is not as wanted, as a plan would.
func differs(live, want *desired.Edge) []string {
	texts := make(map[desired.Path][2]string)
	for i, e := range []*desired.Edge{live, want} {
		for _, leaf := range desired.Leaves(desired.KindEdge, e) {
			both := texts[leaf.Path]
			both[i] = desired.Text(leaf.Value)
			texts[leaf.Path] = both
		}
	}
	var all []string
	for path, both := range texts {
		if both[0] != both[1] {
			all = append(all, strings.TrimSpace(fmt.Sprintf("%s: %s → %s", path, both[0], both[1])))
		}
	}
	slices.Sort(all)
	return all
}

func TestPegasusFiles(t *testing.T) {
	files, err := Render(pegasus(), Options{Mark: testMark(), IPv6: true, Witness: Witness{Name: "00." + Domain, Stream: "127.0.0.1:1", HTTP: "127.0.0.1:2"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, have := range map[string][]byte{"pegasus-stream.conf": files.Stream, "pegasus-http.conf": files.HTTP} {
		golden := filepath.Join("testdata", name)
		want, err := os.ReadFile(golden)
		if os.Getenv("UPDATE") != "" {
			err = os.WriteFile(golden, have, 0o600)
			want = have
		}
		if err != nil {
			t.Fatal(err)
		}
		if string(have) != string(want) {
			t.Errorf("%s is\n%s", name, have)
		}
	}
}

// What people do to the files shows as fields, or else as notes with a line.
func TestHandEdits(t *testing.T) {
	content, err := os.ReadFile("testdata/edits.txt")
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Mark: testMark(), IPv6: true}
	var out strings.Builder
	for part := range strings.SplitSeq(string(content), "\n\n") {
		var edits, shows []string
		for line := range strings.Lines(part) {
			line = strings.TrimRight(line, "\n")
			if strings.HasPrefix(line, "> ") {
				shows = append(shows, line)
			} else if line != "" {
				edits = append(edits, line)
			}
		}
		files, err := Render(pegasus(), o)
		if err != nil {
			t.Fatal(err)
		}
		for _, edit := range edits {
			if strings.HasPrefix(edit, "#") {
				continue
			}
			rest, web := strings.CutPrefix(edit, "http: ")
			at := &files.Stream
			if web {
				at = &files.HTTP
			}
			old, now, ok := strings.Cut(rest, " => ")
			unescape := strings.NewReplacer(`\n`, "\n", `\s`, " ")
			old, now = unescape.Replace(old), unescape.Replace(now)
			if !ok || !strings.Contains(string(*at), old) {
				t.Fatalf("%q: %q is not in\n%s", edit, old, *at)
			}
			*at = []byte(strings.ReplaceAll(string(*at), old, now))
		}
		s := sources(o)
		s.Include = func(pattern string) ([]Included, error) {
			if pattern != "more/*.map" {
				return nil, errors.New("no such files")
			}
			return []Included{{Path: "/etc/nginx/more/a.map", Content: []byte("more.example.com 10.0.0.1:443;\n.deep.example.com nowhere;")}}, nil
		}
		var got []string
		live, err := Parse(files, s)
		if err != nil {
			got = []string{fmt.Sprintf("> %T: %v", err, err)}
		} else {
			for _, line := range differs(live.Edge, pegasus()) {
				got = append(got, "> "+line)
			}
			for _, n := range live.Notes {
				if n.Shown && len(got) == 0 {
					t.Errorf("%s\nno field shows it: %s", strings.Join(edits, "\n"), n)
				}
				got = append(got, "> # "+n.String())
			}
		}
		if !slices.Equal(got, shows) {
			t.Errorf("%s\nshows\n%s\nnot\n%s", strings.Join(edits, "\n"), strings.Join(got, "\n"), strings.Join(shows, "\n"))
		}
		out.WriteString(strings.Join(append(edits, got...), "\n") + "\n\n")
	}
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile("testdata/edits.txt", []byte(strings.TrimSuffix(out.String(), "\n")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
