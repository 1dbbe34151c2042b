package pve

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"berth/desired"
)

// Config is a guest's configuration in Proxmox's words, with what is pending
// merged in.
type Config struct {
	Values map[string]string
	// Now holds, for the keys that are pending, what runs: "" is unset.
	Now    map[string]string
	Digest string
}

// Pending are the keys that wait for a stop, sorted.
func (c *Config) Pending() []string { return slices.Sorted(maps.Keys(c.Now)) }

// GuestPath is the path of a guest.
func GuestPath(kind, node string, vmid int) string {
	family := "qemu"
	if kind == desired.KindContainer {
		family = "lxc"
	}
	return "/nodes/" + node + "/" + family + "/" + strconv.Itoa(vmid)
}

// ReadConfig reads current values, pending ones and the digest in one request.
func (c *Client) ReadConfig(ctx context.Context, kind, node string, vmid int) (*Config, error) {
	var rows []struct {
		Key     string
		Value   *Scalar
		Pending *Scalar
		Delete  Scalar
	}
	if err := c.Get(ctx, GuestPath(kind, node, vmid)+"/pending", &rows); err != nil {
		return nil, err
	}
	conf := &Config{Values: make(map[string]string), Now: make(map[string]string)}
	for _, row := range rows {
		if row.Key == "digest" && row.Value != nil {
			conf.Digest = string(*row.Value)
			continue
		}
		if row.Value != nil {
			conf.Values[row.Key] = string(*row.Value)
		}
		switch {
		case row.Pending != nil:
			conf.Now[row.Key] = conf.Values[row.Key]
			conf.Values[row.Key] = string(*row.Pending)
		case row.Delete.Int() > 0:
			conf.Now[row.Key] = conf.Values[row.Key]
			delete(conf.Values, row.Key)
		}
	}
	// A container's gets a newline more than was sent (FACTS 4).
	if text, ok := conf.Values["description"]; ok {
		conf.Values["description"] = strings.TrimRight(text, "\n")
	}
	if conf.Digest == "" {
		// An answer without it is none that a write could rest on.
		return nil, fmt.Errorf("read %s %d: the answer has no digest", kind, vmid)
	}
	return conf, nil
}
