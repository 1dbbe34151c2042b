package pvesim

import (
	"maps"
	"slices"
)

// firewall is the firewall configuration of a guest, or of the cluster.
type firewall struct {
	Options object
	Rules   []object
	Sets    map[string][]object
	Aliases map[string]object
}

// wall is the configuration that the path is about.
func (q *call) wall() *firewall {
	key := q.args["vmid"]
	w := q.objects.walls[key]
	if w == nil {
		w = &firewall{Options: object{}, Sets: map[string][]object{}, Aliases: map[string]object{}}
		q.objects.walls[key] = w
	}
	return w
}

func (w *firewall) digest() string {
	if len(w.Options) == 0 && len(w.Rules) == 0 && len(w.Sets) == 0 && len(w.Aliases) == 0 {
		return digestOf(nil)
	}
	return digestOf(w)
}

func (q *call) wallDigest(w *firewall) error {
	if d := q.args["digest"]; d != "" && d != w.digest() {
		return modified()
	}
	return nil
}

func (q *call) wallOptions() (any, error) {
	w := q.wall()
	out := maps.Clone(w.Options)
	out["digest"] = w.digest()
	return out, nil
}

func (q *call) setWallOptions() (any, error) {
	w := q.wall()
	if err := q.wallDigest(w); err != nil {
		return nil, err
	}
	for _, k := range splitList(q.args["delete"]) {
		delete(w.Options, k)
	}
	maps.Copy(w.Options, q.fields())
	return null{}, nil
}

func (q *call) ruleList() (any, error) {
	w := q.wall()
	rows := []any{}
	for i, r := range w.Rules {
		row := maps.Clone(r)
		row["pos"], row["digest"] = i, w.digest()
		rows = append(rows, row)
	}
	return rows, nil
}

// ruleCreate puts a rule at the top; it is off unless told otherwise (FACTS 8).
func (q *call) ruleCreate() (any, error) {
	w := q.wall()
	if a := q.args["action"]; q.args["type"] != "group" && a != "ACCEPT" && a != "DROP" && a != "REJECT" {
		return nil, badParam("action", "unknown action '%s'", a)
	}
	r := q.fields("pos")
	if r["enable"] == nil {
		r["enable"] = 0
	}
	w.Rules = slices.Insert(w.Rules, 0, r)
	return null{}, nil
}

func (q *call) ruleAt(w *firewall) (int, error) {
	pos := atoi(q.args["pos"])
	if err := q.wallDigest(w); err != nil {
		return 0, err
	}
	if pos >= len(w.Rules) {
		return 0, fail("no rule at position %d", pos)
	}
	return pos, nil
}

func (q *call) ruleUpdate() (any, error) {
	w := q.wall()
	pos, err := q.ruleAt(w)
	if err != nil {
		return nil, err
	}
	if m, ok := q.args["moveto"]; ok {
		// The position is counted before the rule is taken out.
		r, to := w.Rules[pos], min(atoi(m), len(w.Rules))
		if to > pos {
			to--
		}
		w.Rules = slices.Insert(slices.Delete(w.Rules, pos, pos+1), to, r)
		return null{}, nil
	}
	maps.Copy(w.Rules[pos], q.fields("moveto"))
	return null{}, nil
}

func (q *call) ruleDelete() (any, error) {
	w := q.wall()
	pos, err := q.ruleAt(w)
	if err != nil {
		return nil, err
	}
	w.Rules = slices.Delete(w.Rules, pos, pos+1)
	return null{}, nil
}

func (q *call) setCreate() (any, error) {
	q.wall().Sets[q.args["name"]] = []object{}
	return null{}, nil
}

func (q *call) setAdd() (any, error) {
	w := q.wall()
	w.Sets[q.args["name"]] = append(w.Sets[q.args["name"]], q.fields())
	return null{}, nil
}

func (q *call) setDelete() (any, error) {
	w := q.wall()
	if len(w.Sets[q.args["name"]]) > 0 {
		return nil, fail("IPSet '%s' is not empty", q.args["name"])
	}
	delete(w.Sets, q.args["name"])
	return null{}, nil
}

func (q *call) aliasList() (any, error) {
	w := q.wall()
	return sortedObjects(w.Aliases, object{"digest": w.digest(), "ipversion": 4}), nil
}

func (q *call) aliasCreate() (any, error) {
	q.wall().Aliases[q.args["name"]] = q.fields()
	return null{}, nil
}

func (q *call) aliasDelete() (any, error) {
	delete(q.wall().Aliases, q.args["name"])
	return null{}, nil
}

const ruleTable = "type str enum=in|out|forward|group\naction str\nmacro str\nproto str\ndport str\nsport str\nsource str\ndest str\niface str\nlog str\ncomment str\nenable int min=0\npos int min=0\nicmp-type str\ndigest str len=40\nmoveto int min=0\ndelete str"

// wallRoutes are those of the firewall of a guest or of the cluster.
func wallRoutes(at string, read, write func(*call) error) []*endpoint {
	return []*endpoint{
		ep("GET "+at+"/options", read, "", (*call).wallOptions),
		ep("PUT "+at+"/options", write, "enable int min=0\npolicy_in str\npolicy_out str\npolicy_forward str\ndhcp bool\nndp bool\nradv bool\nmacfilter bool\nipfilter bool\nlog_level_in str\nlog_level_out str\nebtables bool\nlog_ratelimit str\ndigest str len=40\ndelete str", (*call).setWallOptions),
		ep("GET "+at+"/rules", read, "", (*call).ruleList),
		ep("POST "+at+"/rules", write, ruleTable, (*call).ruleCreate),
		ep("PUT "+at+"/rules/{pos}", write, ruleTable, (*call).ruleUpdate),
		ep("DELETE "+at+"/rules/{pos}", write, "digest str len=40", (*call).ruleDelete),
		ep("POST "+at+"/ipset", write, "name str req\ncomment str\ndigest str len=40\nrename str", (*call).setCreate),
		ep("POST "+at+"/ipset/{name}", write, "cidr str req\ncomment str\nnomatch bool", (*call).setAdd),
		ep("DELETE "+at+"/ipset/{name}", write, "force bool", (*call).setDelete),
		ep("GET "+at+"/aliases", read, "", (*call).aliasList),
		ep("POST "+at+"/aliases", write, "name str req\ncidr str req\ncomment str", (*call).aliasCreate),
		ep("DELETE "+at+"/aliases/{name}", write, "digest str len=40", (*call).aliasDelete),
	}
}

func objectRoutes() []*endpoint {
	audit, modify := need("/", "Sys.Audit"), need("/", "Sys.Modify")
	console := need("/", "Sys.Console")
	sdnAudit, sdn := need("/sdn/zones", "SDN.Audit"), need("/sdn/zones", "SDN.Allocate")
	mapping := need("/mapping/dir", "Mapping.Modify")
	const ha = "sid str req\nstate str enum=started|stopped|enabled|disabled|ignored\ngroup str\ncomment str\nmax_relocate int min=0\nmax_restart int min=0\ntype str"
	const backup = "schedule str\nstorage str\nvmid str\nall bool\nmode str enum=snapshot|suspend|stop\nenabled bool\ncomment str\nprune-backups str\ncompress str\nmailto str\nmailnotification str\nnode str\npool str\nexclude str\nnotes-template str\nprotected bool\nremove bool\nrepeat-missed bool\ndow str\nstarttime str\n"
	out := []*endpoint{
		ep("GET /cluster/ha/resources", audit, "type str", (*call).haList),
		ep("POST /cluster/ha/resources", console, ha, (*call).haCreate),
		ep("GET /cluster/ha/resources/{sid}", audit, "", (*call).haGet),
		ep("PUT /cluster/ha/resources/{sid}", console, "state str enum=started|stopped|enabled|disabled|ignored\ngroup str\ncomment str\nmax_relocate int min=0\nmax_restart int min=0\ndigest str len=40\ndelete str", (*call).haUpdate),
		ep("DELETE /cluster/ha/resources/{sid}", console, "", (*call).haDelete),
		ep("GET /cluster/ha/status/current", audit, "", (*call).haStatus),
		ep("GET /cluster/ha/groups", audit, "", empty),
		ep("GET /cluster/backup", audit, "", (*call).backupList),
		ep("POST /cluster/backup", modify, backup+"id str", (*call).backupCreate),
		ep("GET /cluster/backup/{id}", audit, "", (*call).backupGet),
		ep("PUT /cluster/backup/{id}", modify, backup+"delete str", (*call).backupUpdate),
		ep("DELETE /cluster/backup/{id}", modify, "", (*call).backupDelete),
		ep("GET /cluster/replication", nil, "", empty),
		ep("GET /cluster/mapping/pci", nil, "check-node str", empty),
		ep("GET /cluster/mapping/usb", nil, "check-node str", empty),
		ep("GET /cluster/mapping/dir", nil, "check-node str", (*call).dirList),
		ep("POST /cluster/mapping/dir", mapping, "id str req\nmap str req\ndescription str", (*call).dirCreate),
		ep("DELETE /cluster/mapping/dir/{id}", mapping, "", (*call).dirDelete),
		ep("GET /cluster/sdn/zones", sdnAudit, "pending bool\nrunning bool\ntype str", (*call).zoneList),
		ep("POST /cluster/sdn/zones", sdn, "zone str req\ntype str req\nbridge str\ntag int\nnodes str\nipam str\nmtu int\npeers str", (*call).zoneCreate),
		ep("DELETE /cluster/sdn/zones/{zone}", sdn, "", (*call).zoneDelete),
		ep("GET /cluster/sdn/vnets", sdnAudit, "pending bool\nrunning bool", (*call).vnetList),
		ep("POST /cluster/sdn/vnets", sdn, "vnet str req\nzone str req\nalias str\ntag int\nvlanaware bool", (*call).vnetCreate),
		ep("DELETE /cluster/sdn/vnets/{vnet}", sdn, "", (*call).vnetDelete),
		ep("POST /cluster/sdn/vnets/{vnet}/subnets", sdn, "subnet str req\ntype str req\ngateway str\nsnat bool\ndnszoneprefix str", (*call).subnetCreate),
		ep("DELETE /cluster/sdn/vnets/{vnet}/subnets/{subnet}", sdn, "", (*call).subnetDelete),
	}
	out = append(out, wallRoutes("/cluster/firewall", audit, modify)...)
	for _, at := range []string{vmAt, ctAt} {
		out = append(out, wallRoutes(at+"/firewall", vmPerm("VM.Audit"), vmPerm("VM.Config.Network"))...)
	}
	return out
}
