package proxmox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"berth/applyers/proxmox/pve"
	"berth/desired"
)

// Survey is a whole site as it is, in the manifest's words, whoever its guests
// belong to.
type Survey struct {
	// Version is Proxmox VE's. Nodes are all nodes, Offline those of them that do
	// not answer.
	Version        string
	Nodes, Offline []string
	// Guests are all guests that the token may see, by VMID.
	Guests []*Surveyed
	// Stores and Bridges are what guests stand on, by name and node. They are empty
	// where the token may not see them.
	Stores  []Store
	Bridges []Bridge

	site string
}

// Store is a storage of the cluster.
type Store struct {
	Name, Type string
	Shared     bool
	// Nodes have it; Content is what it is set up to take.
	Nodes, Content []string
}

// Bridge is a bridge of a node, with the node's own address on it, if any.
type Bridge struct {
	Node, Name string
	CIDR       netip.Prefix
	Gateway    netip.Addr
}

// Surveyed is one guest.
type Surveyed struct {
	// Kind is the short kind, "vm" or "ct".
	Kind, Node, Name  string
	VMID              int
	Running, Template bool
	Lock, Pool        string
	// Tags are all of them, Berth's own included.
	Tags []string
	// Unread says why its configuration could not be read; what follows is then
	// empty.
	Unread string
	// Fleet names the fleet whose stamp the guest bears, UID is that fleet's, and
	// ID what it is there; "" for a guest that is nobody's.
	Fleet, UID string
	ID         desired.ID
	// DiskNames and Images are what the stamp remembers, by slot; Seeded and
	// Archived tell that it was made with a seed, and that it is archived.
	DiskNames, Images map[string]string
	Seeded, Archived  bool
	// Spec is a *desired.VM or *desired.Container: all that is said of it, with
	// Proxmox's defaults filled in. Networks are named by bridge and VLAN
	// ("vmbr0", "vmbr0.30"), storages by Proxmox's own name, and a startup order is
	// as Proxmox writes it. Plain is the same guest with nothing but its volumes
	// and interfaces: what Proxmox takes where nothing is written.
	Spec, Plain any
	// UUID is a virtual machine's SMBIOS uuid; "" where it has none.
	UUID    string
	Volumes map[string]Volume
	NICs    map[string]Attachment
	// DNS and Search are what Proxmox's own cloud-init drive tells a virtual
	// machine; CloudInit are the options that it is set up by.
	DNS, Search []string
	CloudInit   []string
	// Pending are the values that wait for a reboot: Spec holds what is to come.
	Pending []Waiting
	// Unused are detached volumes that the guest still owns.
	Unused []string
	// Unsaid are the options that the words above leave out.
	Unsaid []Unsaid

	found *found
}

// What names the guest for people: `vm 101 "web" on pve1`.
func (g *Surveyed) What() string {
	return (&row{kind: g.Kind, vmid: g.VMID, name: g.Name, node: g.Node}).what()
}

// Volume is what stands in a drive's slot.
type Volume struct {
	// ID is Proxmox's name for it, "local-lvm:vm-100-disk-0".
	ID string
	// Owner is the VMID of the guest that it belongs to; 0 for none. Base is that of
	// the template on whose disk a linked clone stands.
	Owner, Base int
	// Host tells a path or a device of the node, CDROM a drive without a disk of
	// the guest's; Seed one that holds cloud-init's settings.
	Host, CDROM, Seed bool
}

// Attachment is where an interface is plugged in.
type Attachment struct {
	Bridge, MAC string
	VLAN        int
	// Address and Gateway are what Proxmox tells the guest: "dhcp", "10.1.1.4/24".
	Address, Gateway string
}

// Waiting is a value that takes effect at the next start.
type Waiting struct {
	// Path is "" where the words leave the option out.
	Path      desired.Path
	Option    string
	Now, Then string
}

// Unsaid is an option, or a part of one, that a manifest can't say.
type Unsaid struct {
	// Option is "args", or "scsi0 shared" for a part.
	Option string
	Reason string
}

// Survey reads a whole site: a few requests for the cluster, two and one a node,
// and one for each guest. It never writes. A site that can't be read is an error
// that says what to do; a single guest that can't be read is told as such.
func (a *Applyer) Survey(ctx context.Context, site *desired.Site) (*Survey, error) {
	c, err := a.begin(ctx, site)
	if err != nil {
		if remedy := pve.TokenRemedy(err); remedy != "" {
			return nil, fmt.Errorf("%w: %s", err, remedy)
		}
		return nil, err
	}
	s := &sweep{cluster: c, applyer: a, fleet: &desired.Fleet{}}
	refuse := func(err error) (*Survey, error) {
		reason, remedy := s.whyBlind(err)
		if remedy != "" {
			reason += ": " + remedy
		}
		return nil, errors.New(reason)
	}
	out := &Survey{site: site.Name}
	// The first request goes alone: each that is refused costs three seconds.
	var version struct{ Version string }
	if err := s.Get(ctx, "/version", &version); err != nil {
		return refuse(err)
	}
	out.Version = version.Version
	rows, err := s.readResources(ctx)
	if err == nil {
		err = s.readNodes(ctx, &s.inv)
	}
	if err != nil {
		return refuse(err)
	}
	s.inv.fill(rows)
	s.readLists(ctx, &s.inv)
	out.Nodes, out.Offline = s.inv.nodes(), s.inv.offline
	out.Stores = s.inv.surveyStores()
	out.Bridges = s.surveyBridges(ctx)
	s.surveyGuests(ctx, out)
	return out, ctx.Err()
}

func (inv *inventory) surveyStores() []Store {
	byName := make(map[string]*Store)
	var names []string
	for _, st := range inv.stores {
		one := byName[st.name]
		if one == nil {
			one = &Store{Name: st.name, Type: st.plugin, Shared: st.shared, Content: st.content}
			byName[st.name] = one
			names = append(names, st.name)
		}
		one.Nodes = append(one.Nodes, st.node)
	}
	slices.Sort(names)
	out := make([]Store, len(names))
	for i, name := range names {
		out[i] = *byName[name]
	}
	return out
}

// surveyBridges reads each node's bridges. Where that is not allowed there are
// none: networks are then told by the guests alone.
func (s *sweep) surveyBridges(ctx context.Context) []Bridge {
	lists := make([][]Bridge, len(s.inv.online))
	var wg sync.WaitGroup
	for i, node := range s.inv.online {
		wg.Go(func() {
			var rows []struct{ Iface, CIDR, Gateway string }
			if s.Get(ctx, "/nodes/"+node+"/network?type=any_bridge", &rows) != nil {
				return
			}
			for _, r := range rows {
				b := Bridge{Node: node, Name: r.Iface}
				b.CIDR, _ = netip.ParsePrefix(r.CIDR)
				b.Gateway, _ = netip.ParseAddr(r.Gateway)
				lists[i] = append(lists[i], b)
			}
		})
	}
	wg.Wait()
	all := slices.Concat(lists...)
	slices.SortFunc(all, func(a, b Bridge) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Node, b.Node))
	})
	return all
}

// surveyGuests reads every guest, one request each.
func (s *sweep) surveyGuests(ctx context.Context, out *Survey) {
	var rows []*row
	for _, r := range s.inv.rows {
		g := &Surveyed{
			Kind: r.kind, Node: r.node, Name: r.name, VMID: r.vmid, Running: r.running, Template: r.template,
			Lock: r.lock, Pool: r.pool, Tags: r.tags,
		}
		out.Guests = append(out.Guests, g)
		rows = append(rows, r)
	}
	each(len(rows), func(i int) {
		g, r := out.Guests[i], rows[i]
		if g.Unread = s.inv.unreachable(r.node); g.Unread != "" {
			return
		}
		conf, err := s.ReadConfig(ctx, r.kind, r.node, r.vmid)
		if err != nil {
			g.Unread = err.Error()
			if help := s.helpWith(err); help != "" {
				g.Unread += ": " + help
			}
			return
		}
		g.found = newFound(*r, conf)
	})
	slices.SortFunc(out.Guests, func(a, b *Surveyed) int { return cmp.Compare(a.VMID, b.VMID) })
	v := &viewer{site: &desired.Site{Name: s.site.Name}, seen: make(map[string]bool)}
	for _, g := range out.Guests {
		if g.found != nil {
			v.tell(g)
		}
	}
}
