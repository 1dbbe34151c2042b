package proxmox

import (
	"slices"
	"strings"

	"berth/desired"
)

// store is a storage as one node has it.
type store struct {
	node, name, plugin string
	shared, up         bool
	// used of size bytes are in use; size is 0 where that is not known.
	used, size desired.Size
	// content is what it is set up to take; empty where that is not known.
	content []string
}

// takes tells whether a storage is set up for a kind of content, as far as known.
func (s store) takes(content string) bool {
	return len(s.content) == 0 || slices.Contains(s.content, content)
}

// able tells whether a storage could be set up for a kind of content: those that
// keep no files have neither templates nor images to import. One of an unknown
// type is trusted.
func (s store) able(content string) bool {
	switch s.plugin {
	case "lvm", "lvmthin", "zfspool", "rbd":
		return content == "images" || content == "rootdir"
	case "zfs", "iscsi", "iscsidirect":
		return content == "images"
	case "cephfs":
		return content == "vztmpl" || content == "import"
	case "pbs", "esxi":
		return false
	}
	return true
}

// contentWords names a kind of content for people.
func contentWords(content string) string {
	switch content {
	case "vztmpl":
		return "container templates"
	case "rootdir":
		return "containers' volumes"
	case "images":
		return "virtual machines' disks"
	case "import":
		return "images to import"
	}
	return content
}

// splitList splits what Proxmox lists with commas.
func splitList(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
}

// shared are the storages that every node reaches.
func (inv *inventory) shared() map[string]bool {
	all := make(map[string]bool)
	for _, s := range inv.stores {
		all[s.name] = all[s.name] || s.shared
	}
	return all
}

// storeOn finds a storage as a node has it.
func (inv *inventory) storeOn(node, name string) (store, bool) {
	i := slices.IndexFunc(inv.stores, func(s store) bool { return s.name == name && (s.node == node || node == "") })
	if i < 0 {
		return store{}, false
	}
	return inv.stores[i], true
}

// storeNames are the storages that the token sees on a node; "" stands for all
// nodes.
func (inv *inventory) storeNames(node string) []string {
	return inv.storesTaking(node, "")
}

// storesTaking are those among them that are set up for a kind of content; ""
// stands for any.
func (inv *inventory) storesTaking(node, content string) []string {
	var names []string
	for _, s := range inv.stores {
		if (node == "" || s.node == node) && (content == "" || slices.Contains(s.content, content)) {
			names = append(names, s.name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
