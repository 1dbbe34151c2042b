package inventory

import (
	"fmt"
	"strings"

	"berth/desired"
)

// Forms are the words that [Inventory.Write] takes: what a dynamic inventory script
// answers to --list, and the two sorts of file that Ansible's users keep.
func Forms() []string { return []string{"list", "yaml", "ini"} }

// Write writes an inventory in one of the [Forms].
func (inv Inventory) Write(form string) ([]byte, error) {
	switch form {
	case "list":
		return inv.List()
	case "yaml":
		return inv.YAML()
	case "ini":
		return inv.INI()
	}
	return nil, fmt.Errorf("%q is no form of an inventory: %s", form, strings.Join(Forms(), ", "))
}

// UnknownHostError says that an inventory has no such host.
type UnknownHostError struct {
	Host string
	// Near are hosts that may have been meant.
	Near []string
}

// Error says what may have been meant.
func (e *UnknownHostError) Error() string {
	text := fmt.Sprintf("the fleet has no host %q", e.Host)
	if len(e.Near) > 0 {
		text += "; did you mean " + strings.Join(e.Near, " or ") + "?"
	}
	return text
}

// Unreached lists the hosts that Ansible would know no address for, sorted.
func (inv Inventory) Unreached() []string {
	var out []string
	for _, name := range inv.names() {
		_, addressed := inv.Hosts[name]["ansible_host"]
		_, connected := inv.Hosts[name]["ansible_connection"]
		if !addressed && !connected {
			out = append(out, name)
		}
	}
	return out
}

// near are hosts whose names are like one.
func (inv Inventory) near(name string) []string { return desired.Nearest(name, inv.names()) }
