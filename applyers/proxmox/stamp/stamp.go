package stamp

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"berth/desired"
)

// Version is the newest form of the stamp that this version reads; a newer
// one is never guessed at.
const Version = 1

const stampPrefix = "berth: "

// NoVolume stands in a stamp for a slot that held nothing.
const NoVolume = "none"

// Stamp is the proof of ownership and all that is remembered about a guest. It
// is the last line of the guest's description:
//
//	berth: pegasus/vm/web-1 home#4000004 uid=5b1f0c2e instance=9c4e01aa image=scsi0:debian-12
type Stamp struct {
	Fleet string
	UID   string
	ID    desired.ID
	Site  string
	VMID  int
	// Instance changes when the guest is made anew.
	Instance string
	// Images are the images that disks were made from, by slot.
	Images map[string]string
	// Seed begins the digest of what cloud-init was asked for.
	Seed string
	// Former is what the seed's slot held before a rerun, "scsi30:local:4001/…", or
	// "scsi30:none", until what is left of that is cleared away; "" otherwise.
	Former string
	// SeedDisk is the volume that the seed lies on.
	SeedDisk string
	// Reseeded is when the seed was replaced while the guest ran; zero otherwise.
	Reseeded time.Time
	// Next is the address that Address becomes with the boot after Reseeded, "dhcp"
	// for none; "" where it stays.
	Next string
	// Address is a virtual machine's static address, which stands in its seed
	// alone; "" for all others.
	Address string
	// HostKey is a public SSH host key of the guest's, learnt from the guest itself by
	// way of Proxmox: "ssh-ed25519:AAAA…"; "" while none is known.
	HostKey string
	// Making is set while the creation has not come to its end, Starting from then
	// on, and after a restore, until the guest has been ready once.
	Making   bool
	Starting bool
	// Remove is destroy or release where the guest is not archived when its
	// manifest is gone: then only the guest can tell. "" is archive.
	Remove string
	// Disks are the names of a data VM's disks, by slot: what refers to them rests
	// on neither slot nor VMID.
	Disks map[string]string
	// Clone is the template that the guest was made from, and its VMID:
	// "debian-12:9000".
	Clone string
	// Archived is when the guest was archived; zero for one in use.
	Archived time.Time
	// Version is 0 for the first form, which doesn't write it.
	Version int
}

// String is the stamp's line.
func (s Stamp) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s%s/%s %s#%d", stampPrefix, s.Fleet, s.ID, s.Site, s.VMID)
	add := func(key, value string) {
		if value != "" {
			b.WriteString(" " + key + "=" + value)
		}
	}
	add("uid", s.UID)
	add("instance", s.Instance)
	add("image", bySlot(s.Images))
	add("disks", bySlot(s.Disks))
	add("clone", s.Clone)
	add("seed", s.Seed)
	add("seeddisk", s.SeedDisk)
	add("former", s.Former)
	if !s.Reseeded.IsZero() {
		add("reseeded", s.Reseeded.UTC().Format(time.RFC3339))
	}
	add("address", s.Address)
	add("next", s.Next)
	add("hostkey", s.HostKey)
	switch {
	case s.Making:
		add("state", "making")
	case s.Starting:
		add("state", "starting")
	}
	add("remove", s.Remove)
	if !s.Archived.IsZero() {
		add("archived", s.Archived.UTC().Format(time.RFC3339))
	}
	if s.Version > Version {
		add("v", strconv.Itoa(s.Version))
	}
	return b.String()
}

// bySlot writes what slots hold: "scsi0:debian-12,scsi1:data".
func bySlot(m map[string]string) string {
	all := make([]string, 0, len(m))
	for _, slot := range slices.Sorted(maps.Keys(m)) {
		all = append(all, slot+":"+m[slot])
	}
	return strings.Join(all, ",")
}

// parseBySlot reads what [bySlot] writes.
func parseBySlot(text string) map[string]string {
	m := make(map[string]string)
	for one := range strings.SplitSeq(text, ",") {
		if slot, name, ok := strings.Cut(one, ":"); ok {
			m[slot] = name
		}
	}
	return m
}

// InstanceID is the guest's instance; a stamp that a person wrote by hand names
// none.
func (s Stamp) InstanceID() string { return cmp.Or(s.Instance, "adopted") }

// Of tells whether a stamp is of a fleet, under its name or the one it had
// before. The uid is the same all along.
func (s Stamp) Of(f *desired.Fleet) bool {
	former := f.Spec.RenamedFrom
	return s.UID == f.Spec.UID && (s.Fleet == f.Spec.Name || former != "" && s.Fleet == former)
}

// FormerSeed is what the seed's slot held before it was replaced; "" where nothing is left
// to be cleared away.
func (s Stamp) FormerSeed() (slot, volid string) {
	slot, volid, _ = strings.Cut(s.Former, ":")
	return slot, strings.TrimPrefix(volid, NoVolume)
}

// Parse reads a line; ok is false for one that is no stamp.
func Parse(line string) (s Stamp, ok bool) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(line), stampPrefix)
	if !ok {
		return s, false
	}
	words := strings.Fields(rest)
	if len(words) < 2 {
		return s, false
	}
	fleet, id, named := strings.Cut(words[0], "/")
	site, number, placed := strings.Cut(words[1], "#")
	vmid, err := strconv.Atoi(number)
	s = Stamp{Fleet: fleet, ID: desired.ID(id), Site: site, VMID: vmid}
	if !named || !placed || err != nil || vmid <= 0 || !s.ID.Machine() || s.ID.Name() == "" {
		return Stamp{}, false
	}
	for _, word := range words[2:] {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "uid":
			s.UID = value
		case "instance":
			s.Instance = value
		case "seed":
			s.Seed = value
		case "seeddisk":
			s.SeedDisk = value
		case "next":
			s.Next = value
		case "former":
			s.Former = value
		case "reseeded":
			// One that can't be read is only not told of.
			s.Reseeded, _ = time.Parse(time.RFC3339, value)
		case "address":
			s.Address = value
		case "hostkey":
			s.HostKey = value
		case "state":
			s.Making, s.Starting = value == "making", value == "starting"
		case "remove":
			s.Remove = value
		case "image":
			s.Images = parseBySlot(value)
		case "disks":
			s.Disks = parseBySlot(value)
		case "clone":
			s.Clone = value
		case "archived":
			// A date that can't be read must not make an archived guest look
			// like one in use, nor like one whose time is up.
			if s.Archived, err = time.Parse(time.RFC3339, value); err != nil {
				return Stamp{}, false
			}
		case "v":
			if s.Version, err = strconv.Atoi(value); err != nil {
				return Stamp{}, false
			}
		}
	}
	return s, true
}

// Split parts what people wrote from the stamp, which is the last
// line that is not blank.
func Split(text string) (words string, s Stamp, stamped bool) {
	trimmed := strings.TrimRight(text, " \t\r\n")
	cut := strings.LastIndexByte(trimmed, '\n')
	s, stamped = Parse(trimmed[cut+1:])
	if !stamped {
		return trimmed, Stamp{}, false
	}
	if cut < 0 {
		return "", s, true
	}
	return strings.TrimRight(trimmed[:cut], " \t\r\n"), s, true
}

// Join puts the stamp below what people wrote.
func Join(words string, s Stamp) string {
	words = strings.TrimRight(words, " \t\r\n")
	if words == "" {
		return s.String()
	}
	return words + "\n\n" + s.String()
}
