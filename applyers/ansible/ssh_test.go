package ansible

import (
	"strings"
	"testing"
)

// strict trusts the agent's own file alone: what the system knows is for file.
func TestStrictKnowsOneFile(t *testing.T) {
	a := &Applyer{Options: Options{State: "/state"}}
	for mode, want := range map[string]bool{"learn": true, "strict": true, "file": false} {
		args := a.sshArgs(mode, "vm.web", true, false)
		if got := strings.Contains(args, "UserKnownHostsFile=/state/known_hosts -o GlobalKnownHostsFile=/dev/null"); got != want {
			t.Errorf("%s: %s", mode, args)
		}
	}
}
