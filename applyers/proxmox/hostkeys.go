package proxmox

import (
	"context"
	"net/http"
	"strings"

	"golang.org/x/crypto/ssh"

	"berth/applyers/proxmox/pve"
	"berth/applyers/proxmox/stamp"
	"berth/desired"
)

// hostKeyFiles are the public host keys of OpenSSH, the one that its clients prefer
// first. One is enough to know a host by: a client asks for a key of the kind that it
// knows.
var hostKeyFiles = []string{
	"/etc/ssh/ssh_host_ed25519_key.pub",
	"/etc/ssh/ssh_host_ecdsa_key.pub",
	"/etc/ssh/ssh_host_rsa_key.pub",
}

// hostKey is the key by which the guest's SSH is known, as a stamp holds it: read
// through Proxmox and the guest agent, thus not from whoever has the guest's address.
// It is "" where none can be read: Proxmox tells of no container's files, and not
// every guest has an agent. A guest that lies can lie about itself alone: what is no
// key is not taken.
func (j *job) hostKey(ctx context.Context, g *found) string {
	if j.kind != desired.KindVM || !knows(g) {
		return ""
	}
	for _, file := range hostKeyFiles {
		text, err := j.guestFile(ctx, file)
		switch {
		case pve.Status(err) == http.StatusForbidden:
			j.p.Say("its SSH host keys can't be read, so the first contact with it is blind: " + err.Error() + ": " + j.helpWith(err))
			return ""
		case err != nil && !noSuchFile(err):
			return ""
		}
		if key := publicKey(text); key != "" {
			return key
		}
	}
	return ""
}

// hostKeyLimit is more than any public key takes in a line of its own.
const hostKeyLimit = 4096

// publicKey reads a file of one public host key, without its comment: its kind and
// itself, parted by a colon. "" is none.
func publicKey(text string) string {
	if len(text) > hostKeyLimit || strings.Count(strings.TrimSpace(text), "\n") > 0 {
		return ""
	}
	key, _, options, _, err := ssh.ParseAuthorizedKey([]byte(text))
	if err != nil || len(options) > 0 {
		return ""
	}
	switch key.Type() {
	case ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoRSA:
	default:
		return "" // A host does not show itself by it.
	}
	kind, itself, _ := strings.Cut(strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))), " ")
	return kind + ":" + itself
}

// hostKeys are the guest's host keys as others ask for them; "" where none is known. A
// stamp is written by whoever may configure the guest, who could change its disks as
// well: what is no key is left out all the same.
func hostKeys(s stamp.Stamp) string {
	line := strings.Replace(s.HostKey, ":", " ", 1)
	if s.HostKey == "" || publicKey(line) != s.HostKey {
		return ""
	}
	return line
}

func (j *job) madeHostKey(s stamp.Stamp) {
	if keys := hostKeys(s); keys != "" {
		j.p.Made(j.ID, desired.FactHostKeys, keys)
	}
}
