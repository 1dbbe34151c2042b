package proxmox

import "berth/desired"

// diskNames are the names of a data VM's disks in its manifest, by slot; nil for
// other resources.
func diskNames(r *desired.Resource) map[string]string {
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

// settled is the name that a slot's disk goes by: the manifest's, unless that
// would give it the name of another disk, or its own to another. Data never
// changes its name for that of other data.
func settled(stamped, wanted map[string]string, slot string) (name string, agreed bool) {
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

// named are the names that a stamp is to hold.
func (s stamp) named(want *desired.Resource) map[string]string {
	wanted := diskNames(want)
	if wanted == nil {
		return s.Disks
	}
	names := make(map[string]string)
	for slot := range wanted {
		if name, _ := settled(s.Disks, wanted, slot); name != "" {
			names[slot] = name
		}
	}
	return names
}
