package pvesim

import (
	"maps"
	"slices"
	"strings"
)

type pool struct {
	comment  string
	vms      map[int]bool
	storages map[string]bool
}

func newPool(comment string) *pool {
	return &pool{comment: comment, vms: map[int]bool{}, storages: map[string]bool{}}
}

// poolOf is the pool that a guest is in, "" for none.
func (c *Cluster) poolOf(vmid int) string {
	for name, p := range c.pools {
		if p.vms[vmid] {
			return name
		}
	}
	return ""
}

func (q *call) poolList() (any, error) {
	if n := q.args["poolid"]; n != "" {
		p := q.pools[n]
		if p == nil {
			return nil, fail("pool '%s' does not exist", n)
		}
		if err := q.check("/pool/"+n, "Pool.Audit"); err != nil {
			return nil, err
		}
		row := q.poolRow(n)
		row["poolid"] = n
		return []any{row}, nil
	}
	rows := []any{}
	for _, n := range slices.Sorted(maps.Keys(q.pools)) {
		if !q.may("/pool/"+n, "Pool.Audit", "Pool.Allocate") {
			continue
		}
		row := map[string]any{"poolid": n}
		if c := q.pools[n].comment; c != "" {
			row["comment"] = c
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// poolRow is a pool with its members; ids without a guest are not shown.
func (q *call) poolRow(name string) map[string]any {
	p := q.pools[name]
	members := []any{}
	for _, id := range slices.Sorted(maps.Keys(p.vms)) {
		if g := q.guests[id]; g != nil {
			members = append(members, q.resourceRow(g, false))
		}
	}
	for _, s := range slices.Sorted(maps.Keys(p.storages)) {
		for _, n := range q.nodes {
			if st := q.storages[s]; st != nil && st.on(n) {
				members = append(members, q.storageResource(n, st))
			}
		}
	}
	row := map[string]any{"members": members}
	if p.comment != "" {
		row["comment"] = p.comment
	}
	return row
}

func (q *call) poolGet() (any, error) {
	if q.pools[q.args["poolid"]] == nil {
		return nil, fail("pool '%s' does not exist", q.args["poolid"])
	}
	row := q.poolRow(q.args["poolid"])
	row["poolid"] = q.args["poolid"]
	return row, nil
}

func (q *call) poolCreate() (any, error) {
	name := q.args["poolid"]
	if q.pools[name] != nil {
		return nil, fail("create pool failed: pool '%s' already exists", name)
	}
	if i := strings.LastIndex(name, "/"); i > 0 && q.pools[name[:i]] == nil {
		return nil, fail("create pool failed: parent '%s' of pool '%s' does not exist", name[:i], name)
	}
	q.pools[name] = newPool(q.args["comment"])
	return null{}, nil
}

func (q *call) poolUpdate() (any, error) {
	name := q.args["poolid"]
	p := q.pools[name]
	if p == nil {
		return nil, fail("update pools failed: pool '%s' does not exist", name)
	}
	if c, ok := q.args["comment"]; ok {
		p.comment = c
	}
	remove := q.args["delete"] == "1"
	for _, v := range splitList(q.args["vms"]) {
		id := atoi(v)
		if err := q.check("/vms/"+v, "Permissions.Modify", "VM.Allocate"); err != nil {
			return nil, err
		}
		switch {
		case remove && !p.vms[id]:
			return nil, fail("update pools failed: VM %d is not a pool member", id)
		case remove:
			delete(p.vms, id)
			continue
		case p.vms[id]:
			return nil, fail("update pools failed: VM %d is already a pool member", id)
		}
		for other, o := range q.pools {
			if !o.vms[id] {
				continue
			}
			if q.args["allow-move"] != "1" {
				return nil, fail("update pools failed: VM %d belongs already to pool '%s' and 'allow-move' is not set", id, other)
			}
			if err := q.check("/pool/"+other, "Pool.Allocate"); err != nil {
				return nil, err
			}
			delete(o.vms, id)
		}
		p.vms[id] = true
	}
	for _, s := range splitList(q.args["storage"]) {
		if err := q.check("/storage/"+s, "Permissions.Modify", "Datastore.Allocate"); err != nil {
			return nil, err
		}
		switch {
		case remove && !p.storages[s]:
			return nil, fail("update pools failed: Storage '%s' is not a pool member", s)
		case remove:
			delete(p.storages, s)
		case p.storages[s]:
			return nil, fail("update pools failed: Storage '%s' is already a pool member", s)
		default:
			p.storages[s] = true
		}
	}
	return null{}, nil
}

func (q *call) poolDelete() (any, error) {
	name := q.args["poolid"]
	p := q.pools[name]
	if p == nil {
		return nil, fail("delete pool failed: pool '%s' does not exist", name)
	}
	for _, id := range slices.Sorted(maps.Keys(p.vms)) {
		if q.guests[id] != nil {
			return nil, fail("delete pool failed: pool '%s' is not empty (contains VM %d)", name, id)
		}
	}
	for _, s := range slices.Sorted(maps.Keys(p.storages)) {
		return nil, fail("delete pool failed: pool '%s' is not empty (contains storage '%s')", name, s)
	}
	delete(q.pools, name)
	return null{}, nil
}
