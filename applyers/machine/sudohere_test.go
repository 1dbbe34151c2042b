package machine

import (
	"strings"
	"testing"
)

// TestSudoRefusesHere has sudo refuse on the agent's own machine, which no SSH leads to.
func TestSudoRefusesHere(t *testing.T) {
	for at, want := range map[string]string{
		"":                              "into /etc/sudoers.d/berth, by visudo: nobody ALL=(root) NOPASSWD: ALL (files are written by sh as root, which is as much), or run the agent as root",
		"vm/edge (nobody@10.77.0.5:22)": "into /etc/sudoers.d/berth there, by visudo: nobody ALL=(root) NOPASSWD: ALL (files are written by sh as root, which is as much), or use ssh.user: root",
	} {
		err := sudoRefuses(&ExitError{At: at, Code: 1}, "nobody", "sudo: a password is required", []string{"a password is required"}, true)
		if err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%q: %v", at, err)
		}
	}
}
