package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSenselessFlagsAreUsage gives flags that make no sense: nothing is read or
// written for them, and the exit code is that of a wrong command line.
func TestSenselessFlagsAreUsage(t *testing.T) {
	dir := t.TempDir()
	token := filepath.Join(dir, "token")
	if err := os.WriteFile(token, []byte("berth@pve!agent=x"), 0o600); err != nil {
		t.Fatal(err)
	}
	fresh := "import --out " + dir + "/new --site home --token-file " + token + " --endpoint "
	for line, want := range map[string]string{
		"import --out " + dir + "/new --site home":        "say where the site is",
		fresh + "https://127.0.0.1:1 --id 0":              "--id takes a VMID",
		fresh + "https://127.0.0.1:1 --id -5":             "--id takes a VMID",
		fresh + "https://127.0.0.1:1 --name=":             "one is empty",
		fresh + "https://127.0.0.1:1 --tag=":              "one is empty",
		fresh + "http://127.0.0.1:1":                      "write https://",
		fresh + "https://127.0.0.1:1 --uid ZZ":            "uid",
		fresh + "https://127.0.0.1:1 --fleet A_b":         "write a-b",
		fresh + "https://127.0.0.1:1 --fingerprint zz":    "fingerprint",
		"permissions --user x;reboot":                     "NAME@REALM",
		"permissions --user root":                         "NAME@REALM",
		"permissions --token a;b":                         "--token",
		"permissions --proxmox 7":                         "8 or 9",
		"routes --json --graph":                           "keep one of them",
		"routes --json -o svg":                            "keep one of them",
		"routes --output xml":                             "text, json or svg",
		"routes --within -1s":                             "--within -1s",
		"routes play/base":                                "app.example.net, or vm/NAME",
		"routes vm/":                                      "app.example.net, or vm/NAME",
		"routes a;b":                                      "is no DNS name",
		"sync --wait=5m --no-wait":                        "leave one out",
		"sync --once --no-wait":                           "leave --wait and --no-wait out",
		"sync --wait=soon":                                "is no interval: write 30s, 10m or 1d",
		"sync --run vm/web-1":                             "only playbooks run",
		"drift -o yaml":                                   "write text, json or markdown",
		"show --output yaml":                              "write text, json or markdown",
		"pause --until tomorrow":                          "write a length, as 30m, 2h or 1d, a time, as 18:00",
		"pause --until -1h":                               "is over: here it is",
		"pause --until 2001-01-01T00:00:00Z":              "is over: here it is",
		"pause --until 25:00":                             "write a length",
		"sim --sha256=":                                   "--sha256 takes a URL",
		"sim --sha256 https://example.com/x --guests 3":   "no other flag",
		"sim --sha256 https://example.com/x --out " + dir: "no other flag",
	} {
		var out, told bytes.Buffer
		s := streams{In: strings.NewReader(""), Out: &out, Err: &told, Env: func(string) string { return "" }}
		command, _, _ := strings.Cut(line, " ")
		if code := run(t.Context(), s, strings.Fields(line)); code != exitUsage || !strings.Contains(told.String(), want) || !strings.Contains(told.String(), "Try: agent "+command+" --help") {
			t.Errorf("%s: %d, %s%s", line, code, out.String(), told.String())
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "new")); err == nil {
		t.Error("a directory was made")
	}
}
