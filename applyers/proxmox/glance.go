package proxmox

import (
	"hash/maphash"
	"math/bits"

	"github.com/go-faster/jx"

	"berth/applyers/proxmox/pve"
	"berth/desired"
)

// glance is what the cluster's list of resources tells of a guest, in little. Its
// texts are the answer's own: they are valid until the next glance.
type glance struct {
	vmid             int
	kind             string
	node, name, tags []byte
	// status is "running" or "stopped"; anything else tells nothing.
	status []byte
	brief
}

// brief are digests of what the list of resources says of a guest: of its pool; of
// what tells whose it is, its name, its tags and whether it is a template; and of the
// sizes and the lock that its configuration gives it. Load and uptime are in none.
type brief struct{ pool, sign, size uint64 }

// The members of which briefs are made, each with a place of its own in a digest.
const (
	nameMember = iota + 1
	tagsMember
	templateMember
	lockMember
	memoryMember
	cpuMember
	diskMember
)

// put takes a member into a brief, by the hash of its value.
func (b *brief) put(member int, hash uint64) {
	hash = bits.RotateLeft64(hash, 8*member)
	if member <= templateMember {
		b.sign += hash
	} else {
		b.size += hash
	}
}

// brief is that of a row that was read whole.
func (l *looked) brief(r *resourceRow) brief {
	var b brief
	put := func(member int, text string) {
		if text != "" {
			b.put(member, maphash.String(l.seed, text))
		}
	}
	put(nameMember, r.Name)
	put(tagsMember, r.Tags)
	put(lockMember, r.Lock)
	put(memoryMember, string(r.Maxmem))
	put(cpuMember, string(r.Maxcpu))
	put(diskMember, string(r.Maxdisk))
	if r.Template.Yes() {
		b.put(templateMember, 1)
	}
	if r.Pool != "" {
		b.pool = maphash.String(l.seed, r.Pool)
	}
	return b
}

// nodeSign is a digest of a node's name and whether it is up. Those of all nodes add
// up.
func (l *looked) nodeSign(name, status []byte) uint64 {
	return maphash.Bytes(l.seed, name) * (maphash.Bytes(l.seed, status) | 1)
}

// glances reads the list of resources in place: of a thousand guests it would
// otherwise make ten thousand texts, at every poll.
type glances struct {
	*looked
	// begin is called when reading begins, again where an answer was no good; each
	// for every guest.
	begin func()
	each  func(*glance)
	// sum is of all nodes.
	sum uint64
}

// Decode reads the list.
func (l *glances) Decode(d *jx.Decoder) error {
	l.begin()
	l.sum = 0
	var g glance
	var what []byte
	// A member that stands twice is what it is said to be last, as wherever JSON is read.
	var hashes [diskMember + 1]uint64
	member := func(name []byte) error {
		text, err := pve.InPlace(d)
		hash := func() uint64 {
			if len(text) == 0 {
				return 0
			}
			return maphash.Bytes(l.seed, text)
		}
		switch string(name) {
		case "type":
			what = text
		case "vmid":
			g.vmid = number(text)
		case "node":
			g.node = text
		case "status":
			g.status = text
		case "name":
			g.name = text
			hashes[nameMember] = hash()
		case "tags":
			g.tags = text
			hashes[tagsMember] = hash()
		case "template":
			hashes[templateMember] = 0
			if string(text) == "1" {
				hashes[templateMember] = 1
			}
		case "pool":
			g.pool = hash()
		case "lock":
			hashes[lockMember] = hash()
		case "maxmem":
			hashes[memoryMember] = hash()
		case "maxcpu":
			hashes[cpuMember] = hash()
		case "maxdisk":
			hashes[diskMember] = hash()
		}
		return err
	}
	return pve.Array(d, func() error {
		g, what, hashes = glance{}, nil, [diskMember + 1]uint64{}
		if err := pve.Object(d, member); err != nil {
			return err
		}
		switch string(what) {
		case "node":
			l.sum += l.nodeSign(g.node, g.status)
			return nil
		case "qemu":
			g.kind = desired.KindVM
		case "lxc":
			g.kind = desired.KindContainer
		}
		for member, hash := range hashes {
			g.put(member, hash)
		}
		if g.kind != "" && g.vmid > 0 {
			l.each(&g)
		}
		return nil
	})
}

// number is a whole number that is not negative; 0 for what is none.
func number(text []byte) int {
	n := 0
	for _, c := range text {
		if c < '0' || c > '9' || n > 1<<52 {
			return 0
		}
		n = 10*n + int(c-'0')
	}
	return n
}

// fingerprint is of all that a guest's configuration says, pending values included,
// but for what comes and goes with each backup and snapshot and changes nothing.
func fingerprint(seed maphash.Seed, conf *pve.Config) uint64 {
	var sum uint64
	for part, values := range []map[string]string{conf.Values, conf.Now} {
		for key, value := range values {
			if key == "parent" || key == "lock" && passingLock(value) {
				continue
			}
			var h maphash.Hash
			h.SetSeed(seed)
			_ = h.WriteByte(byte(part))
			_, _ = h.WriteString(key)
			_ = h.WriteByte(0)
			_, _ = h.WriteString(value)
			sum += h.Sum64()
		}
	}
	return sum
}

// passingLock tells whether a lock goes away by itself.
func passingLock(lock string) bool {
	return lock == "backup" || lock == "snapshot" || lock == "snapshot-delete"
}

// nodeName is a node's name as a text that lives on, without a copy where it is the
// one known already.
func nodeName(known string, read []byte) string {
	if string(read) == known {
		return known
	}
	return string(read)
}
