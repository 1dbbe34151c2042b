package proxmox

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"berth/applyers"
	"berth/desired"
)

// create makes the guest, or goes on where an earlier attempt ended. The request
// that allocates is sent once at most, and only after a look has shown that
// nothing is there.
func (j *job) create(ctx context.Context) error {
	var sent error
	for {
		g, err := j.look(ctx)
		switch {
		case errors.Is(err, errGone) && sent != nil:
			return fmt.Errorf("no answer came, and nothing stands on VMID %d: the next turn looks again: %w", j.vmid, sent)
		case errors.Is(err, errGone):
			if sent, err = j.allocate(ctx); err != nil {
				return err
			}
			continue
		case err != nil:
			return err
		case j.proven(g):
			return j.complete(ctx)
		}
		if err := j.awaitStub(ctx, g); err != nil {
			return err
		}
	}
}

// awaitStub waits for the task that is making what stands on the VMID without a
// proof. What no task is making is not ours.
func (j *job) awaitStub(ctx context.Context, g *found) error {
	held := &applyers.HeldError{Reason: g.what() + " stands on the VMID and is not ours"}
	if g.stamped || g.lock != "create" && g.lock != "" {
		return held
	}
	upid, err := j.activeTask(ctx, g.node, g.vmid)
	if err != nil {
		return err
	}
	if upid != "" {
		_, err := j.follow(ctx, upid, j.limit(creation))
		if _, failed := errors.AsType[*taskError](err); failed {
			return nil
		}
		return err
	}
	// The task may have ended between the two requests.
	again, err := j.look(ctx)
	switch {
	case errors.Is(err, errGone):
		return nil
	case err != nil:
		return err
	case j.proven(again):
		return nil
	}
	return held
}

// allocate sends the one request that makes the guest. sent is set where it may
// have been carried out although no answer tells.
func (j *job) allocate(ctx context.Context) (sent, err error) {
	if j.node == "" {
		if j.node, err = j.onlyNode(ctx); err != nil {
			return nil, err
		}
	}
	if err := j.checkBridges(ctx); err != nil {
		return nil, err
	}
	options, err := j.newOptions(ctx)
	if err != nil {
		return nil, err
	}
	err = j.do(ctx, j.p, j.limit(creation), "POST", strings.TrimSuffix(j.path(), "/"+itoa(j.vmid)), options)
	switch {
	case err == nil:
		return nil, nil
	case unanswered(err):
		return err, nil
	case occupied(err):
		// Somebody was faster: a second look tells who.
		return err, nil
	}
	if j.uploaded != "" && !errors.Is(err, applyers.ErrLeft) {
		if cleaning := j.removeSeeds(ctx, false); cleaning != nil {
			j.p.Say("the uploaded seed is left for the next turn to remove: " + cleaning.Error())
		}
	}
	return nil, fmt.Errorf("create %s: %w", j.ID, err)
}

// newOptions are the options of a creation.
func (j *job) newOptions(ctx context.Context) (params, error) {
	instance, err := newInstance()
	if err != nil {
		return nil, err
	}
	s := stamp{
		Fleet: j.Fleet.Spec.Name, UID: j.Fleet.Spec.UID, ID: j.ID, Site: j.site.Name, VMID: j.vmid,
		Instance: instance, Images: make(map[string]string), Destroy: j.guest().Lifecycle.Remove == destroy,
		Starting: j.guest().State != desired.Stopped,
	}
	g := j.guest()
	for slot, d := range g.Disks {
		if d.Image != "" {
			s.Images[slot] = d.Image
		}
	}
	options := params{"vmid": itoa(j.vmid), "tags": strings.Join(j.tags(nil, false), ";")}
	if g.Protection {
		options["protection"] = "1"
	}
	maps.Copy(options, j.startupOptions())
	l := j.lines()
	for slot, nic := range g.Networks {
		if options[slot], err = l.newNIC(slot, nic); err != nil {
			return nil, err
		}
	}
	switch spec := j.Want.Spec.(type) {
	case *desired.VM:
		err = j.newVM(ctx, spec, options, &s)
	case *desired.Container:
		err = j.newContainer(spec, options)
	}
	if err != nil {
		return nil, err
	}
	options["description"] = joinDescription(g.Description, s)
	maps.DeleteFunc(options, func(_, value string) bool { return value == "" })
	return options, nil
}

// newInstance is random: a guest made anew is another one.
func newInstance() (string, error) {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("make an instance id: %w", err)
	}
	return hex.EncodeToString(b[:]), nil
}

// newContainer fills in what only containers have.
func (j *job) newContainer(ct *desired.Container, options params) error {
	l := j.lines()
	for slot, d := range ct.Disks {
		line, err := l.newRoot(slot, d)
		if err != nil {
			return err
		}
		options[slot] = line
	}
	root, ok := ct.Disks[rootfs]
	if !ok || root.Image == "" {
		return errors.New("a container needs disks.rootfs with an image")
	}
	image, err := l.image(root.Image)
	if err != nil {
		return err
	}
	options["ostemplate"] = volid(image)
	options["unprivileged"] = bit(ct.Unprivileged)
	if len(ct.Keys) > 0 {
		options["ssh-public-keys"] = strings.Join(ct.Keys, "\n")
	}
	for _, path := range []desired.Path{
		"hostname", "cpu.cores", "cpu.units", "cpu.limit", "memory", "swap", "features", "dns", "search",
	} {
		if j.sets(path) || path == "hostname" {
			if option, value := j.option(path, &found{conf: &rawConfig{}}); value != "" {
				options[option] = value
			}
		}
	}
	return nil
}

// newVM fills in what only virtual machines have, and uploads the seed.
func (j *job) newVM(ctx context.Context, vm *desired.VM, options params, s *stamp) error {
	l := j.lines()
	for slot, d := range vm.Disks {
		line, err := l.newDrive(slot, d)
		if err != nil {
			return err
		}
		options[slot] = line
	}
	for _, path := range []desired.Path{
		"hostname", "cpu.cores", "cpu.sockets", "cpu.type", "cpu.units", "cpu.limit", "cpu.numa", "memory.size", "memory.min", "memory.balloon", "agent",
		"bios", "machine", "vga", "serial0", "tablet", "keyboard", "hotplug", "scsihw", "ostype",
	} {
		if !j.setsWithin(path) && path != "hostname" {
			continue
		}
		if option, value := j.option(path, &found{conf: &rawConfig{}}); value != "" {
			options[option] = value
		}
	}
	for option, usual := range map[string]string{"scsihw": "virtio-scsi-single", "ostype": "l26"} {
		if options[option] == "" {
			options[option] = usual
		}
	}
	options["boot"] = "order=" + strings.Join(bootOrder(vm), ";")
	if vm.CloudInit == nil {
		return nil
	}
	s.Seed, s.Making, s.Address = shortDigest(vm.Seed), true, written(&vm.Guest)
	return j.seedDrive(ctx, vm, options, s.Instance)
}

// written is the static address that a seed gives a virtual machine; "" where a
// DHCP server has to tell.
func written(g *desired.Guest) string {
	for _, slot := range slices.Sorted(maps.Keys(g.Networks)) {
		if addr, _, static := strings.Cut(g.Networks[slot].Address, "/"); static {
			return addr
		}
	}
	return ""
}

// shortDigest is as much of a digest as a stamp, which people read, holds.
func shortDigest(digest string) string { return digest[:min(len(digest), 16)] }

// bootOrder is what the manifest asks for, else the disks that are made from an
// image, else all drives and then the interfaces.
func bootOrder(vm *desired.VM) []string {
	if len(vm.Boot) > 0 {
		return vm.Boot
	}
	slots := slices.Sorted(maps.Keys(vm.Disks))
	imaged := slices.DeleteFunc(slices.Clone(slots), func(slot string) bool { return vm.Disks[slot].Image == "" })
	if len(imaged) > 0 {
		return imaged
	}
	return append(slots, slices.Sorted(maps.Keys(vm.Networks))...)
}

// complete does what follows a creation: growing disks, removing the uploaded
// seed, taking the mark of an unfinished creation off, starting.
func (j *job) complete(ctx context.Context) error {
	g, err := j.mine(ctx)
	if err != nil {
		return err
	}
	if g, err = j.growImages(ctx, g); err != nil {
		return err
	}
	if g.stamp.Making || j.uploaded != "" {
		if err := j.removeSeeds(ctx, g.stamp.Making); err != nil {
			return fmt.Errorf("remove the uploaded seed: %w", err)
		}
	}
	if g.stamp.Making {
		done := g.stamp
		done.Making, done.Starting = false, j.guest().State != desired.Stopped
		if err := j.setConfig(ctx, g, params{"description": joinDescription(g.words, done)}, nil); err != nil {
			return fmt.Errorf("mark %s as complete: %w", j.ID, err)
		}
	}
	j.p.Made(j.ID, desired.FactInstance, g.stamp.instance())
	if j.guest().State == desired.Stopped {
		return nil
	}
	return j.start(ctx)
}

// growImages grows disks that came from an image to what is asked for.
func (j *job) growImages(ctx context.Context, g *found) (*found, error) {
	disks := j.guest().Disks
	for _, slot := range slices.Sorted(maps.Keys(disks)) {
		d := disks[slot]
		have := parseSize(parseProps(volumeKey(j.kind), g.conf.values[slot]).value("size"))
		switch {
		case d.Image == "" || d.Size == 0 || have == 0 || have == d.Size:
			continue
		case have > d.Size:
			j.p.Say(fmt.Sprintf("%s is %s, as its image is; it can't be made %s", slot, have, d.Size))
			continue
		}
		if err := j.resize(ctx, g, slot, d.Size); err != nil {
			return nil, err
		}
		var err error
		if g, err = j.mine(ctx); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// resize grows a disk. An equal size is a task without work, so that a repeated
// one does no harm (FACTS 6).
func (j *job) resize(ctx context.Context, g *found, slot string, size desired.Size) error {
	err := j.patient(ctx, func() error {
		return j.do(ctx, j.p, j.limit(anyTask), "PUT", j.path()+"/resize", params{
			"disk": slot, "size": kibibytes(size), "digest": g.conf.digest,
		})
	})
	if err != nil {
		return fmt.Errorf("grow %s to %s: %w", slot, size, err)
	}
	return nil
}
