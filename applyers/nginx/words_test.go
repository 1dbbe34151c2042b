package nginx

import (
	"errors"
	"strings"
	"testing"

	"berth/applyers/machine"
)

func TestTidy(t *testing.T) {
	for said, want := range map[string]string{
		`2026/11/21 19:26:30 [notice] 7589#7589: signal process started 2026/11/21 19:26:30 [error] 7589#7589: invalid PID number "" in "/run/nginx.pid"`:  `[error] invalid PID number "" in "/run/nginx.pid"`,
		`nginx: [emerg] unknown directive "stream" in /etc/nginx/nginx.conf:84 nginx: configuration file /etc/nginx/.nginx.conf.staged-66aa-1 test failed`: `nginx: [emerg] unknown directive "stream" in /etc/nginx/nginx.conf:84`,
		"Job for nginx.service failed.": "Job for nginx.service failed.",
		`nginx: [warn] conflicting server name "a" on 0.0.0.0:80, ignored nginx: [warn] conflicting server name "b" on 0.0.0.0:80, ignored nginx: [emerg] host not found in upstream "x" in /a:1`: `nginx: [emerg] host not found in upstream "x" in /a:1`,
		`nginx: [warn] a nginx: [warn] b`:                `nginx: [warn] a nginx: [warn] b`,
		strings.Repeat("x", 5000) + " permission denied": strings.Repeat("x", 300) + " … " + strings.Repeat("x", 282) + " permission denied",
	} {
		if got := tidy(said); got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	}
}

// What nginx says is told with what to do, once, and on one line.
func TestExplained(t *testing.T) {
	for said, want := range map[string]string{
		`[emerg] unknown directive "stream" in /etc/nginx/nginx.conf:84`:                           "install the package libnginx-mod-stream",
		"[emerg] a duplicate default server for 0.0.0.0:80 in /etc/nginx/sites-enabled/default:22": "take that server away (rm /etc/nginx/sites-enabled/default, if it is Debian's own), or let http.listen be another address",
		"[emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)":                         "see what listens there (ss -ltnup), and let either listen elsewhere",
		`[error] open() "/run/nginx.pid" failed (2: No such file or directory)`:                    notRunning,
		"Unit nginx.service is not active, cannot reload.":                                         notRunning,
		"[emerg] something else": "",
	} {
		err := errors.New(said)
		if want != "" {
			want = ": " + want
		}
		if got := explained(err); got.Error() != said+want || !errors.Is(got, err) {
			t.Errorf("%s: %v", said, got)
		}
	}
	away := &machine.UnreachableError{At: "vm/edge", Reason: "the connection was lost"}
	if got := joined(joined(away, errors.New("one more")), away); got.Error() != "vm/edge: the connection was lost; one more" || !errors.Is(got, away) {
		t.Errorf("%v", got)
	}
	if joined(nil, nil) != nil || explained(nil) != nil {
		t.Error("nothing is an error")
	}
}
