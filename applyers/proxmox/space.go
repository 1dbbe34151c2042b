package proxmox

import (
	"cmp"
	"fmt"

	"berth/desired"
)

// thick tells whether a storage sets aside all of a disk when it is made. Others,
// files among them, take room as the disk is written to. A ZFS pool may be either,
// which its row does not tell.
func (s store) thick() bool { return s.plugin == "lvm" }

// free is what is left on a storage; known is false where the cluster does not say.
func (s store) free() (left desired.Size, known bool) {
	return max(s.size-s.used, 0), s.size > 0 && s.up
}

// space holds what the storages have no room for: on a thick one what goes beyond
// what is free together with all that is planned there before it, on another one
// whatever is to be put there when nothing is left.
func (s *sweep) space(p *premises, needs map[desired.ID][]need, shelves map[need]shelf) {
	planned := make(map[need]desired.Size)
	for _, r := range s.absent {
		if p.obstacles[r.ID] != "" {
			continue
		}
		takes := make(map[need]desired.Size)
		for _, n := range needs[r.ID] {
			on := shelves[need{node: n.node, store: n.store}]
			free, known := on.free()
			// A shared storage is one for all nodes.
			at := need{node: n.node, store: n.store}
			if on.shared {
				at.node = ""
			}
			what := fmt.Sprintf("storage %s of %s", n.store, on.node)
			switch remedy := "free some, or name another storage" + n.from; {
			case !known:
			case free == 0:
				p.obstacles[r.ID] = cmp.Or(p.obstacles[r.ID], fmt.Sprintf("%s is full: all of its %s are in use: %s", what, rounded(on.size), remedy))
			case on.thick():
				takes[at] += n.size
				if planned[at]+takes[at] <= free {
					continue
				}
				before := ""
				if planned[at] > 0 {
					before = fmt.Sprintf(", of which this plan takes %s before it", rounded(planned[at]))
				}
				p.obstacles[r.ID] = cmp.Or(p.obstacles[r.ID], fmt.Sprintf("%s has %s free%s, and %s needs %s there: %s",
					what, rounded(free), before, r.ID, rounded(s.sum(needs[r.ID], n)), remedy))
			}
		}
		if p.obstacles[r.ID] == "" {
			for at, size := range takes {
				planned[at] += size
			}
		}
	}
}

// sum is all that one resource puts where n is put.
func (s *sweep) sum(needs []need, n need) (all desired.Size) {
	for _, other := range needs {
		if other.node == n.node && other.store == n.store {
			all += other.size
		}
	}
	return all
}

// rounded writes a size for people: what is not whole MiB is cut off.
func rounded(size desired.Size) string {
	if size >= desired.MiB {
		size -= size % desired.MiB
	}
	return size.String()
}
