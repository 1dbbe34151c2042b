package proxmox

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/go-faster/jx"

	"berth/applyers/proxmox/pve"
	"berth/applyers/proxmox/stamp"
	"berth/desired"
)

// row is a guest as lists show it.
type row struct {
	kind     string
	node     string
	vmid     int
	name     string
	running  bool
	template bool
	lock     string
	tags     []string
	pool     string
	// uptime is how many seconds ago it was started; 0 for one that does not run.
	uptime int
}

// what names a guest for people: `vm 101 "web" on pve1`.
func (r *row) what() string {
	text := r.kind + " " + strconv.Itoa(r.vmid)
	if r.name != "" {
		text += ` "` + r.name + `"`
	}
	return text + " on " + r.node
}

// inventory is what a cluster says of itself as a whole.
type inventory struct {
	rows map[int]*row
	// online are the nodes that answer, offline those that do not.
	online, offline []string
	quorate         bool
	stores          []store
	// unsure are the nodes whose lists could not be read, with the reason.
	unsure map[string]error
}

type resourceRow struct {
	Type, Node, Name, Status, Tags, Storage, Plugintype, Content, Lock, Pool string
	Vmid, Template, Shared, Uptime, Disk, Maxdisk, Maxmem, Maxcpu            pve.Scalar
}

// resourceRows are a list of guests, nodes and storages.
type resourceRows []*resourceRow

// Decode reads them. A large cluster's fill megabytes with figures that nobody asks for.
func (rows *resourceRows) Decode(d *jx.Decoder) error {
	*rows = nil
	return pve.Array(d, func() error {
		r := &resourceRow{}
		err := pve.Object(d, func(name []byte) (err error) {
			switch string(name) {
			case "type":
				r.Type, err = pve.Text(d)
			case "node":
				r.Node, err = pve.Text(d)
			case "name":
				r.Name, err = pve.Text(d)
			case "status":
				r.Status, err = pve.Text(d)
			case "tags":
				r.Tags, err = pve.Text(d)
			case "storage":
				r.Storage, err = pve.Text(d)
			case "plugintype":
				r.Plugintype, err = pve.Text(d)
			case "content":
				r.Content, err = pve.Text(d)
			case "lock":
				r.Lock, err = pve.Text(d)
			case "pool":
				r.Pool, err = pve.Text(d)
			case "vmid":
				err = r.Vmid.Decode(d)
			case "template":
				err = r.Template.Decode(d)
			case "shared":
				err = r.Shared.Decode(d)
			case "uptime":
				err = r.Uptime.Decode(d)
			case "disk":
				err = r.Disk.Decode(d)
			case "maxdisk":
				err = r.Maxdisk.Decode(d)
			case "maxmem":
				err = r.Maxmem.Decode(d)
			case "maxcpu":
				err = r.Maxcpu.Decode(d)
			default:
				err = d.Skip()
			}
			return err
		})
		*rows = append(*rows, r)
		return err
	})
}

// readResources reads guests and storages of the whole cluster. The status in it
// is up to ten seconds old (FACTS 4).
func (c *cluster) readResources(ctx context.Context) ([]*resourceRow, error) {
	var rows resourceRows
	err := c.Get(ctx, "/cluster/resources", &rows)
	return rows, err
}

func (r *resourceRow) guest() *row {
	kind := desired.KindVM
	switch r.Type {
	case "qemu":
	case "lxc":
		kind = desired.KindContainer
	default:
		return nil
	}
	return &row{
		kind: kind, node: r.Node, vmid: r.Vmid.Int(), name: r.Name, running: r.Status == "running",
		template: r.Template.Yes(), lock: r.Lock, tags: stamp.ParseTags(r.Tags), pool: r.Pool, uptime: r.Uptime.Int(),
	}
}

type statusRow struct {
	Type, Name      string
	Online, Quorate pve.Scalar
}

// readNodes tells which nodes answer, and whether the cluster can be written to.
// A token that may not see that is told of nodes only.
func (c *cluster) readNodes(ctx context.Context, inv *inventory) error {
	var rows []statusRow
	err := c.Get(ctx, "/cluster/status", &rows)
	inv.quorate = true
	if pve.Status(err) == 403 {
		var nodes []struct{ Node, Status string }
		if err := c.Get(ctx, "/nodes", &nodes); err != nil {
			return err
		}
		for _, n := range nodes {
			inv.node(n.Node, n.Status == "online")
		}
		return nil
	}
	for _, r := range rows {
		switch r.Type {
		case "node":
			inv.node(r.Name, r.Online.Yes())
		case "cluster":
			inv.quorate = r.Quorate.Yes()
		}
	}
	return err
}

func (inv *inventory) node(name string, online bool) {
	if online {
		inv.online = append(inv.online, name)
		slices.Sort(inv.online)
		return
	}
	inv.offline = append(inv.offline, name)
	slices.Sort(inv.offline)
}

// readLists replaces the cluster's stale view of guests by each node's own.
func (c *cluster) readLists(ctx context.Context, inv *inventory) {
	inv.unsure = make(map[string]error)
	families := []string{"qemu", "lxc"}
	errs := make([]error, len(inv.online)*len(families))
	var mu sync.Mutex
	var wg sync.WaitGroup
	for n, node := range inv.online {
		for f, family := range families {
			wg.Go(func() {
				var rows resourceRows
				if err := c.Get(ctx, "/nodes/"+node+"/"+family, &rows); err != nil {
					errs[n*len(families)+f] = err
					return
				}
				mu.Lock()
				defer mu.Unlock()
				for _, r := range rows {
					r.Type, r.Node = family, node
					if g := r.guest(); g.vmid > 0 {
						// Only the cluster's own list tells of pools.
						if was := inv.rows[g.vmid]; was != nil {
							g.pool = was.pool
						}
						inv.rows[g.vmid] = g
					}
				}
			})
		}
	}
	wg.Wait()
	for i, err := range errs {
		if node := inv.online[i/len(families)]; err != nil && inv.unsure[node] == nil {
			inv.unsure[node] = err
		}
	}
}

// unreachable says why a node's guests can't be read; "" if they can.
func (inv *inventory) unreachable(node string) string {
	if slices.Contains(inv.offline, node) {
		return "node " + node + " is offline"
	}
	if err := inv.unsure[node]; err != nil {
		return "node " + node + " can't be read: " + err.Error()
	}
	return ""
}

// nodes are all nodes of the cluster, those included that do not answer.
func (inv *inventory) nodes() []string {
	return slices.Sorted(slices.Values(slices.Concat(inv.online, inv.offline)))
}

// known leaves of some nodes those that the cluster has, where its nodes are
// known.
func (inv *inventory) known(nodes []string) []string {
	all := inv.nodes()
	if len(all) == 0 {
		return nodes
	}
	return slices.DeleteFunc(nodes, func(n string) bool { return !slices.Contains(all, n) })
}

func (inv *inventory) fill(rows []*resourceRow) {
	inv.rows = make(map[int]*row)
	for _, r := range rows {
		if g := r.guest(); g != nil {
			inv.rows[g.vmid] = g
		}
		if r.Type == "storage" {
			inv.stores = append(inv.stores, store{
				node: r.Node, name: r.Storage, plugin: r.Plugintype, shared: r.Shared.Yes(), up: r.Status == "available",
				content: splitList(r.Content), used: desired.Size(r.Disk.Int()), size: desired.Size(r.Maxdisk.Int()),
			})
		}
	}
	slices.SortFunc(inv.stores, func(a, b store) int { return strings.Compare(a.node+"/"+a.name, b.node+"/"+b.name) })
}
