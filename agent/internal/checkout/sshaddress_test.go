package checkout

import "testing"

func TestSSHAddress(t *testing.T) {
	for _, test := range []struct{ written, is, dials, path string }{
		{"git@git.example.com:ops/fleet.git", "git@git.example.com:ops/fleet.git", "git.example.com:22", "ops/fleet.git"},
		{"Git.Example.com:fleet.git/", "git@git.example.com:fleet.git", "git.example.com:22", "fleet.git"},
		{"ann@git.example.com:fleet.git", "ann@git.example.com:fleet.git", "git.example.com:22", "fleet.git"},
		{"ssh://git@git.example.com/ops/fleet.git", "ssh://git@git.example.com/ops/fleet.git", "git.example.com:22", "/ops/fleet.git"},
		{"ssh://git.example.com:22/ops/fleet.git/", "ssh://git@git.example.com/ops/fleet.git", "git.example.com:22", "/ops/fleet.git"},
		{"git+ssh://git@GIT.example.com:0022/ops/fleet.git", "ssh://git@git.example.com/ops/fleet.git", "git.example.com:22", "/ops/fleet.git"},
		{"git@git.example.com:/ops/fleet.git", "ssh://git@git.example.com/ops/fleet.git", "git.example.com:22", "/ops/fleet.git"},
		{"ssh://git@git.example.com:2222/a%20b'c!", "ssh://git@git.example.com:2222/a%20b%27c%21", "git.example.com:2222", "/a b'c!"},
		{"ssh://ann@git.example.com/~/fleet.git", "ssh://ann@git.example.com/~/fleet.git", "git.example.com:22", "~/fleet.git"},
		{"ann@git.example.com:~/fleet.git", "ssh://ann@git.example.com/~/fleet.git", "git.example.com:22", "~/fleet.git"},
		{"ssh://git@[2001:DB8::1]:2222/fleet.git", "ssh://git@[2001:db8::1]:2222/fleet.git", "[2001:db8::1]:2222", "/fleet.git"},
		{"ssh://git@[2001:db8::1]/fleet.git", "ssh://git@[2001:db8::1]/fleet.git", "[2001:db8::1]:22", "/fleet.git"},
		{"git@[2001:db8::1]:fleet.git", "git@[2001:db8::1]:fleet.git", "[2001:db8::1]:22", "fleet.git"},
	} {
		got, err := canonicalURL(test.written)
		if err != nil || got != test.is {
			t.Errorf("%s became %s, %v, want %s", test.written, got, err, test.is)
			continue
		}
		src := Source{URL: got}
		address, err := src.sshAddress()
		if err != nil || address.hostPort() != test.dials || address.path != test.path || !src.ssh() || src.local() {
			t.Errorf("%s is %+v, %v, want %s and %s", test.written, address, err, test.dials, test.path)
		}
	}
	if got := quoted("/a b'c!"); got != `'/a b'\''c'\!''` {
		t.Errorf("quoted: %s", got)
	}
}
