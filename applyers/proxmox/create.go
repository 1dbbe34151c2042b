package proxmox

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"berth/applyers"
	"berth/applyers/proxmox/pve"
	"berth/applyers/proxmox/stamp"
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
			return fmt.Errorf("no answer came, and nothing stands on VMID %d: the next turn looks again: %s", j.vmid, sent.Error())
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
			if _, no := errors.AsType[*applyers.HeldError](err); no {
				j.discardSeed(ctx)
			}
			return err
		}
	}
}

// awaitStub waits for the task that is making what stands on the VMID without a
// proof. What no task is making is not ours.
func (j *job) awaitStub(ctx context.Context, g *found) error {
	held := &applyers.HeldError{Reason: fmt.Sprintf("%s stands on the VMID and is not ours: give %s another id, or remove that guest", g.what(), j.ID)}
	if g.stamped || g.lock != "create" && g.lock != "clone" && g.lock != "" {
		return held
	}
	upid, err := j.stubTask(ctx, g)
	if err != nil {
		return err
	}
	if upid != "" {
		_, err := j.Follow(ctx, upid, j.limit(creation))
		if _, failed := errors.AsType[*pve.TaskError](err); failed {
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
	if j.clones() {
		return j.clone(ctx)
	}
	if j.node == "" {
		if j.node, err = j.onlyNode(ctx); err != nil {
			return nil, err
		}
	}
	if err := j.takeVolumes(ctx); err != nil {
		return nil, err
	}
	options, err := j.newOptions(ctx)
	if err != nil {
		return nil, err
	}
	err = j.Do(ctx, j.p, j.limit(creation), "POST", strings.TrimSuffix(j.path(), "/"+strconv.Itoa(j.vmid)), options)
	hide := func(err error) error { return concealed(err, options["password"]) }
	switch {
	case err == nil:
		return nil, nil
	case pve.Unanswered(err):
		return hide(err), nil
	case pve.Occupied(err):
		// Somebody was faster: a second look tells who.
		return hide(err), nil
	}
	if !errors.Is(err, applyers.ErrLeft) {
		j.discardSeed(ctx)
	}
	return nil, fmt.Errorf("create %s: %w", j.ID, hide(j.refusedWords(err)))
}

// discardSeed removes the seed that this attempt has uploaded for a guest that does
// not come of it.
func (j *job) discardSeed(ctx context.Context) {
	if j.uploaded == "" {
		return
	}
	if err := j.removeSeeds(ctx, false); err != nil {
		j.p.Say("the uploaded seed is left for the next turn to remove: " + err.Error())
	}
}

// newOptions are the options of a creation.
func (j *job) newOptions(ctx context.Context) (pve.Params, error) {
	s, err := j.newStamp()
	if err != nil {
		return nil, err
	}
	s.Images, s.Starting = make(map[string]string), j.guest().State != desired.Stopped
	return j.optionsWith(ctx, &s)
}

// optionsWith are the options of a creation, but for what a clone has from its
// template, with what a stamp remembers of them put into that.
func (j *job) optionsWith(ctx context.Context, s *stamp.Stamp) (pve.Params, error) {
	g := j.guest()
	for slot, d := range g.Disks {
		if d.Image != "" {
			s.Images[slot] = d.Image
		}
	}
	options := pve.Params{"vmid": strconv.Itoa(j.vmid), "tags": strings.Join(j.tags(nil, false), ";")}
	if g.Protection {
		options["protection"] = "1"
	}
	options["pool"] = g.Pool
	for option, value := range g.Options {
		if !rootsOption(j.kind, option, value) {
			options[option] = value
		}
	}
	maps.Copy(options, j.startupOptions())
	l := j.lines()
	var err error
	for slot, nic := range g.Networks {
		if nic.State != "" {
			continue
		}
		if options[slot], err = l.newNIC(slot, nic); err != nil {
			return nil, err
		}
	}
	switch spec := j.Want.Spec.(type) {
	case *desired.VM:
		err = j.newVM(ctx, spec, options, s)
	case *desired.DataVM:
		err = j.newDataVM(ctx, spec, options, s)
	case *desired.Container:
		err = j.newContainer(ctx, spec, options)
	}
	if err != nil {
		return nil, err
	}
	options["description"] = stamp.Join(g.Description, *s)
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
