package pvesim

import (
	"maps"
	"slices"
)

// staged shows objects of the software-defined network as they are asked for:
// with ?pending=1 what waits to be applied, with ?running=1 what was (FACTS 8).
func (q *call) staged(m map[string]object, own ...string) []any {
	rows := []any{}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		o := m[k]
		switch {
		case q.args["running"] == "1":
			continue // nothing is ever applied here
		case q.args["pending"] == "1":
			row := object{"state": "new", "digest": nil, "pending": object{}}
			for f, v := range o {
				if slices.Contains(own, f) {
					row[f] = v
				} else {
					row["pending"].(object)[f] = v //nolint:forcetypeassert // made two lines above
				}
			}
			rows = append(rows, row)
		default:
			row := maps.Clone(o)
			row["digest"] = digestOf(m)
			rows = append(rows, row)
		}
	}
	return rows
}

func (q *call) zoneList() (any, error) { return q.staged(q.objects.zones, "zone", "type"), nil }

func (q *call) vnetList() (any, error) { return q.staged(q.objects.vnets, "vnet", "type"), nil }

func (q *call) zoneCreate() (any, error) {
	id := q.args["zone"]
	if q.objects.zones[id] != nil {
		return nil, fail("create sdn zone object failed: sdn zone object ID '%s' already defined", id)
	}
	q.objects.zones[id] = q.fields()
	return null{}, nil
}

func (q *call) zoneDelete() (any, error) {
	id := q.args["zone"]
	for _, k := range slices.Sorted(maps.Keys(q.objects.vnets)) {
		if q.objects.vnets[k]["zone"] == id {
			return nil, fail("delete sdn zone object failed: zone %s is used by vnet %s at /usr/share/perl5/PVE/Network/SDN/Zones/Plugin.pm line 159.", id, k)
		}
	}
	delete(q.objects.zones, id)
	return null{}, nil
}

func (q *call) vnetCreate() (any, error) {
	id := q.args["vnet"]
	if q.objects.vnets[id] != nil {
		return nil, fail("create sdn vnet object failed: sdn vnet object ID '%s' already defined", id)
	}
	q.objects.vnets[id] = q.fields()
	q.objects.vnets[id]["type"] = "vnet"
	return null{}, nil
}

func (q *call) vnetDelete() (any, error) {
	delete(q.objects.vnets, q.args["vnet"])
	return null{}, nil
}

func (q *call) subnetCreate() (any, error) {
	o := q.fields()
	o["vnet"] = q.args["vnet"]
	q.objects.subnet[q.args["subnet"]] = o
	return null{}, nil
}

func (q *call) subnetDelete() (any, error) {
	delete(q.objects.subnet, q.args["subnet"])
	return null{}, nil
}
