package proxmox

import (
	"strconv"

	"berth/desired"
)

// container fills in what only containers have.
func (w *wording) container(guest desired.Guest, g *found) *desired.Container {
	v := g.conf.values
	guest.Hostname = v["hostname"]
	guest.DNS = words(v["nameserver"])
	guest.Search = words(v["searchdomain"])
	limit, err := strconv.ParseFloat(v["cpulimit"], 64)
	if err != nil {
		limit = 0
	}
	ct := &desired.Container{
		Guest:        guest,
		CPU:          desired.CPU{Cores: whole(v["cores"], 0), Units: whole(v["cpuunits"], 100), Limit: limit},
		Memory:       desired.Size(whole(v["memory"], 512)) * desired.MiB,
		Swap:         desired.Size(whole(v["swap"], 512)) * desired.MiB,
		Unprivileged: flag(v["unprivileged"], false),
	}
	for _, part := range parseProps("", v["features"]).parts {
		switch {
		case flag(part.value, false):
			ct.Features = append(ct.Features, part.key)
		case !flag(part.value, true):
		default:
			ct.Features = append(ct.Features, part.key+"="+part.value)
		}
	}
	return ct
}
