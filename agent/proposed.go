package main

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"path/filepath"

	"berth/applyers"
	"berth/applyers/machine"
	"berth/applyers/nginx"
	"berth/applyers/proxmox"
	"berth/desired"
)

// proposed makes the appliers for a proposal; see [turn.Turner.Proposal]. fleet and files
// are those of the commit that is enforced: of its secrets the tokens of its sites and
// the keys of its edges' machines are read, and no others. Nobody is probed, no playbook
// is run or looked at, and what turns leave to each other is neither used nor changed.
func (w *wiring) proposed(fleet *desired.Fleet, files fs.FS) ([]applyers.Applyer, func() map[string]int, error) {
	places := w.secrets.At(fleet.Secrets, files)
	guests := proxmox.New(proxmox.Options{
		Token: tokens(places), Log: w.log, Dial: nobody,
		Secret: func(context.Context, desired.SecretRef) ([]byte, error) { return nil, errOnlyLooking },
	})
	machines, err := machine.New(machine.Options{
		State: filepath.Join(w.settings.State, "ansible"), AgentSocket: w.env("SSH_AUTH_SOCK"), Log: w.log, Dial: w.dial,
		Key: reveal(places),
	})
	if err != nil {
		return nil, nil, err
	}
	return []applyers.Applyer{guests, nginx.New(nginx.Options{Log: w.log, Machines: machines})}, guests.TakeRequests, nil
}

// errOnlyLooking is that nothing more is done for a proposal than to look.
var errOnlyLooking = errors.New("this is for a proposal, which is only looked at")

func nobody(context.Context, string, string) (net.Conn, error) { return nil, errOnlyLooking }
