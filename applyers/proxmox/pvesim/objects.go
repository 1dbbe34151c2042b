package pvesim

// objects are the configuration objects of which the simulator knows little more
// than that they exist.
type objects struct {
	ha     map[string]map[string]any
	backup map[string]map[string]any
}

func newObjects() objects {
	return objects{ha: map[string]map[string]any{}, backup: map[string]map[string]any{}}
}

// haCommand stands for the request to the HA manager that replaces a start or stop.
func (q *call) haCommand(g *guest, verb, state string) any {
	return q.spawn(job{kind: "ha" + verb, id: itoa(g.vmid), run: func(t *task) error {
		t.logf("Requesting HA %s for %s %d", verb, g.noun(), g.vmid)
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
