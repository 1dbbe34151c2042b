package ansible

import (
	"context"
	"fmt"
	"strings"

	"berth/applyers/machine"
	"berth/desired"
)

// knownHosts is the agent's own file of host keys.
func (a *Applyer) knownHosts() string { return machine.KnownHosts(a.State) }

// keyring collects the private keys of one run, each once.
type keyring struct {
	read  func(ctx context.Context, ref desired.SecretRef) (desired.Secret, error)
	texts map[string]desired.Secret
}

// add gives the name of a key among texts; "" where none is named.
func (k keyring) add(ctx context.Context, ref desired.SecretRef) (string, error) {
	if ref == (desired.SecretRef{}) {
		return "", nil
	}
	name := ref.Secret + " " + ref.Key
	if _, ok := k.texts[name]; ok {
		return name, nil
	}
	value, err := k.read(ctx, ref)
	if err != nil {
		return "", fmt.Errorf("read the SSH key, secret %s: %w", ref.Secret, err)
	}
	if _, err := machine.ParseKey(ref, value.Reveal()); err != nil {
		return "", err
	}
	k.texts[name] = value
	return name, nil
}

// sshArgs are ssh's options for one host. Ansible puts them first, and ssh takes
// the first of two; ansible_ssh_common_args stays free for the fleet's own.
func (a *Applyer) sshArgs(mode, alias string, ownKey bool, share []string) string {
	// One that falls silent in the middle is given up alone: it must not hold up the
	// others of its run until their time is over.
	args := []string{"BatchMode=yes", "UpdateHostKeys=no", "CheckHostIP=no", fmt.Sprintf("ServerAliveInterval=%d", a.alive), "ServerAliveCountMax=3"}
	switch mode {
	case "file":
		// The system's and the user's own files hold the keys.
		args = append(args, "StrictHostKeyChecking=yes")
	case "strict":
		args = append(args, "StrictHostKeyChecking=yes", "UserKnownHostsFile="+a.knownHosts(), "GlobalKnownHostsFile=/dev/null")
	default:
		args = append(args,
			"StrictHostKeyChecking=accept-new", "HashKnownHosts=no", "HostKeyAlias="+alias,
			"UserKnownHostsFile="+a.knownHosts(), "GlobalKnownHostsFile=/dev/null")
	}
	if ownKey {
		args = append(args, "IdentitiesOnly=yes", "IdentityAgent=none")
	}
	return "-o " + strings.Join(append(args, share...), " -o ")
}

// explain turns what ssh says about host keys into what to do.
func (a *Applyer) explain(msg string, h *host) string {
	switch {
	case strings.Contains(msg, "REMOTE HOST IDENTIFICATION HAS CHANGED"):
		return fmt.Sprintf("its SSH host key is another than the one learnt before. If it was installed anew by hand, take the lines of %s out of %s; if not, somebody may stand in between",
			h.alias, a.knownHosts())
	case strings.Contains(msg, "Host key verification failed"):
		file := "the known_hosts of the agent's user"
		if h.mode == "strict" {
			file = a.knownHosts()
		}
		return fmt.Sprintf("its SSH host key is not known, and knownHosts: %s learns none: add it to %s under its address; what was learnt as %s does not count", h.mode, file, h.alias)
	case strings.Contains(msg, "Permission denied"):
		return "SSH lets us not in (is the fleet's public key among the guest's keys, and the user right?): " + msg
	}
	return msg
}
