package ansible

import (
	"strings"
	"testing"
)

// strict trusts the agent's own file alone: what the system knows is for file.
func TestStrictKnowsOneFile(t *testing.T) {
	a := &Applyer{Options: Options{State: "/state"}}
	for mode, want := range map[string]bool{"learn": true, "strict": true, "file": false} {
		args := a.sshArgs(mode, "vm.web", true, nil)
		if got := strings.Contains(args, "UserKnownHostsFile=/state/known_hosts -o GlobalKnownHostsFile=/dev/null"); got != want {
			t.Errorf("%s: %s", mode, args)
		}
	}
}

// Who turns from learn to strict is told where the key goes.
func TestStrictSaysWhereAKeyGoes(t *testing.T) {
	a := &Applyer{Options: Options{State: "/state"}}
	got := a.explain("Host key verification failed.", &host{mode: "strict", alias: "vm.web"})
	if want := "its SSH host key is not known, and knownHosts: strict learns none: add it to /state/known_hosts under its address; what was learnt as vm.web does not count"; got != want {
		t.Errorf("it says %q", got)
	}
}
