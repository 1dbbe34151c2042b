package pvesim

import (
	"strings"
	"sync"
)

// endpoint is one method of one path.
type endpoint struct {
	method    string
	path      []string
	perm      func(*call) error
	schema    *schema
	handle    func(*call) (any, error)
	forwarded bool // answered by pvedaemon, which closes the connection
	locks     bool // takes the guest's file lock before it answers
}

// routes are all endpoints, in the order in which they are tried.
var routes = sync.OnceValue(func() []*endpoint {
	var out []*endpoint
	for _, group := range [][]*endpoint{clusterRoutes(), nodeRoutes(), qemuRoutes(), lxcRoutes(), storageRoutes(), accessRoutes(), objectRoutes()} {
		out = append(out, group...)
	}
	return out
})

// ep makes an endpoint. Its spec is "METHOD /path" with words in braces for
// parameters; {name...} takes the rest of the path.
func ep(spec string, perm func(*call) error, table string, handle func(*call) (any, error)) *endpoint {
	return epSchema(spec, perm, parseSchema(table, qemuProps()), handle)
}

func epSchema(spec string, perm func(*call) error, s *schema, handle func(*call) (any, error)) *endpoint {
	method, path, _ := strings.Cut(spec, " ")
	return &endpoint{method: method, path: split(path), perm: perm, schema: s, handle: handle}
}

// locking marks endpoints that work under the guest's file lock.
func locking(eps ...*endpoint) []*endpoint {
	for _, e := range eps {
		e.locks = true
	}
	return eps
}

func forwarded(e *endpoint) *endpoint {
	e.forwarded = true
	return e
}

func (e *endpoint) match(parts []string) (map[string]string, bool) {
	vars := map[string]string{}
	for i, p := range e.path {
		if name, ok := strings.CutSuffix(p, "...}"); ok {
			if i >= len(parts) {
				return nil, false
			}
			vars[name[1:]] = strings.Join(parts[i:], "/")
			return vars, true
		}
		if i >= len(parts) {
			return nil, false
		}
		if p[0] == '{' {
			vars[p[1:len(p)-1]] = parts[i]
		} else if p != parts[i] {
			return nil, false
		}
	}
	return vars, len(parts) == len(e.path)
}

// route finds the endpoint. There is no telling an unknown path from an unknown
// method (FACTS 1).
func (q *call) route() (*endpoint, map[string]string, error) {
	parts := split(q.path)
	for _, e := range routes() {
		if e.method != q.method {
			continue
		}
		if vars, ok := e.match(parts); ok {
			return e, vars, nil
		}
	}
	return nil, nil, notImplemented(q.method, q.path)
}

// kind turns a handler for both kinds of guests into one for the kind.
func kind(f func(*call, string) (any, error), k string) func(*call) (any, error) {
	return func(q *call) (any, error) { return f(q, k) }
}

func clusterRoutes() []*endpoint {
	subdirs := func(names ...string) func(*call) (any, error) {
		return func(*call) (any, error) {
			rows := []any{}
			for _, n := range names {
				rows = append(rows, map[string]any{"subdir": n})
			}
			return rows, nil
		}
	}
	return []*endpoint{
		ep("GET /", nil, "", subdirs("version", "cluster", "nodes", "storage", "access", "pools")),
		ep("GET /version", nil, "", (*call).versionInfo),
		ep("GET /cluster/resources", nil, "type str enum=vm|storage|node|sdn", (*call).resources),
		ep("GET /cluster/status", need("/", "Sys.Audit"), "", (*call).clusterStatus),
		ep("GET /cluster/tasks", nil, "", (*call).clusterTasks),
		ep("GET /cluster/log", nil, "max int min=1", (*call).clusterLog),
		ep("GET /cluster/nextid", nil, "vmid int fmt=vmid", (*call).nextID),
		ep("GET /cluster/options", nil, "", (*call).datacenter),
		ep("PUT /cluster/options", need("/", "Sys.Modify"), "delete str\ndescription str\ntag-style str\nmac_prefix str\nkeyboard str\nlanguage str\nmigration str\nnext-id str\nregistered-tags str\nuser-tag-access str\nha str\nconsole str\nhttp_proxy str\nemail_from str\nbwlimit str\ncrs str", (*call).setDatacenter),
		ep("GET /pools", nil, "poolid str fmt=pool\ntype str enum=qemu|lxc|storage needs=poolid", (*call).poolList),
		ep("GET /pools/{poolid...}", need("/pool/{poolid}", "Pool.Audit"), "type str enum=qemu|lxc|storage", (*call).poolGet),
		ep("POST /pools", need("/pool/{poolid}", "Pool.Allocate"), "poolid str req fmt=pool\ncomment str", (*call).poolCreate),
		ep("PUT /pools", need("/pool/{poolid}", "Pool.Allocate"), poolTable+"poolid str req fmt=pool", (*call).poolUpdate),
		ep("PUT /pools/{poolid...}", need("/pool/{poolid}", "Pool.Allocate"), poolTable, (*call).poolUpdate),
		ep("DELETE /pools", need("/pool/{poolid}", "Pool.Allocate"), "poolid str req fmt=pool", (*call).poolDelete),
		ep("DELETE /pools/{poolid...}", need("/pool/{poolid}", "Pool.Allocate"), "", (*call).poolDelete),
	}
}

const poolTable = "comment str\nvms str fmt=vmid-list\nstorage str fmt=storage-list\ndelete bool\nallow-move bool\n"

func nodeRoutes() []*endpoint {
	return []*endpoint{
		ep("GET /nodes", nil, "", (*call).nodeIndex),
		ep("GET /nodes/{node}/status", need("/nodes/{node}", "Sys.Audit"), "", (*call).nodeStatus),
		ep("GET /nodes/{node}/version", nil, "", (*call).versionInfo),
		forwarded(ep("GET /nodes/{node}/tasks", nil, "start int min=0\nlimit int min=0\nerrors bool\nsource str enum=archive|active|all\nsince int\nuntil int\nstatusfilter str fmt=taskstate-list\ntypefilter str\nuserfilter str\nvmid int fmt=vmid", (*call).nodeTasks)),
		forwarded(ep("GET /nodes/{node}/tasks/{upid}/status", nil, "", (*call).taskStatus)),
		forwarded(ep("GET /nodes/{node}/tasks/{upid}/log", nil, "start int min=0\nlimit int min=0\ndownload bool", (*call).taskLog)),
		ep("DELETE /nodes/{node}/tasks/{upid}", nil, "", (*call).taskStop),
		ep("GET /nodes/{node}/network", nil, "type str enum=bridge|bond|eth|alias|vlan|OVSBridge|OVSBond|OVSPort|OVSIntPort|vnet|any_bridge|any_local_bridge", (*call).networkList),
		ep("POST /nodes/{node}/network", need("/nodes/{node}", "Sys.Modify"), "iface str req\ntype str req\nautostart bool\nbridge_ports str\ncidr str\naddress str\nnetmask str\ngateway str\ncomments str\nbridge_vlan_aware bool\nmtu int", (*call).networkCreate),
		ep("PUT /nodes/{node}/network", need("/nodes/{node}", "Sys.Modify"), "", (*call).networkApply),
		ep("DELETE /nodes/{node}/network/{iface}", need("/nodes/{node}", "Sys.Modify"), "", (*call).networkDelete),
		ep("DELETE /nodes/{node}/network", need("/nodes/{node}", "Sys.Modify"), "", (*call).networkRevert),
		forwarded(ep("GET /nodes/{node}/query-url-metadata", mayDownload, "url str req pat=url\nverify-certificates bool", (*call).queryURL)),
	}
}

func mayDownload(q *call) error {
	if q.may("/nodes/"+q.args["node"], "Sys.AccessNetwork") || q.may("/", "Sys.Audit") && q.may("/", "Sys.Modify") {
		return nil
	}
	return denied("/nodes/"+q.args["node"], "Sys.AccessNetwork")
}

const vmAt = "/nodes/{node}/qemu/{vmid}"

const updateTable = "delete str fmt=id-list\nrevert str fmt=id-list\ndigest str len=40\n"

const slots = "disk str req enum=@drive\nsize str req pat=size\ndigest str len=40\nskiplock bool"

const cloneTable = "newid int req fmt=vmid\ndescription str\npool str fmt=pool\nsnapname str len=40 fmt=id\nstorage str fmt=storage\nfull bool\ntarget str fmt=node\n"

func configPerm(q *call) error {
	return q.check("/vms/"+q.args["vmid"], "VM.Config.Disk", "VM.Config.CDROM", "VM.Config.CPU", "VM.Config.Memory", "VM.Config.Network", "VM.Config.HWType", "VM.Config.Options", "VM.Config.Cloudinit")
}

func vmPerm(privs ...string) func(*call) error { return need("/vms/{vmid}", privs...) }

func qemuRoutes() []*endpoint {
	create := qemuOptions().with("vmid int req fmt=vmid\narchive str len=255\nbwlimit int min=0\nimport-working-storage str fmt=storage\nlive-restore bool\npool str fmt=pool\nstart bool\nstorage str fmt=storage\nunique bool needs=archive\nforce bool needs=archive")
	update := qemuOptions().with(updateTable + "force bool needs=delete\nskiplock bool")
	async := update.with("background_delay int min=1 max=30\nimport-working-storage str fmt=storage")
	out := []*endpoint{
		forwarded(ep("GET /nodes/{node}/qemu", nil, "full bool", kind((*call).guestList, KindVM))),
		epSchema("POST /nodes/{node}/qemu", nil, create, (*call).createVM),
		ep("POST "+vmAt+"/clone", (*call).mayClone, cloneTable+"bwlimit int min=0\nname str fmt=dns\nformat str enum=raw|qcow2|vmdk", kind((*call).clone, KindVM)),
		forwarded(ep("GET "+vmAt+"/migrate", vmPerm("VM.Migrate"), "target str fmt=node", (*call).migrateAsk)),
		ep("PUT "+vmAt+"/resize", vmPerm("VM.Config.Disk"), slots, (*call).resizeVM),
		ep("PUT "+vmAt+"/cloudinit", vmPerm("VM.Config.Cloudinit"), "", (*call).cloudInitRenew),
		ep("GET "+vmAt+"/cloudinit", vmPerm("VM.Audit"), "", (*call).cloudInitPending),
		ep("GET "+vmAt+"/cloudinit/dump", vmPerm("VM.Audit"), "type str req enum=user|network|meta", (*call).cloudInitDump),
		ep("POST "+vmAt+"/agent/{command}", vmPerm("VM.Monitor"), "", (*call).agentCall),
		forwarded(ep("GET "+vmAt+"/agent/file-read", vmPerm("VM.Monitor"), "file str req", func(q *call) (any, error) {
			q.args["command"] = "file-read"
			return q.agentCall()
		})),
		forwarded(ep("GET "+vmAt+"/agent/{command}", vmPerm("VM.Monitor"), "", (*call).agentCall)),
		ep("POST "+vmAt+"/status/suspend", vmPerm("VM.PowerMgmt"), "skiplock bool\nstatestorage str\ntodisk bool", func(q *call) (any, error) { return q.qmSimple("qmpause", true) }),
		ep("POST "+vmAt+"/status/resume", vmPerm("VM.PowerMgmt"), "nocheck bool\nskiplock bool", func(q *call) (any, error) { return q.qmSimple("qmresume", false) }),
		ep("POST "+vmAt+"/status/reset", vmPerm("VM.PowerMgmt"), "skiplock bool", func(q *call) (any, error) { return q.qmSimple("qmreset", false) }),
	}
	out = append(out, locking(
		epSchema("PUT "+vmAt+"/config", configPerm, update, func(q *call) (any, error) { return q.updateVM(false) }),
		epSchema("POST "+vmAt+"/config", configPerm, async, func(q *call) (any, error) { return q.updateVM(true) }),
		ep("PUT "+vmAt+"/unlink", vmPerm("VM.Config.Disk"), "idlist str req fmt=id-list\nforce bool", (*call).unlink),
		ep("POST "+vmAt+"/move_disk", vmPerm("VM.Config.Disk"), "disk str req enum=@slot\nstorage str fmt=storage\nformat str enum=raw|qcow2|vmdk\ndelete bool\ndigest str len=40\nbwlimit int min=0\ntarget-vmid int fmt=vmid\ntarget-disk str enum=@slot\ntarget-digest str len=40", (*call).moveDisk),
		ep("POST "+vmAt+"/template", vmPerm("VM.Allocate"), "disk str enum=@drive", kind((*call).template, KindVM)),
	)...)
	return append(out, sharedRoutes("qemu", KindVM)...)
}

const ctAt = "/nodes/{node}/lxc/{vmid}"

func lxcRoutes() []*endpoint {
	create := lxcOptions().with("vmid int req fmt=vmid\nostemplate str req len=255\nbwlimit num min=0\nforce bool\nignore-unpack-errors bool\npassword str minlen=5\npool str fmt=pool\nrestore bool\nssh-public-keys str\nstart bool\nstorage str fmt=storage\nunique bool needs=restore")
	update := lxcOptions().with(updateTable)
	out := []*endpoint{
		forwarded(ep("GET /nodes/{node}/lxc", nil, "", kind((*call).guestList, KindCT))),
		epSchema("POST /nodes/{node}/lxc", nil, create, (*call).createCT),
		ep("POST "+ctAt+"/clone", (*call).mayClone, cloneTable+"bwlimit num min=0\nhostname str fmt=dns", kind((*call).clone, KindCT)),
		forwarded(ep("GET "+ctAt+"/interfaces", vmPerm("VM.Audit"), "", (*call).containerInterfaces)),
	}
	out = append(out, locking(
		epSchema("PUT "+ctAt+"/config", vmPerm("VM.Config.Disk", "VM.Config.CPU", "VM.Config.Memory", "VM.Config.Network", "VM.Config.Options"), update, (*call).updateCT),
		ep("PUT "+ctAt+"/resize", vmPerm("VM.Config.Disk"), "disk str req enum=@mount\nsize str req pat=size\ndigest str len=40", (*call).resizeCT),
		ep("POST "+ctAt+"/move_volume", vmPerm("VM.Config.Disk"), "volume str req enum=@volume\nstorage str fmt=storage\ndelete bool\ndigest str len=40\nbwlimit num min=0\ntarget-vmid int fmt=vmid\ntarget-volume str enum=@volume\ntarget-digest str len=40", (*call).moveVolume),
		ep("POST "+ctAt+"/template", vmPerm("VM.Allocate"), "", kind((*call).template, KindCT)),
	)...)
	return append(out, sharedRoutes("lxc", KindCT)...)
}

// sharedRoutes are those that both kinds of guests have.
func sharedRoutes(api, k string) []*endpoint {
	at := "/nodes/{node}/" + api + "/{vmid}"
	snap := at + "/snapshot/{snapname}"
	out := []*endpoint{
		ep("GET "+at+"/config", vmPerm("VM.Audit"), "current bool\nsnapshot str len=40 fmt=id", kind((*call).config, k)),
		ep("GET "+at+"/pending", vmPerm("VM.Audit"), "", kind((*call).pendingList, k)),
		forwarded(ep("GET "+at+"/status/current", vmPerm("VM.Audit"), "", kind((*call).current, k))),
		ep("GET "+at+"/feature", vmPerm("VM.Audit"), "feature str req enum=snapshot|clone|copy\nsnapname str len=40 fmt=id", kind((*call).feature, k)),
		ep("POST "+at+"/status/start", vmPerm("VM.PowerMgmt"), startTables[k], kind((*call).start, k)),
		ep("POST "+at+"/status/stop", vmPerm("VM.PowerMgmt"), stopTables[k], kind((*call).stop, k)),
		ep("POST "+at+"/status/shutdown", vmPerm("VM.PowerMgmt"), shutdownTables[k], kind((*call).shutdown, k)),
		ep("POST "+at+"/status/reboot", vmPerm("VM.PowerMgmt"), "timeout int min=0", kind((*call).reboot, k)),
		ep("DELETE "+at, vmPerm("VM.Allocate"), destroyTables[k], kind((*call).destroy, k)),
		ep("GET "+at+"/snapshot", vmPerm("VM.Audit"), "", kind((*call).snapshots, k)),
		ep("POST "+at+"/snapshot", vmPerm("VM.Snapshot"), snapshotTables[k], kind((*call).takeSnapshot, k)),
		ep("DELETE "+snap, vmPerm("VM.Snapshot"), "force bool", kind((*call).deleteSnapshot, k)),
		ep("GET "+snap+"/config", vmPerm("VM.Snapshot", "VM.Snapshot.Rollback", "VM.Audit"), "", kind((*call).snapshotConfig, k)),
		ep("PUT "+snap+"/config", vmPerm("VM.Snapshot"), "description str", kind((*call).describeSnapshot, k)),
		ep("POST "+snap+"/rollback", vmPerm("VM.Snapshot", "VM.Snapshot.Rollback"), "start bool", kind((*call).rollback, k)),
		ep("POST "+at+"/migrate", vmPerm("VM.Migrate"), migrateTables[k], kind((*call).migrate, k)),
	}
	return out
}
