package conf

import (
	"slices"
	"strings"
	"testing"

	"berth/desired"
)

func TestValidName(t *testing.T) {
	for name, want := range map[string]string{
		"a.example.com":                "",
		".example.com":                 "",
		"*.example.com":                "",
		"localhost":                    "",
		"_acme.x-1.example":            "",
		strings.Repeat("a", 63) + ".b": "",
		"":                             `"" is no name: it has 0 characters`,
		".":                            `"." is no name: it has 0 characters`,
		"*":                            `"*" is no name: the wildcard stands for whole labels, as in *.example.com`,
		"*a.example.com":               `"*a.example.com" is no name: the wildcard stands for whole labels, as in *.example.com`,
		"..a":                          `"..a" is no name: write lower-case labels of letters, digits and -, with dots between`,
		"a.*.b":                        `"a.*.b" is no name: write lower-case labels of letters, digits and -, with dots between`,
		"A.example.com":                `"A.example.com" is no name: write lower-case labels of letters, digits and -, with dots between`,
		"a b":                          `"a b" is no name: write lower-case labels of letters, digits and -, with dots between`,
		"a;b":                          `"a;b" is no name: write lower-case labels of letters, digits and -, with dots between`,
		"~^a$":                         `"~^a$" is no name: write lower-case labels of letters, digits and -, with dots between`,
		"default":                      `"default" is a word of nginx's own`,
		".hostnames":                   `".hostnames" is a word of nginx's own`,
		"x.berth.invalid":              `"x.berth.invalid" is kept for Berth's own use`,
	} {
		got := ""
		if err := validName(name); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: %s", name, got)
		}
	}
}

func TestValidAddress(t *testing.T) {
	for target, fit := range map[string]bool{
		"10.1.1.1:443": true, "[fd00::1]:443": true, "reject": false,
		"10.1.1.1:0": false, "10.1.1.1:99999": false, "10.1.1.1": false, "nas.lan:443": false, "": false, "[fe80::1%eth0]:443": false, "vm/web:443": false,
	} {
		if err := validAddress(desired.Target{Text: target}); (err == nil) != fit {
			t.Errorf("%q: %v", target, err)
		}
	}
}

func TestListens(t *testing.T) {
	for _, row := range []struct {
		all  string
		ipv6 bool
		want string
	}{
		{"443", true, "443 [::]:443"},
		{"443", false, "443"},
		{"443 8443", true, "443 [::]:443 8443 [::]:8443"},
		{"0.0.0.0:443", true, "0.0.0.0:443"},
		{"10.0.0.1:443 [::]:443", true, "10.0.0.1:443 [::]:443"},
		{"", true, "there is nothing to listen on"},
		{"443 [::]:443", true, "[::]:443 is listened on twice"},
		{"0", true, `"0" is nothing to listen on: write a port, or an address with a port`},
		{"lan:443", true, `"lan:443" is nothing to listen on: write a port, or an address with a port`},
	} {
		all := desired.List(strings.Fields(row.all))
		words, err := Listens(all, row.ipv6)
		got := strings.Join(words, " ")
		if err != nil {
			got = err.Error()
		} else if back := listened(words, row.ipv6); !back.Equal(all) {
			t.Errorf("%q came back as %q", all, back)
		}
		if got != row.want {
			t.Errorf("%q: %s", row.all, got)
		}
	}
	if got := listened([]string{"443"}, true); !slices.Equal(got, []string{"0.0.0.0:443"}) {
		t.Errorf("without [::]:443 it is %q", got)
	}
}
