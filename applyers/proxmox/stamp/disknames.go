package stamp

import "berth/desired"

// DiskNames are the names of a data VM's disks in its manifest, by slot; nil for
// other resources.
func DiskNames(r *desired.Resource) map[string]string {
	if r == nil {
		return nil
	}
	data, ok := r.Spec.(*desired.DataVM)
	if !ok {
		return nil
	}
	names := make(map[string]string)
	for slot, d := range data.Disks {
		if d.State != string(desired.Absent) && d.Name != "" {
			names[slot] = d.Name
		}
	}
	return names
}

// Settled is the name that a slot's disk goes by: the manifest's, unless that
// would give it the name of another disk, or its own to another. Data never
// changes its name for that of other data.
func Settled(stamped, wanted map[string]string, slot string) (name string, agreed bool) {
	was, is := stamped[slot], wanted[slot]
	if is == "" || was == is {
		return was, true
	}
	for other, name := range stamped {
		if other != slot && name == is {
			return was, false
		}
	}
	for other, name := range wanted {
		if other != slot && name == was && was != "" {
			return was, false
		}
	}
	return is, true
}

// Named are the names that a stamp is to hold.
func (s Stamp) Named(want *desired.Resource) map[string]string {
	wanted := DiskNames(want)
	if wanted == nil {
		return s.Disks
	}
	names := make(map[string]string)
	for slot := range wanted {
		if name, _ := Settled(s.Disks, wanted, slot); name != "" {
			names[slot] = name
		}
	}
	return names
}
