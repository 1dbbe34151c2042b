//go:build !linux

package lxc

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"runtime"

	"berth/applyers/proxmox/pvesim"
)

// Options are as on Linux.
type Options struct {
	Cache, Namespace string
	Bridges          []string
	Address          netip.Prefix
	Say              func(line string)
}

// Runtime is never made where there is no LXC.
type Runtime struct{ pvesim.Runtime }

func errNoLXC() error { return errors.New("real containers need Linux, and this is " + runtime.GOOS) }

// New refuses.
func New(context.Context, Options) (*Runtime, error) { return nil, errNoLXC() }

// Rootfs refuses.
func Rootfs(context.Context, string, string, func(string)) (string, error) { return "", errNoLXC() }

// DefaultCache refuses.
func DefaultCache() (string, error) { return "", errNoLXC() }

// Listen refuses.
func (*Runtime) Listen(context.Context, string) (net.Listener, error) { return nil, errNoLXC() }

// Namespace is empty.
func (*Runtime) Namespace() string { return "" }

// Close does nothing.
func (*Runtime) Close(context.Context) error { return nil }

// Check refuses.
func Check() error { return errNoLXC() }
