package proxmox

import (
	"context"
	"errors"
	"strings"

	"berth/applyers/proxmox/notation"
	"berth/applyers/proxmox/pve"
	"berth/desired"
)

// newContainer fills in what only containers have.
func (j *job) newContainer(ctx context.Context, ct *desired.Container, options pve.Params) error {
	l := j.lines()
	for slot, d := range ct.Disks {
		if d.Bind != "" || d.State != "" || j.clones() {
			continue
		}
		line, err := l.newVolume(slot, d)
		if err != nil {
			return err
		}
		options[slot] = line
	}
	if !j.clones() {
		root, ok := ct.Disks[rootfs]
		if !ok || root.Image == "" {
			return errors.New("a container needs disks.rootfs with an image")
		}
		image, err := l.image(root.Image)
		if err != nil {
			return err
		}
		options["ostemplate"] = volid(image)
		if options["password"], err = j.rootPassword(ctx, ct); err != nil {
			return err
		}
		options["unprivileged"] = notation.Bit(ct.Unprivileged)
		if len(ct.Keys) > 0 {
			options["ssh-public-keys"] = strings.Join(ct.Keys, "\n")
		}
	}
	for _, path := range []desired.Path{
		"hostname", "cpu.cores", "cpu.units", "cpu.limit", "memory", "swap", "features", "dns", "search",
	} {
		if j.sets(path) || path == "hostname" {
			if option, value := j.option(path, &found{conf: &pve.Config{}}); value != "" {
				options[option] = value
			}
		}
	}
	return nil
}
