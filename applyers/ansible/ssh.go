package ansible

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"

	"berth/applyers/machine"
	"berth/desired"
)

// knownHosts is the agent's own file of host keys.
func (a *Applyer) knownHosts() string { return machine.KnownHosts(a.State) }

// keyring holds the private keys of one run as files, each once.
type keyring struct {
	dir   *runDir
	key   func(ctx context.Context, ref desired.SecretRef) ([]byte, error)
	files map[desired.SecretRef]string
}

// file gives the path of a key; "" where none is named.
func (k *keyring) file(ctx context.Context, ref desired.SecretRef) (string, error) {
	if ref == (desired.SecretRef{}) {
		return "", nil
	}
	if path, ok := k.files[ref]; ok {
		return path, nil
	}
	text, err := k.key(ctx, ref)
	if err != nil {
		return "", fmt.Errorf("read the SSH key, secret %s: %w", ref.Secret, err)
	}
	if _, err := machine.ParseKey(ref, text); err != nil {
		return "", err
	}
	// OpenSSH wants the last line to end.
	text = append(bytes.TrimRight(text, "\r\n"), '\n')
	name := "keys/" + strconv.Itoa(len(k.files))
	if err := k.dir.write(name, text); err != nil {
		return "", err
	}
	k.files[ref] = k.dir.in(name)
	return k.files[ref], nil
}

// sshArgs are ssh's options for one host. Ansible puts them first, and ssh takes
// the first of two; ansible_ssh_common_args stays free for the fleet's own.
func (a *Applyer) sshArgs(mode, alias string, ownKey, share bool) string {
	args := []string{"BatchMode=yes", "UpdateHostKeys=no", "CheckHostIP=no"}
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
	if share {
		args = append(args, "ControlMaster=auto", "ControlPersist=15s")
	} else {
		args = append(args, "ControlMaster=no", "ControlPath=none")
	}
	return "-o " + strings.Join(args, " -o ")
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
