package config

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// FuzzSettings holds of whatever stands in agent.yaml that it is either taken, always
// alike, with whole paths and lengths of time; or refused in lines that each name the
// file, and that hold no control characters.
func FuzzSettings(f *testing.F) {
	for _, seed := range []string{
		"", "repository: {url: https://git.example.net/fleet.git, branch: main, path: prod, token: token, ca: ca.pem}\nstate: state\npoll: 30s\nsweep: 1d\nsecrets: {pve-home: pve}\nsecretFiles: [secrets, /etc/x]\nlog: {format: json, level: debug}\n",
		"repository:\n  url: git@git.example.net:fleet.git\n  allowRewrite: true\n  ssh: {key: {file: key}, knownHosts: learn, passphrase: ssh-passphrase}\n",
		"repository: {url: ../fleet}\n", "poll: -1s", "poll: 1x", "sweep: []", "nothing: 1", "repository: 5", "secrets: [a]", "---\na: 1\n---\nb: 2\n", "&a [*a]", "poll: 1h\npoll: 2h", "log: {format: \"\\u001b[2J\"}",
		"secrets: {\"a\\nb\": x}", "? {a: b}\n: c", "state: \"\\0\"", "\ufeffpoll: 1m", "poll: 106752d", "poll: 9223372036s",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1<<16 {
			return
		}
		const file = "/etc/berth/agent.yaml"
		var first, second Settings
		err, again := first.parse(file, []byte(text)), second.parse(file, []byte(text))
		if (err == nil) != (again == nil) || err == nil && !reflect.DeepEqual(first, second) || err != nil && err.Error() != again.Error() {
			t.Fatalf("two answers: %v %v", err, again)
		}
		if err != nil {
			refusedPlainly(t, file, err)
			return
		}
		first.defaults()
		for _, path := range []string{first.State, first.Socket} {
			if !filepath.IsAbs(path) {
				t.Errorf("%q is no whole path", path)
			}
		}
		if time.Duration(first.Poll) < 0 || time.Duration(first.Sweep) < 0 {
			t.Errorf("poll %s, sweep %s", time.Duration(first.Poll), time.Duration(first.Sweep))
		}
		if err := first.Check(); err != nil {
			refusedPlainly(t, file, err)
		}
	})
}

// refusedPlainly holds that every line of an error says where the mistake is.
func refusedPlainly(t *testing.T, file string, err error) {
	t.Helper()
	for line := range strings.SplitSeq(err.Error(), "\n") {
		if !strings.HasPrefix(line, file+":") {
			t.Errorf("%q does not begin with the file", line)
		}
		if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }) {
			t.Errorf("%q holds control characters", line)
		}
	}
}
