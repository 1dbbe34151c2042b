package pvesim

import (
	"crypto/sha1" //nolint:gosec // the server's own choice for its digests
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// object is a configuration object of which the simulator knows little more than
// that it exists.
type object = map[string]any

// objects are kept by their kind and name.
type objects struct {
	ha     map[string]object
	backup map[string]object
	dirs   map[string]object
	zones  map[string]object
	vnets  map[string]object
	subnet map[string]object
	walls  map[string]*firewall
}

func newObjects() objects {
	return objects{
		ha: map[string]object{}, backup: map[string]object{}, dirs: map[string]object{},
		zones: map[string]object{}, vnets: map[string]object{}, subnet: map[string]object{},
		walls: map[string]*firewall{},
	}
}

// digestOf is the digest of a file of objects. An empty file has that of nothing.
func digestOf(v any) string {
	b, err := json.Marshal(v)
	if err != nil || string(b) == "{}" || string(b) == "null" || string(b) == "[]" {
		b = nil
	}
	return fmt.Sprintf("%x", sha1.Sum(b)) //nolint:gosec // the server's own choice
}

// fields are the parameters of the request as an object's values.
func (q *call) fields(without ...string) object {
	o := object{}
	for k := range q.params {
		if slices.Contains(without, k) || k == "digest" || k == "delete" {
			continue
		}
		sp, _ := q.ep.schema.lookup(k)
		switch sp.kind {
		case "int", "bool":
			o[k] = atoi(q.args[k])
		default:
			o[k] = q.args[k]
		}
	}
	return o
}

func sortedObjects(m map[string]object, extra object) []any {
	rows := []any{}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		row := maps.Clone(m[k])
		maps.Copy(row, extra)
		rows = append(rows, row)
	}
	return rows
}

func (q *call) haList() (any, error) {
	return sortedObjects(q.objects.ha, object{"digest": digestOf(q.objects.ha)}), nil
}

func (q *call) haGet() (any, error) {
	o := q.objects.ha[q.args["sid"]]
	if o == nil {
		return nil, fail("no such resource '%s'", q.args["sid"])
	}
	o = maps.Clone(o)
	o["digest"] = digestOf(q.objects.ha)
	return o, nil
}

func (q *call) haGuest() *guest {
	_, id, _ := strings.Cut(q.args["sid"], ":")
	return q.guests[atoi(id)]
}

func (q *call) haCreate() (any, error) {
	sid := q.args["sid"]
	kind, _, ok := strings.Cut(sid, ":")
	if !ok {
		sid, kind = "vm:"+sid, "vm"
	}
	if q.objects.ha[sid] != nil {
		return nil, fail("create resource failed: resource ID '%s' already defined", sid)
	}
	o := q.fields()
	o["sid"], o["type"] = sid, kind
	q.objects.ha[sid] = o
	if g := q.haGuest(); g != nil {
		g.haExists = true
	}
	return null{}, nil
}

func (q *call) haUpdate() (any, error) {
	o := q.objects.ha[q.args["sid"]]
	if o == nil {
		return nil, fail("update resource failed: no such resource '%s'", q.args["sid"])
	}
	maps.Copy(o, q.fields())
	g := q.haGuest()
	if g == nil {
		return null{}, nil
	}
	switch {
	case o["state"] == "started" && !g.running:
		return nil, q.boot(&task{}, g)
	case o["state"] == "stopped":
		return nil, q.off(g)
	}
	return null{}, nil
}

func (q *call) haDelete() (any, error) {
	if q.objects.ha[q.args["sid"]] == nil {
		return nil, fail("delete resource failed: no such resource '%s'", q.args["sid"])
	}
	delete(q.objects.ha, q.args["sid"])
	if g := q.haGuest(); g != nil {
		g.haExists = false
	}
	return null{}, nil
}

func (q *call) haStatus() (any, error) {
	status, quorate := "OK", 1
	if q.noQuorum {
		status, quorate = "No quorum!", 0
	}
	rows := []any{object{"id": "quorum", "type": "quorum", "node": q.nodes[0], "status": status, "quorate": quorate}}
	for _, sid := range slices.Sorted(maps.Keys(q.objects.ha)) {
		rows = append(rows, object{"id": "service:" + sid, "sid": sid, "type": "service", "state": q.objects.ha[sid]["state"], "node": q.nodes[0]})
	}
	return rows, nil
}

// haCommand stands for the request to the HA manager that replaces a start or stop.
func (q *call) haCommand(g *guest, verb, state string) any {
	return q.spawn(job{kind: "ha" + verb, id: itoa(g.vmid), run: func(t *task) error {
		t.logf("Requesting HA %s for %s %d", verb, g.noun(), g.vmid)
		if q.opts.Bare {
			cmd := fmt.Sprintf("ha-manager set %s --state %s", g.sid(), state)
			return fail("command '%s' failed: open3: exec of %s failed: No such file or directory at /usr/share/perl5/PVE/Tools.pm line 527.", cmd, cmd)
		}
		g.haState = state
		if r := q.objects.ha[g.sid()]; r != nil {
			r["state"] = state
		}
		if state == "started" && !g.running {
			return q.boot(t, g)
		}
		if state == "stopped" {
			return q.off(g)
		}
		return nil
	}})
}

func (q *call) backupView(o object) object {
	o = maps.Clone(o)
	if p, ok := o["prune-backups"].(string); ok {
		keep := object{}
		for kv := range strings.SplitSeq(p, ",") {
			if k, v, ok := strings.Cut(kv, "="); ok {
				keep[k] = v
			}
		}
		o["prune-backups"] = keep
	}
	return o
}

func (q *call) backupList() (any, error) {
	rows := []any{}
	for _, id := range slices.Sorted(maps.Keys(q.objects.backup)) {
		row := q.backupView(q.objects.backup[id])
		row["next-run"] = q.now().Add(24 * time.Hour).Unix()
		rows = append(rows, row)
	}
	return rows, nil
}

func (q *call) backupGet() (any, error) {
	o := q.objects.backup[q.args["id"]]
	if o == nil {
		return nil, badParam("id", "No such job '%s'", q.args["id"])
	}
	return q.backupView(o), nil
}

func (q *call) backupCreate() (any, error) {
	id := q.args["id"]
	if id == "" {
		id = "backup-" + q.uuid()[:8]
	}
	if q.objects.backup[id] != nil {
		return nil, fail("Job '%s' already exists", id)
	}
	o := q.fields()
	o["id"], o["type"] = id, "vzdump"
	q.objects.backup[id] = o
	return null{}, nil
}

func (q *call) backupUpdate() (any, error) {
	o := q.objects.backup[q.args["id"]]
	if o == nil {
		return nil, fail("no such vzdump job")
	}
	maps.Copy(o, q.fields())
	return null{}, nil
}

// backupDelete answers the absence of a job in the server's own odd way (FACTS 8).
func (q *call) backupDelete() (any, error) {
	id := q.args["id"]
	if q.objects.backup[id] == nil {
		return nil, fail("400 Parameter verification failed.\nid: No such job '%s'", id)
	}
	delete(q.objects.backup, id)
	return null{}, nil
}

func (q *call) dirList() (any, error) {
	return sortedObjects(q.objects.dirs, object{"digest": digestOf(q.objects.dirs)}), nil
}

func (q *call) dirCreate() (any, error) {
	id := q.args["id"]
	if q.objects.dirs[id] != nil {
		return nil, fail("create dir mapping failed: dir ID '%s' already defined", id)
	}
	q.objects.dirs[id] = object{"id": id, "type": "dir", "map": []string{q.args["map"]}}
	return null{}, nil
}

func (q *call) dirDelete() (any, error) {
	delete(q.objects.dirs, q.args["id"])
	return null{}, nil
}

func empty(*call) (any, error) { return []any{}, nil }
