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

// Scan reads the rows of "pending".
func (c *Config) Scan(s *Scanner) {
	*c = Config{Values: make(map[string]string, usualOptions), Now: make(map[string]string)}
	s.Array(func() { c.option(s) })
}

// usualOptions is how many options a guest has, or a few more.
const usualOptions = 28

// option reads one row: what an option is, and what it is to be.
func (c *Config) option(s *Scanner) {
	var key, value, next, gone string
	var set, waits bool
	s.Object(func(name []byte) {
		switch string(name) {
		case "key":
			key = s.Text()
		case "value":
			value, set = s.Value()
		case "pending":
			next, waits = s.Value()
		case "delete":
			gone = s.Text()
		default:
			s.Skip()
		}
	})
	if key == "digest" && set {
		c.Digest = value
		return
	}
	if set {
		c.Values[key] = value
	}
	switch {
	case waits:
		c.Now[key] = c.Values[key]
		c.Values[key] = next
	case Scalar(gone).Int() > 0:
		c.Now[key] = c.Values[key]
		delete(c.Values, key)
	}
}

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
	conf := &Config{}
	if err := c.Get(ctx, GuestPath(kind, node, vmid)+"/pending", conf); err != nil {
		return nil, err
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
