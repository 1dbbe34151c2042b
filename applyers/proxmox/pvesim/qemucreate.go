package pvesim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// mayCreate is who may make a guest: VM.Allocate on its id, or on the pool.
func (q *call) mayCreate(vmid string) error {
	if q.may("/vms/"+vmid, "VM.Allocate") {
		return nil
	}
	if p, ok := q.args["pool"]; ok && q.may("/pool/"+p, "VM.Allocate") {
		return nil
	}
	return deniedText("")
}

// exists refuses an id that is taken.
func (q *call) exists(vmid int) error {
	if g := q.guests[vmid]; g != nil {
		return fail("%s %d already exists on node '%s'", g.noun(), vmid, g.node)
	}
	return nil
}

// optionsOf picks the guest's options from the request's parameters.
func (q *call) optionsOf(s *schema) map[string]string {
	out := map[string]string{}
	for k, v := range q.args {
		if _, ok := s.lookup(k); ok {
			if _, given := q.params[k]; given {
				out[k] = v
			}
		}
	}
	return out
}

func (q *call) createVM() (any, error) {
	vmid := atoi(q.args["vmid"])
	conf := q.optionsOf(qemuOptions())
	if err := q.mayCreate(q.args["vmid"]); err != nil {
		return nil, err
	}
	if err := q.checkPool(); err != nil {
		return nil, err
	}
	if q.args["archive"] != "" {
		return nil, fail("unable to restore VM %d - restoring is not simulated", vmid)
	}
	if err := q.normalizeVM(conf); err != nil {
		return nil, err
	}
	poolRights := q.args["pool"] != "" && q.may("/pool/"+q.args["pool"], "VM.Allocate")
	if err := q.checkVMOptions(vmid, conf, nil, true, poolRights); err != nil {
		return nil, err
	}
	for _, k := range driveKeys() {
		if v, ok := conf[k]; ok {
			if err := q.checkStorage(vmid, k, parseDrive(k, v)); err != nil {
				return nil, err
			}
		}
	}
	if err := q.checkBridges(KindVM, conf); err != nil {
		return nil, err
	}
	if err := q.exists(vmid); err != nil {
		return nil, fail("unable to create VM %d - %s", vmid, strings.TrimSuffix(err.Error(), "\n"))
	}
	g := newGuest(vmid, KindVM, q.node)
	g.conf["lock"], g.born = "create", q.now()
	q.guests[vmid] = g
	q.join(vmid)
	start := q.args["start"] == "1"
	upid := q.spawn(job{
		kind: "qmcreate", id: itoa(vmid), holds: []*guest{g},
		cleanup: func() { q.forget(g) },
		run: func(t *task) error {
			if err := q.fillVM(t, g, conf); err != nil {
				q.forget(g)
				return fail("unable to create VM %d - %s", vmid, strings.TrimSuffix(err.Error(), "\n"))
			}
			if start {
				// The start is a task of its own; this one ends well whatever comes of it.
				t.logf("Execute autostart")
				q.spawn(q.startJob(g))
			}
			return nil
		},
	})
	return upid, nil
}

// fillVM makes the disks and the configuration of a new VM.
func (q *call) fillVM(t *task, g *guest, conf map[string]string) error {
	var made []*volume
	out := maps.Clone(conf)
	for _, k := range driveKeys() {
		value, ok := conf[k]
		if !ok {
			continue
		}
		stored, v, err := q.createDrive(t, g, k, value)
		if err != nil {
			for _, v := range made {
				q.removeVolume(v)
			}
			return err
		}
		if v != nil {
			made = append(made, v)
		}
		out[k] = stored
	}
	if d, ok := out["description"]; ok {
		out["description"] = g.description(d)
	}
	if _, ok := out["boot"]; !ok {
		out["boot"] = bootOrder(out)
		if out["boot"] == "" {
			delete(out, "boot")
		}
	}
	out["meta"] = fmt.Sprintf("creation-qemu=7.2.22,ctime=%d", q.now().Unix())
	if _, ok := out["smbios1"]; !ok {
		out["smbios1"] = "uuid=" + q.uuid()
	}
	if _, ok := out["vmgenid"]; !ok {
		out["vmgenid"] = q.uuid()
	}
	g.conf = out
	if g.template() {
		for _, v := range made {
			q.freeze(v)
		}
	}
	return nil
}

// bootOrder is the default: the first disk, the CD-ROMs, and the first network device.
func bootOrder(conf map[string]string) string {
	var order []string
	disk := ""
	for _, bus := range []string{"scsi", "virtio", "ide", "sata"} {
		for _, k := range driveKeys() {
			base, _ := splitIndex(k)
			if v, ok := conf[k]; ok && base == bus && disk == "" {
				if d := parseDrive(k, v); !d.cdrom() {
					disk = k
				}
			}
		}
	}
	if disk != "" {
		order = append(order, disk)
	}
	for _, k := range driveKeys() {
		if v, ok := conf[k]; ok && parseDrive(k, v).cdrom() {
			order = append(order, k)
		}
	}
	for i := range 32 {
		if _, ok := conf["net"+itoa(i)]; ok {
			order = append(order, "net"+itoa(i))
			break
		}
	}
	if order == nil {
		return ""
	}
	return "order=" + strings.Join(order, ";")
}

// normalizeVM rewrites the values that the server does not keep as they came.
func (q *call) normalizeVM(conf map[string]string) error {
	if v, ok := conf["cdrom"]; ok {
		conf["ide2"] = v
		if !strings.Contains(v, "media=") {
			conf["ide2"] += ",media=cdrom"
		}
		delete(conf, "cdrom")
	}
	for k, v := range conf {
		base, n := splitIndex(k)
		switch {
		case isDrive(k):
			conf[k] = printDrive(k, parseDrive(k, v))
		case base == "net" && n >= 0:
			p, _ := qemuProps()["net"].parseProps(k, v)
			if p["macaddr"] == "" {
				p["macaddr"] = q.mac()
			}
			conf[k] = qemuProps()["net"].printProps(p)
		case k == "sshkeys":
			if !validKeys(unescape(strings.ReplaceAll(v, "+", "%2B"))) {
				return fail("SSH public key validation error")
			}
		case k == "vmgenid" && v == "1":
			conf[k] = q.uuid()
		case k == "hookscript":
			if q.volume(q.node, v) == nil {
				return badParam(k, "script '%s' does not exist\n", v)
			}
		}
	}
	return nil
}

func validKeys(keys string) bool {
	for l := range strings.Lines(keys) {
		l = strings.TrimSpace(l)
		if l == "" || strings.HasPrefix(l, "#") {
			continue
		}
		f := strings.Fields(l)
		ok := slices.ContainsFunc(f, func(s string) bool {
			return strings.HasPrefix(s, "ssh-") || strings.HasPrefix(s, "ecdsa-sha2-") || strings.HasPrefix(s, "sk-")
		})
		if !ok || len(f) < 2 {
			return false
		}
	}
	return true
}

// checkVMOptions is the check of rights option by option: one that is forbidden
// fails all of them (FACTS 1).
func (q *call) checkVMOptions(vmid int, set map[string]string, remove []string, create, pool bool) error {
	if q.auth.root() {
		return nil
	}
	keys := slices.Concat(remove, slices.Sorted(maps.Keys(set)))
	at := "/vms/" + itoa(vmid)
	for _, k := range keys {
		base, _ := splitIndex(k)
		if isDrive(k) || base == "unused" || k == "digest" {
			continue // checked where the volume is known
		}
		priv := qemuPriv(k, set[k])
		if priv == "" {
			return forRoot(k)
		}
		if pool && q.may("/pool/"+q.args["pool"], priv) {
			continue
		}
		if k == "startup" {
			if err := q.check("/", "Sys.Modify"); err != nil {
				return err
			}
		}
		if create && k == "template" {
			continue
		}
		privs := []string{priv}
		if priv == "VM.Config.Cloudinit" {
			privs = append(privs, "VM.Config.Network")
		}
		if err := q.check(at, privs...); err != nil {
			return err
		}
		if err := q.mapping(k, set[k]); err != nil {
			return err
		}
	}
	return nil
}

// checkPool verifies the pool that a new guest is to join.
func (q *call) checkPool() error {
	name, ok := q.args["pool"]
	if !ok {
		return nil
	}
	if q.pools[name] == nil {
		return deniedText(fmt.Sprintf(" (pool '%s' does not exist)", name))
	}
	if !q.may("/pool/"+name, "VM.Allocate") && !q.may("/vms/"+q.args["vmid"], "VM.Allocate") {
		return denied("/pool/"+name, "VM.Allocate")
	}
	return nil
}

func (q *call) join(vmid int) {
	if p := q.pools[q.args["pool"]]; p != nil {
		p.vms[vmid] = true
	}
}

// forget removes a guest's configuration, and what points at it: its place in a
// pool and its access rules (FACTS 5).
func (q *call) forget(g *guest) {
	delete(q.guests, g.vmid)
	for _, p := range q.pools {
		delete(p.vms, g.vmid)
	}
	path := "/vms/" + itoa(g.vmid)
	q.access.acl = slices.DeleteFunc(q.access.acl, func(e aclEntry) bool { return e.path == path })
	delete(q.objects.ha, g.sid())
}

func (g *guest) sid() string {
	if g.kind == KindVM {
		return "vm:" + itoa(g.vmid)
	}
	return "ct:" + itoa(g.vmid)
}
