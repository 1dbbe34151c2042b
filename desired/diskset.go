package desired

import "reflect"

// diskSets lets guests whose disks are the same have one map of them: ten thousand
// guests have a few dozen of them. Nobody may write to what it gave.
type diskSets struct {
	known map[diskSet][]map[string]Disk
	// one and other are room for two that are compared.
	one, other Disk
}

// diskSet is what tells most of them apart.
type diskSet struct {
	slots int
	size  Size
}

// mostAlike is how many are kept that this does not tell apart: who looks for the same
// compares them all.
const mostAlike = 16

// shared is the map of the same disks that others have.
func (s *diskSets) shared(disks map[string]Disk) map[string]Disk {
	key := diskSet{slots: len(disks)}
	for _, d := range disks {
		key.size += d.Size
	}
	for _, known := range s.known[key] {
		if s.same(known, disks) {
			return known
		}
	}
	if s.known == nil {
		s.known = make(map[diskSet][]map[string]Disk)
	}
	if len(s.known[key]) < mostAlike {
		s.known[key] = append(s.known[key], disks)
	}
	return disks
}

func (s *diskSets) same(known, disks map[string]Disk) bool {
	if len(known) != len(disks) || (known == nil) != (disks == nil) {
		return false
	}
	for slot, d := range disks {
		has, there := known[slot]
		s.one, s.other = has, d
		if !there || !reflect.DeepEqual(&s.one, &s.other) {
			return false
		}
	}
	return true
}
