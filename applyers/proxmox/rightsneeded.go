package proxmox

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"berth/applyers/proxmox/pve"
	"berth/desired"
	"berth/drift"
)

// rootOnly is the privilege tag of what no token may do, whatever its rights.
const rootOnly = "root@pam"

// needy tells what rights the steps of one machine take (Proxmox VE 8.4: the
// permissions of its own API schema, and the checks in the sources of qemu-server
// and pve-container).
type needy struct {
	fleet *desired.Fleet
	site  *desired.Site
	vmid  int
	// order is the startup order that Proxmox has for it.
	order string
	// want is nil for what is gone from the manifests.
	want *desired.Resource
}

func (n *needy) guest() *desired.Guest {
	if n.want == nil {
		return &desired.Guest{}
	}
	if g := n.fleet.Machine(n.want.ID); g != nil {
		return g
	}
	return &desired.Guest{}
}

// node is where the machine shall stand; a storage class may be another one there.
func (n *needy) node() string { return n.guest().Node }

// on is a right on the machine itself. One that a pool is asked for may be had
// through the pool.
func (n *needy) on(privilege string) pve.Right {
	r := pve.Right{Path: fmt.Sprintf("/vms/%d", n.vmid), Privilege: privilege}
	if pool := n.guest().Pool; pool != "" {
		r.Or = []pve.Right{{Path: "/pool/" + pool, Privilege: privilege}}
	}
	return r
}

// step are the rights of a step but for those of its fields. Each begins by
// reading the machine.
func (n *needy) step(step drift.Step) []pve.Right {
	all := []pve.Right{n.on("VM.Audit")}
	switch step {
	case drift.Create:
		return append(all, n.create()...)
	case drift.Start, drift.Stop, drift.Reboot:
		return append(all, n.on("VM.PowerMgmt"))
	case drift.Restore:
		if n.guest().State == desired.Running {
			all = append(all, n.on("VM.PowerMgmt"))
		}
		return append(all, n.on("VM.Config.Options"))
	case drift.Archive, drift.Adopt, drift.Release:
		return append(all, n.on("VM.Config.Options"))
	case drift.Delete:
		return append(all, n.on("VM.Allocate"))
	case drift.Migrate:
		return append(all, n.on("VM.Migrate"))
	case drift.Detach:
		if n.guest().State == desired.Running {
			// It is stopped for that, and started again.
			all = append(all, n.on("VM.PowerMgmt"))
		}
		return append(all, n.on("VM.Config.Disk"))
	case drift.Attach:
		return append(all, n.on("VM.Config.Disk"))
	default:
		return all
	}
}

// create are the rights that making the machine takes.
func (n *needy) create() []pve.Right {
	g := n.guest()
	all := []pve.Right{n.on("VM.Allocate"), n.on("VM.Config.Options")}
	if n.want.ID.Kind() != desired.KindContainer {
		all = append(all, n.on("VM.Config.HWType"))
	}
	if n.want.ID.Kind() == desired.KindData {
		// What is never started is made as small as can be.
		all = append(all, n.on("VM.Config.CPU"), n.on("VM.Config.Memory"))
	}
	if g.State == desired.Running {
		all = append(all, n.on("VM.PowerMgmt"))
	}
	if g.Clone.Template != "" {
		all = append(all, n.clone()...)
	}
	for _, leaf := range desired.Leaves(n.want.ID.Kind(), n.want.Spec) {
		if n.want.Set.Has(leaf.Path) && leaf.Effect != desired.Create {
			all = append(all, n.leaf(leaf.Path, leaf.Privilege)...)
		}
	}
	for _, slot := range slices.Sorted(maps.Keys(g.Disks)) {
		all = append(all, n.disk(g.Disks[slot])...)
	}
	if vm, ok := n.want.Spec.(*desired.VM); ok && vm.CloudInit != nil {
		all = append(all, n.seed(vm)...)
	}
	return all
}

// clone are the rights that copying a template takes. Where its disks lie is not
// known beforehand: any storage class of the site may be it.
func (n *needy) clone() []pve.Right {
	all := []pve.Right{{Path: "/vms", Privilege: "VM.Clone"}, n.on("VM.Config.Disk")}
	for _, d := range n.guest().Disks {
		if d.Storage != "" && d.Size != 0 {
			return all
		}
	}
	for _, class := range slices.Sorted(maps.Keys(n.site.Storage)) {
		all = append(all, space(n.site.Storage[class].Store))
	}
	return all
}

// space is the right to allocate on a storage.
func space(store string) pve.Right {
	return pve.Right{Path: "/storage/" + store, Privilege: "Datastore.AllocateSpace"}
}

// seed are the rights that a cloud-init drive takes: one of Proxmox's own, or one
// that is uploaded, imported and deleted again.
func (n *needy) seed(vm *desired.VM) []pve.Right {
	if vm.CloudInit.Native {
		return []pve.Right{n.on("VM.Config.Cloudinit"), n.on("VM.Config.Disk")}
	}
	store := seedStore(n.site, n.node())
	var all []pve.Right
	for _, slot := range bootOrder(vm) {
		// The seed is put beside what the guest boots from.
		if beside := storeOn(n.site, vm.Disks[slot].Storage, n.node()); beside != "" {
			all = append(all, space(beside))
			break
		}
	}
	return append(all,
		n.on("VM.Config.Disk"),
		pve.Right{Path: "/storage/" + store, Privilege: "Datastore.Allocate"},
		pve.Right{Path: "/storage/" + store, Privilege: "Datastore.AllocateTemplate"},
		reading(store),
	)
}

// reading is the right to use what lies on a storage.
func reading(store string) pve.Right {
	path := "/storage/" + store
	return pve.Right{Path: path, Privilege: "Datastore.Audit", Or: []pve.Right{{Path: path, Privilege: "Datastore.AllocateSpace"}}}
}

// disk are the rights that a disk takes on storages.
func (n *needy) disk(d desired.Disk) []pve.Right {
	var all []pve.Right
	if store := storeOn(n.site, d.Storage, n.node()); store != "" {
		all = append(all, space(store))
	}
	for _, name := range []string{d.Image, d.ISO} {
		r := n.fleet.Resource(desired.MakeID(desired.KindImage, name+"@"+n.site.Name))
		if r == nil {
			continue
		}
		if image, ok := r.Spec.(*desired.ImageAt); ok {
			all = append(all, reading(image.Store))
		}
	}
	return append(all, n.volume(d.Volume)...)
}

// volume are the rights that a disk of a data VM takes from another guest: both of
// them, or the one that does for everything on its storage (check_volume_access in
// the sources of pve-storage).
func (n *needy) volume(ref string) []pve.Right {
	data, name, _ := strings.Cut(ref, "/")
	owner := n.fleet.Machine(desired.MakeID(desired.KindData, data))
	if owner == nil {
		return nil
	}
	for _, slot := range slices.Sorted(maps.Keys(owner.Disks)) {
		if disk := owner.Disks[slot]; disk.Name == name {
			path := "/storage/" + storeOn(n.site, disk.Storage, owner.Node)
			or := []pve.Right{{Path: path, Privilege: "Datastore.Allocate"}}
			return []pve.Right{
				{Path: path, Privilege: "Datastore.Audit", Or: or},
				{Path: fmt.Sprintf("/vms/%d", owner.VMID), Privilege: "VM.Config.Disk", Or: or},
			}
		}
	}
	return nil
}

// leaf are the rights that one value takes. privilege is that of its tag.
func (n *needy) leaf(path desired.Path, privilege string) []pve.Right {
	if privilege == "" || privilege == rootOnly {
		return nil
	}
	g, keys := n.guest(), path.Keys()
	switch {
	case path == "id":
		return nil
	case path == seedPath:
		if vm, ok := n.want.Spec.(*desired.VM); ok && vm.CloudInit != nil && vm.CloudInit.Reruns() {
			return append(n.seed(vm), n.on("VM.Config.Options"))
		}
		return []pve.Right{n.on(privilege)}
	case path == "state":
		return []pve.Right{n.on("VM.PowerMgmt")}
	case path == "features":
		// Whoever changes a container's configuration needs one of its rights,
		// whatever the option itself takes.
		return []pve.Right{n.on(privilege), n.on("VM.Config.Options")}
	case path == "pool":
		return []pve.Right{{Path: "/pool/" + g.Pool, Privilege: "Pool.Allocate"}, n.on("VM.Allocate")}
	case path == "startup" && n.reorders():
		return []pve.Right{n.on(privilege), {Path: "/", Privilege: "Sys.Modify"}}
	case len(keys) == 3 && keys[0] == "networks" && (keys[2] == "address" || keys[2] == "gateway") && n.native():
		// It is Proxmox's own cloud-init drive that tells it.
		r := n.on("VM.Config.Cloudinit")
		r.Or = []pve.Right{{Path: r.Path, Privilege: "VM.Config.Network"}}
		return []pve.Right{r}
	case len(keys) == 3 && keys[0] == "networks":
		return append([]pve.Right{n.on(privilege)}, n.bridge(g.Networks[keys[1]])...)
	case len(keys) == 3 && keys[0] == "disks" && !slices.Contains([]string{"size", "storage", "volume", "iso"}, keys[2]):
		return []pve.Right{n.on(privilege)}
	case len(keys) == 3 && keys[0] == "disks":
		return append([]pve.Right{n.on(privilege)}, n.disk(g.Disks[keys[1]])...)
	}
	return []pve.Right{n.on(privilege)}
}

// reorders tells whether the startup order is written, or taken away.
func (n *needy) reorders() bool {
	switch phase := n.guest().Startup; phase {
	case "never":
		return false
	case "yes":
		return n.order != ""
	default:
		return n.order == "" || n.order != phaseProps(n.site.Phases[phase]).String()
	}
}

func (n *needy) native() bool {
	vm, ok := n.want.Spec.(*desired.VM)
	return ok && vm.CloudInit != nil && vm.CloudInit.Native
}

// bridge is the right to use a network.
func (n *needy) bridge(nic desired.NIC) []pve.Right {
	network, known := n.site.Networks[nic.Network]
	if !known || network.Bridge == "" || nic.State == string(desired.Absent) {
		return nil
	}
	path := "/sdn/zones/localnetwork/" + network.Bridge
	if vlan := max(nic.VLAN, network.VLAN); vlan != 0 {
		path += "/" + strconv.Itoa(vlan)
	}
	return []pve.Right{{Path: path, Privilege: "SDN.Use"}}
}

// fetching are the rights that bringing an image onto a storage takes.
func fetching(fleet *desired.Fleet, want *desired.Resource, image *desired.ImageAt) []pve.Right {
	all := []pve.Right{{Path: "/storage/" + image.Store, Privilege: "Datastore.AllocateTemplate"}}
	for _, node := range usingNodes(fleet, want, image) {
		all = append(all, pve.Right{Path: "/nodes/" + node, Privilege: "Sys.AccessNetwork", Or: []pve.Right{
			{Path: "/", Privilege: "Sys.Audit"}, {Path: "/", Privilege: "Sys.Modify"},
		}})
	}
	return all
}

// looking are the rights that reading a site takes.
func looking(site *desired.Site) []pve.Right {
	all := []pve.Right{{Path: "/", Privilege: "Sys.Audit"}, {Path: "/vms", Privilege: "VM.Audit"}}
	stores := []string{site.Images, site.Seeds}
	for _, class := range site.Storage {
		stores = append(stores, class.Store)
	}
	for _, store := range stores {
		if store != "" {
			all = append(all, reading(site.Store(store)))
		}
	}
	return all
}
