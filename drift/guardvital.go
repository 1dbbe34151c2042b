package drift

import (
	"fmt"
	"strings"

	"berth/desired"
)

// Vital is what the agent can't do without: where it runs itself, and where what it
// asks answers.
type Vital struct {
	// UUID is the product UUID of the machine that the agent runs on, and MACs are
	// its interfaces'. "" and none, where that is not known.
	UUID string
	MACs []string
	// Servers say what answers under an address: "10.1.1.5": "the Git server
	// git.example.com".
	Servers map[string]string
}

// KeepVital holds what would stop, move or re-address a guest on which the agent
// runs, on which it depends, or where an edge is.
func KeepVital(v Vital) Guard {
	return func(w *World, p *Plan) {
		why := make(map[desired.ID]string)
		edges := make(map[desired.ID]desired.ID)
		for _, r := range w.Fleet.Resources {
			if edge, ok := r.Spec.(*desired.Edge); ok {
				edges[desired.ID(edge.At)] = r.ID
			}
		}
		for _, live := range w.Lives() {
			if reason := v.of(w, live, edges); reason != "" {
				why[live.ID] = reason
			}
		}
		for i := range p.Changes {
			c := &p.Changes[i]
			reason := why[c.ID]
			if reason == "" {
				continue
			}
			switch c.Step {
			case Stop, Reboot, Archive, Delete, Migrate, Detach:
				c.hold(reason + ": the agent never stops or moves it, do it by hand")
			default:
				for j := range c.Fields {
					if f := &c.Fields[j]; f.Held == "" && f.Path.Within("networks") {
						f.Held = reason + ": the agent never changes how it is reached, do it by hand"
					}
				}
			}
		}
	}
}

// of says why a guest is vital; "" if it is not. edges are by where they are.
func (v Vital) of(w *World, live *Live, edges map[desired.ID]desired.ID) string {
	if !live.ID.Guest() || live.Archived {
		return ""
	}
	if uuid := live.Facts[desired.FactUUID]; uuid != "" && v.UUID != "" && (strings.EqualFold(uuid, v.UUID) || strings.EqualFold(uuid, swapped(v.UUID))) {
		return "the agent itself runs in it (product UUID " + uuid + ")"
	}
	for _, mac := range live.MACs {
		for _, own := range v.MACs {
			if strings.EqualFold(mac, own) {
				return "the agent itself runs in it (MAC " + strings.ToLower(mac) + ")"
			}
		}
	}
	addresses := []string{live.Facts[desired.FactAddress]}
	if written, ok := w.Fleet.Address(live.ID); ok {
		addresses = append(addresses, written)
	}
	for _, addr := range addresses {
		if what := v.Servers[addr]; addr != "" && what != "" {
			return fmt.Sprintf("%s answers there (%s)", what, addr)
		}
	}
	if edge, here := edges[live.ID]; here {
		return string(edge) + " is there"
	}
	return ""
}

// swapped is a UUID as firmware of old wrote it: the bytes of its first three parts
// the other way round.
func swapped(uuid string) string {
	parts := strings.Split(uuid, "-")
	for i := range min(3, len(parts)) {
		var turned strings.Builder
		for j := len(parts[i]) - 2; j >= 0; j -= 2 {
			turned.WriteString(parts[i][j : j+2])
		}
		parts[i] = turned.String()
	}
	return strings.Join(parts, "-")
}
