package pvesim

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
)

// hostKeyFile is where a machine with OpenSSH has its public host key.
const hostKeyFile = "/etc/ssh/ssh_host_ed25519_key.pub"

// hostKey is the content of [hostKeyFile] in a guest: made up, always the same for a
// guest, and another one for each that is made anew.
func (g *guest) hostKey() string {
	seed := sha256.Sum256([]byte("host key of " + itoa(g.vmid) + " " + g.conf["smbios1"] + " " + g.conf["vmgenid"]))
	public, _ := ed25519.NewKeyFromSeed(seed[:]).Public().(ed25519.PublicKey)
	// RFC 8709: the name of its kind, and the key; each after its length.
	var key []byte
	for _, part := range [][]byte{[]byte("ssh-ed25519"), public} {
		key = binary.BigEndian.AppendUint32(key, uint32(len(part))) //nolint:gosec // A few bytes.
		key = append(key, part...)
	}
	return "ssh-ed25519 " + base64.StdEncoding.EncodeToString(key) + " root@" + g.name() + "\n"
}
