package pvesim

import (
	"maps"
	"slices"
)

// iface is a network interface of a node, as the API shows it.
type iface map[string]any

func defaultIfaces(bridges []string) []iface {
	out := []iface{{"iface": "eth0", "type": "eth", "active": 1, "exists": 1, "method": "manual", "method6": "manual", "families": []string{"inet"}}}
	for i, b := range bridges {
		f := iface{
			"iface": b, "type": "bridge", "active": 1, "autostart": 1, "priority": 3 + i, "families": []string{"inet"},
			"method": "manual", "method6": "manual", "bridge_ports": "", "bridge_stp": "off", "bridge_fd": "0",
		}
		if i == 0 {
			maps.Copy(f, iface{"method": "static", "address": "192.0.2.11", "netmask": "24", "cidr": "192.0.2.11/24"})
		}
		out = append(out, f)
	}
	return out
}

func (c *Cluster) hasBridge(node, name string) bool {
	return slices.ContainsFunc(c.ifaces[node], func(f iface) bool {
		// What was added waits for a reload.
		return f["iface"] == name && f["staged"] == nil
	})
}

// checkBridges asks for SDN.Use on every bridge that network devices name, and
// on the VLAN when there is a tag.
func (q *call) checkBridges(kind string, conf map[string]string) error {
	for _, k := range slices.Sorted(maps.Keys(conf)) {
		base, n := splitIndex(k)
		if base != "net" || n < 0 {
			continue
		}
		format := qemuProps()["net"]
		if kind == KindCT {
			format = lxcProps()["ctnet"]
		}
		p, _ := format.parseProps(k, conf[k])
		if p["bridge"] == "" {
			continue
		}
		at := "/sdn/zones/localnetwork/" + p["bridge"]
		if p["tag"] != "" && !q.may(at, "SDN.Use") {
			at += "/" + p["tag"]
		}
		if err := q.check(at, "SDN.Use"); err != nil {
			return err
		}
	}
	return nil
}

// AddBridge gives every node a bridge.
func (c *Cluster) AddBridge(name string) {
	c.lock()
	defer c.unlock()
	for _, n := range c.nodes {
		c.ifaces[n] = append(c.ifaces[n], defaultIfaces([]string{"", name})[2])
	}
}

func (q *call) networkList() (any, error) {
	rows := []any{}
	staged := false
	for _, f := range q.ifaces[q.node] {
		name, _ := f["iface"].(string)
		if t := q.args["type"]; t != "" && t != f["type"] && (t != "any_bridge" && t != "any_local_bridge" || f["type"] != "bridge") {
			continue
		}
		if f["type"] == "bridge" && !q.may("/sdn/zones/localnetwork/"+name, "SDN.Audit", "SDN.Use") && !q.may("/nodes/"+q.node, "Sys.Audit") {
			continue
		}
		row := maps.Clone(f)
		if f["staged"] != nil {
			staged = true
			delete(row, "staged")
			delete(row, "active")
		}
		rows = append(rows, row)
	}
	if staged {
		return list{Data: rows, extra: map[string]any{"changes": "staged"}}, nil
	}
	return rows, nil
}

func (q *call) networkCreate() (any, error) {
	name := q.args["iface"]
	for _, f := range q.ifaces[q.node] {
		if f["iface"] == name {
			return nil, badParam("iface", "interface already exists")
		}
	}
	f := iface{"iface": name, "type": q.args["type"], "staged": true, "families": []string{"inet"}, "method": "manual", "method6": "manual", "priority": 3 + len(q.ifaces[q.node])}
	if f["type"] == "bridge" {
		maps.Copy(f, iface{"bridge_ports": "", "bridge_stp": "off", "bridge_fd": "0"})
	}
	if q.args["autostart"] == "1" {
		f["autostart"] = 1
	}
	q.ifaces[q.node] = append(q.ifaces[q.node], f)
	return null{}, nil
}

func (q *call) networkDelete() (any, error) {
	name := q.args["iface"]
	before := len(q.ifaces[q.node])
	q.ifaces[q.node] = slices.DeleteFunc(slices.Clone(q.ifaces[q.node]), func(f iface) bool { return f["iface"] == name })
	if len(q.ifaces[q.node]) == before {
		return nil, badParam("iface", "interface does not exist")
	}
	return null{}, nil
}

func (q *call) networkRevert() (any, error) {
	q.ifaces[q.node] = slices.DeleteFunc(slices.Clone(q.ifaces[q.node]), func(f iface) bool { return f["staged"] != nil })
	return null{}, nil
}

func (q *call) networkApply() (any, error) {
	return q.spawn(job{kind: "srvreload", id: "networking", run: func(*task) error {
		for _, f := range q.ifaces[q.node] {
			delete(f, "staged")
			f["active"] = 1
		}
		return nil
	}}), nil
}
