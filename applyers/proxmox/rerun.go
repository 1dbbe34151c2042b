package proxmox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"berth/applyers"
	"berth/applyers/proxmox/notation"
	"berth/applyers/proxmox/pve"
	"berth/applyers/proxmox/stamp"
	"berth/desired"
	"berth/drift"
)

// seedPath is where a seed's digest is compared; formerPath stands for what is left
// of a seed that was replaced.
const (
	seedPath   desired.Path = "cloudInit"
	formerPath desired.Path = "cloudInit.former"
)

// seedMost is the size above which a volume that a seed's slot holds is not taken for
// a seed, where nothing proves that it is one.
const seedMost = 16 * desired.MiB

// noAddress stands in a stamp for a seed without a static address.
const noAddress = "dhcp"

// sameSeed tells whether a stamp's digest is that of a seed.
func sameSeed(stamped, digest string) bool {
	return stamped != "" && strings.HasPrefix(digest, stamped)
}

// partSeed parts the fields that replace a seed, or clear one away, from the others.
func partSeed(fields []drift.Field) (rest, seeds []drift.Field) {
	for _, f := range fields {
		if f.Path == seedPath || f.Path == formerPath {
			seeds = append(seeds, f)
		} else {
			rest = append(rest, f)
		}
	}
	return rest, seeds
}

// reseed gives the guest the seed that its manifest asks for, which lets cloud-init
// run again at the next boot, and clears away what is left of the former one.
func (j *job) reseed(ctx context.Context, fields []drift.Field) error {
	if len(fields) == 0 {
		return nil
	}
	g, err := j.unwritten(ctx)
	if err != nil {
		return err
	}
	vm, isVM := j.Want.Spec.(*desired.VM)
	if isVM && slices.ContainsFunc(fields, func(f drift.Field) bool { return f.Path == seedPath }) && !sameSeed(g.seedDigest(), vm.Seed) {
		if g.leftover() {
			if g, err = j.clearSeed(ctx, g); err != nil {
				return err
			}
		}
		if g, err = j.replaceSeed(ctx, vm, g); err != nil {
			return err
		}
	}
	_, err = j.clearSeed(ctx, g)
	return err
}

// unwritten reads the guest once no change of its configuration is under way any
// more: one of an earlier life of the agent may be the very one that is wanted, and
// what allocates is never sent twice.
func (j *job) unwritten(ctx context.Context) (*found, error) {
	if _, err := j.settle(ctx, j.limit(anyTask), "qmconfig"); err != nil {
		return nil, err
	}
	return j.mine(ctx) // What is live tells.
}

// replaceSeed uploads a new seed and puts it into its slot. What was there becomes
// unused (FACTS 6). The stamp goes with it in one request, so that a turn that breaks
// off finds what has been done.
func (j *job) replaceSeed(ctx context.Context, vm *desired.VM, g *found) (*found, error) {
	slot := seedSlot(vm)
	old, held := seedIn(g, vm)
	if held != "" {
		return nil, &applyers.HeldError{Reason: held}
	}
	power, err := j.power(ctx)
	if err != nil {
		return nil, err
	}
	next := j.stampOf(g)
	next.Seed, next.Former = shortDigest(vm.Seed), slot+":"+cmp.Or(old, stamp.NoVolume)
	next.Address, next.Next, next.Reseeded = written(&vm.Guest), "", time.Time{}
	if power.Status == "running" {
		// Until it boots it is where it was.
		next.Reseeded = j.Now()
		next.Next, next.Address = cmp.Or(next.Address, noAddress), g.stamp.Address
		if g.stamp.Next != "" && !waitsForBoot(g.stamp, power.Uptime.Int(), j.Now()) {
			next.Address = strings.TrimPrefix(g.stamp.Next, noAddress)
		}
	}
	instance, err := rerunInstance(g.stamp.InstanceID(), vm.Seed)
	if err != nil {
		return nil, err
	}
	options := make(pve.Params)
	for _, net := range sortedKeys(vm.Networks) {
		if vm.Networks[net].State == "" && g.conf.Values[net] == "" {
			return nil, fmt.Errorf("%s is not there yet, and its MAC belongs into the seed: planned again in the next turn", net)
		}
		options[net] = g.conf.Values[net]
	}
	if store, _, ok := strings.Cut(old, ":"); ok {
		j.beside = store
	}
	if err := j.seedDrive(ctx, vm, options, instance); err != nil {
		return nil, err
	}
	// A person's options of the drive stay.
	line := notation.Parse("file", g.conf.Values[slot])
	fresh := notation.Parse("file", options[slot])
	line.Set("size", "")
	line.Set("file", fresh.Value("file"))
	line.Set("import-from", fresh.Value("import-from"))
	words := g.words
	if j.setsAndHolds("description") {
		words = j.guest().Description
	}
	write := pve.Params{slot: line.String(), "description": stamp.Join(words, next)}
	err = j.setConfig(ctx, g, write, nil)
	return j.replaced(ctx, vm, write, err)
}

// replaced looks at what came of the write. A guest that runs and can't be plugged
// into gets its seed when it stops: a boot is what it waits for anyway.
func (j *job) replaced(ctx context.Context, vm *desired.VM, write pve.Params, cause error) (*found, error) {
	if cause != nil && (errors.Is(cause, applyers.ErrLeft) || pve.Unanswered(cause)) {
		return nil, fmt.Errorf("replace the seed: %w", cause)
	}
	g, err := j.mine(ctx)
	if err != nil {
		return nil, errors.Join(cause, err)
	}
	slot := seedSlot(vm)
	if sameSeed(g.seedDigest(), vm.Seed) && g.volume(slot) != "" {
		if _, waits := g.conf.Now[slot]; waits {
			j.p.Say(slot + " can't be plugged while the guest runs: the new seed is there once it was stopped and started")
		}
		return g, nil
	}
	if cause == nil {
		return nil, fmt.Errorf("replace the seed: %s does not hold it", slot)
	}
	if cleaning := j.removeSeeds(ctx, false); cleaning != nil {
		j.p.Say("the uploaded seed is left for the next turn to remove: " + cleaning.Error())
	}
	return nil, j.takeBack(ctx, write, nil, fmt.Errorf("replace the seed: %w", cause))
}

// clearSeed removes what was uploaded and, once the guest has let go of it, the
// former seed. Nothing but a volume that is stamped as the seed is destroyed.
func (j *job) clearSeed(ctx context.Context, g *found) (*found, error) {
	if j.uploaded != "" || g.leftover() {
		if err := j.removeSeeds(ctx, true); err != nil {
			return nil, fmt.Errorf("remove the uploaded seed: %w", err)
		}
	}
	if !g.leftover() {
		return g, nil
	}
	slot, former := g.stamp.FormerSeed()
	clean := g.stamp
	clean.Former, clean.SeedDisk = "", g.volume(slot)
	set := pve.Params{"description": stamp.Join(g.words, clean)}
	var remove []string
	if former == g.stamp.SeedDisk {
		remove = g.unusedBy(former)
	}
	err := j.patient(ctx, func() error { return j.setConfig(ctx, g, set, remove) })
	if err != nil && len(remove) > 0 && pve.Says(err, "still in use") {
		j.p.Say("the former seed, " + former + ", is kept: a snapshot holds it")
		if g, err = j.mine(ctx); err == nil {
			err = j.setConfig(ctx, g, set, nil)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("remove the former seed: %w", err)
	}
	return j.mine(ctx)
}

// rerunInstance is what cloud-init takes for another machine, whereas the guest's own
// instance stays. It is never one that was before: cloud-init remembers all that it
// has done for an id, and would not do it again for a seed that comes back.
func rerunInstance(instance, digest string) (string, error) {
	random, err := newInstance()
	if err != nil {
		return "", err
	}
	return instance + "-" + digest[:min(len(digest), 8)] + "-" + random[:8], nil
}

// seedIn is the volume of the seed in its slot, "" if that is empty; or why it can't
// be replaced.
func seedIn(g *found, vm *desired.VM) (volid, held string) {
	slot := seedSlot(vm)
	if native(g) {
		return "", "it has Proxmox's own cloud-init drive, and the choice is settled when the guest is made: write cloudInit.native: true"
	}
	if _, waits := g.conf.Now[slot]; waits {
		return "", slot + " waits for a stop and start of the guest as it is: give it that, or revert " + slot + " on Proxmox"
	}
	volid = g.volume(slot)
	if g.stamp.SeedDisk != "" && volid != g.stamp.SeedDisk {
		for _, at := range volumesOf(g.kind, g.conf.Values) {
			if at.volid == g.stamp.SeedDisk && !strings.HasPrefix(at.slot, "unused") {
				return "", fmt.Sprintf("its seed is in %s: write cloudInit.slot: %s, or detach it there", at.slot, at.slot)
			}
		}
	}
	line := notation.Parse("file", g.conf.Values[slot])
	switch size := notation.ParseSize(line.Value("size")); {
	case volid == "" || volid == g.stamp.SeedDisk:
		return volid, ""
	case line.Value("media") == "cdrom", ownerOf(volid) != g.vmid, size == 0, size > seedMost:
		return "", fmt.Sprintf("%s holds %s, which is not the seed that Berth put there: detach it, or choose another cloudInit.slot", slot, volid)
	}
	return volid, ""
}
