package checkout

import (
	"net/url"
	"strings"
	"testing"
)

// FuzzURL holds that a canonical URL stays as it is, carries no credential, and
// that no error repeats one.
func FuzzURL(f *testing.F) {
	for _, seed := range []string{
		"https://git.example.com/fleet.git", "HTTP://Git.Example.com:3000/a%20b/", "/srv/git/fleet", "file:///srv/../x", "git@host:x/y",
		"https://u:hunter2@host/x", "https://hunter2@host:port/x", "https://host/x?token=hunter2#y", "ssh://git@host/x", "", "://", "file://host/x", "http://[::1]:80/x",
		"ssh://Host:22/a%20b/", "ssh://git:hunter2@host:2222/~x", "git:hunter2@host:x", "ann@[fe80::1%eth0]:x", "host:/x?y", "git+ssh://h/%7Ex", "a@b@c:d", "h:~/x//",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		first, err := canonicalURL(raw)
		if err != nil {
			if strings.Contains(raw, "hunter2") && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%q: the error holds the credential: %v", raw, err)
			}
			return
		}
		second, err := canonicalURL(first)
		if err != nil || second != first {
			t.Errorf("%q became %q and then %q (%v)", raw, first, second, err)
		}
		u, err := url.Parse(first)
		if err != nil || u.Scheme == "file" || !strings.Contains(first, "://") {
			return
		}
		// Over SSH a user's name is no credential.
		if _, password := u.User.Password(); password || u.RawQuery != "" || u.User != nil && u.Scheme != "ssh" {
			t.Errorf("%q became %q, which holds a credential", raw, first)
		}
	})
}
