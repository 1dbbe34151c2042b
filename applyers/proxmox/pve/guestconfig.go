package pve

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/go-faster/jx"

	"berth/desired"
)

// Config is a guest's configuration in Proxmox's words, with what is pending
// merged in.
type Config struct {
	Values map[string]string
	// Now holds, for the keys that are pending, what runs: "" is unset. It is nil where
	// nothing is.
	Now    map[string]string
	Digest string
}

// Pending are the keys that wait for a stop, sorted.
func (c *Config) Pending() []string { return slices.Sorted(maps.Keys(c.Now)) }

// Wait notes that a key is pending, and what runs.
func (c *Config) Wait(key, now string) {
	if c.Now == nil {
		c.Now = make(map[string]string)
	}
	c.Now[key] = now
}

// Decode reads the rows of "pending".
func (c *Config) Decode(d *jx.Decoder) error {
	*c = Config{Values: make(map[string]string, usualOptions)}
	return Array(d, func() error { return c.option(d) })
}

// usualOptions is how many options a guest has, or a few more.
const usualOptions = 28

// option reads one row: what an option is, and what it is to be.
func (c *Config) option(d *jx.Decoder) error {
	var key, value, next string
	var gone int
	var set, waits bool
	err := Object(d, func(name []byte) (err error) {
		switch string(name) {
		case "key":
			key, err = Text(d)
		case "value":
			value, set, err = Value(d)
		case "pending":
			next, waits, err = Value(d)
		case "delete":
			gone, err = Int(d)
		default:
			err = d.Skip()
		}
		return err
	})
	if err != nil {
		return err
	}
	if key == "digest" && set {
		c.Digest = value
		return nil
	}
	if set {
		c.Values[key] = value
	}
	switch {
	case waits:
		c.Wait(key, c.Values[key])
		c.Values[key] = next
	case gone > 0:
		c.Wait(key, c.Values[key])
		delete(c.Values, key)
	}
	return nil
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
