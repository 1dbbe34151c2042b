// Package seed makes the NoCloud seed of a virtual machine: what cloud-init
// reads at the first boot.
//
// Equal input gives equal bytes, so that a digest of a seed stands for what it
// asks for. A seed is readable by every user of the guest: it holds public keys
// and the manifest's own text, never a secret.
package seed

import (
	"errors"
	"fmt"

	"berth/desired"
)

// Input is what a seed is made from.
type Input struct {
	// InstanceID is settled when the guest is made: cloud-init runs its first
	// boot again whenever it sees another one.
	InstanceID string
	// Rerun is set for a seed that takes the place of another one: the guest is no
	// new one, and keeps the SSH host keys by which others know it.
	Rerun bool
	// Hostname is a name, or a name with its domain.
	Hostname string
	// CloudInit may be nil: then the seed holds name and network only.
	CloudInit *desired.CloudInit
	// NICs in the order of their slots.
	NICs []NIC
	// Mounts are the disks that the guest mounts.
	Mounts []Mount
	// DNS and Search are the guest's name servers and search domains.
	DNS, Search []string
}

// NIC is a network interface, found in the guest by its MAC.
type NIC struct {
	MAC string
	// Name is what the guest shall call it; the kernel's own name if "".
	Name string
	// Address is "dhcp", "none" or an address with its prefix length.
	Address string
	// Gateway is an address; "" or "none" for no default route.
	Gateway string
	// Address6 is "dhcp", "auto" (router advertisements) or an address with its
	// prefix length; "" leaves IPv6 to what the guest does of itself. Gateway6 is
	// as Gateway.
	Address6, Gateway6 string
}

// Seed is the content of the three files that cloud-init's NoCloud reads.
type Seed struct {
	UserData, MetaData, NetworkConfig []byte
}

// Build writes the three files. It refuses what cloud-init would refuse, or take
// for something else, only when the guest boots.
func Build(in Input) (Seed, error) {
	if in.InstanceID == "" {
		return Seed{}, errors.New("build seed: it has no instance id")
	}
	if in.Hostname == "" {
		return Seed{}, errors.New("build seed: it has no host name")
	}
	user, err := userData(in)
	if err != nil {
		return Seed{}, fmt.Errorf("build user-data: %w", err)
	}
	network, err := networkConfig(in)
	if err != nil {
		return Seed{}, fmt.Errorf("build network-config: %w", err)
	}
	var meta mapping
	meta.add("instance-id", in.InstanceID)
	meta.add("local-hostname", in.Hostname)
	var seed Seed
	for _, file := range []struct {
		content *[]byte
		heading string
		body    mapping
	}{
		{&seed.UserData, "#cloud-config\n", user},
		{&seed.MetaData, "", meta},
		{&seed.NetworkConfig, "", network},
	} {
		if *file.content, err = file.body.encode(file.heading); err != nil {
			return Seed{}, fmt.Errorf("write seed: %w", err)
		}
	}
	return seed, nil
}
