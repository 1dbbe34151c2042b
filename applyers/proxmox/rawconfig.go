package proxmox

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"berth/desired"
)

// rawConfig is a guest's configuration in Proxmox's words, with what is pending
// merged in.
type rawConfig struct {
	values map[string]string
	// now holds, for the keys that are pending, what runs: "" is unset.
	now    map[string]string
	digest string
}

func (c *rawConfig) pending() []string { return slices.Sorted(maps.Keys(c.now)) }

// base is the path of a guest.
func base(kind, node string, vmid int) string {
	family := "qemu"
	if kind == desired.KindContainer {
		family = "lxc"
	}
	return "/nodes/" + node + "/" + family + "/" + strconv.Itoa(vmid)
}

// readConfig reads current values, pending ones and the digest in one request.
func (c *client) readConfig(ctx context.Context, kind, node string, vmid int) (*rawConfig, error) {
	var rows []struct {
		Key     string
		Value   *scalar
		Pending *scalar
		Delete  scalar
	}
	if err := c.get(ctx, base(kind, node, vmid)+"/pending", &rows); err != nil {
		return nil, err
	}
	conf := &rawConfig{values: make(map[string]string), now: make(map[string]string)}
	for _, row := range rows {
		if row.Key == "digest" && row.Value != nil {
			conf.digest = string(*row.Value)
			continue
		}
		if row.Value != nil {
			conf.values[row.Key] = string(*row.Value)
		}
		switch {
		case row.Pending != nil:
			conf.now[row.Key] = conf.values[row.Key]
			conf.values[row.Key] = string(*row.Pending)
		case row.Delete.int() > 0:
			conf.now[row.Key] = conf.values[row.Key]
			delete(conf.values, row.Key)
		}
	}
	// A container's gets a newline more than was sent (FACTS 4).
	if text, ok := conf.values["description"]; ok {
		conf.values["description"] = strings.TrimRight(text, "\n")
	}
	if conf.digest == "" {
		// An answer without it is none that a write could rest on.
		return nil, fmt.Errorf("read %s %d: the answer has no digest", kind, vmid)
	}
	return conf, nil
}
