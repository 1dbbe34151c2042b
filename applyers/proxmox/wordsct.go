package proxmox

import (
	"berth/applyers/proxmox/notation"
	"berth/desired"
)

// container fills in what only containers have.
func (w *wording) container(guest desired.Guest, g *found) *desired.Container {
	v := g.conf.Values
	guest.Hostname = v["hostname"]
	guest.DNS = words(v["nameserver"])
	guest.Search = words(v["searchdomain"])
	ct := &desired.Container{
		Guest:        guest,
		CPU:          desired.CPU{Cores: notation.Whole(v["cores"], 0), Units: notation.Whole(v["cpuunits"], 100), Limit: notation.ParseNumber(v["cpulimit"])},
		Memory:       desired.Size(notation.Whole(v["memory"], 512)) * desired.MiB,
		Swap:         desired.Size(notation.Whole(v["swap"], 512)) * desired.MiB,
		Unprivileged: notation.Flag(v["unprivileged"], false),
	}
	for _, part := range notation.Parse("", v["features"]).Parts {
		switch {
		case notation.Flag(part.Value, false):
			ct.Features = append(ct.Features, part.Key)
		case !notation.Flag(part.Value, true):
		default:
			ct.Features = append(ct.Features, part.Key+"="+part.Value)
		}
	}
	return ct
}
