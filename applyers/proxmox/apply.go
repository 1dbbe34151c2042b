package proxmox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"berth/applyers"
	"berth/applyers/proxmox/pve"
	"berth/applyers/proxmox/stamp"
	"berth/desired"
	"berth/drift"
)

// Apply makes one step.
func (a *Applyer) Apply(ctx context.Context, aj applyers.Job, p applyers.Progress) error {
	if ctx.Err() != nil {
		return applyers.ErrLeft
	}
	j, err := a.job(ctx, aj, p)
	if err != nil {
		return err
	}
	err = j.step(ctx)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil && !errors.Is(err, applyers.ErrLeft):
		// Whatever broke off because of the stop: the next turn looks anew.
		return fmt.Errorf("%w (%w)", applyers.ErrLeft, err)
	case pve.Stale(err):
		return fmt.Errorf("somebody else wrote at the same time, and it is planned again in the next turn: %w", err)
	case pve.Absent(err):
		return fmt.Errorf("it was moved or deleted in the meantime, and it is planned again in the next turn: %w", err)
	}
	if lost := new(pve.LostError); errors.As(err, &lost) {
		err = fmt.Errorf("no answer came; it may have been done all the same, and the next turn looks: %w", err)
	}
	if advice := j.advice(err); advice != "" {
		return fmt.Errorf("%w; %s", err, advice)
	}
	return err
}

// job is one step on one guest or image.
type job struct {
	*cluster
	applyers.Job
	applyer *Applyer
	p       applyers.Progress
	kind    string
	node    string
	vmid    int
	// plugins are the kinds of the cluster's storages, where a look has told.
	plugins map[string]string
	// uploaded is the name of the seed that this attempt has uploaded.
	uploaded string
	// furnished is the fresh clone that is being given what its manifest asks, and
	// beside the storage of its boot disk.
	furnished *found
	beside    string
	// volumes are the data VMs' disks that this attempt may take, by reference.
	volumes map[string]string
}

func (a *Applyer) job(ctx context.Context, aj applyers.Job, p applyers.Progress) (*job, error) {
	site := aj.Site
	if aj.Have != nil {
		site = aj.Have.Site
	} else if aj.Want != nil {
		site = aj.Want.Site
	}
	c, err := a.at(ctx, aj.Fleet, site)
	if err != nil {
		return nil, err
	}
	j := &job{cluster: c, Job: aj, applyer: a, p: p, kind: machineKind(aj.ID)}
	if g := j.guest(); g != nil {
		j.node, j.vmid = g.Node, g.VMID
	}
	if aj.Have != nil {
		if h, ok := aj.Have.Handle.(*handle); ok {
			j.node, j.vmid = h.node, h.vmid
		}
	}
	return j, nil
}

// onlyNode is the cluster's node where it has just one, which manifests then need
// not name.
func (j *job) onlyNode(ctx context.Context) (string, error) {
	var inv inventory
	if err := j.readNodes(ctx, &inv); err != nil {
		return "", err
	}
	if len(inv.online) != 1 || len(inv.offline) > 0 {
		return "", &applyers.HeldError{Reason: fmt.Sprintf("site %s has several nodes: write node at the guest, or at the site", j.site.Name)}
	}
	return inv.online[0], nil
}

func (j *job) step(ctx context.Context) error {
	switch j.Step {
	case drift.Fetch:
		return j.fetch(ctx)
	case drift.Create:
		return j.create(ctx)
	case drift.Restore:
		return j.restore(ctx)
	case drift.Online, drift.Pending:
		return j.change(ctx)
	case drift.Migrate:
		return j.migrate(ctx)
	case drift.Reboot:
		return j.reboot(ctx)
	case drift.Start:
		return j.startStep(ctx)
	case drift.Stop:
		return j.stopStep(ctx)
	case drift.Ready:
		return j.ready(ctx)
	case drift.Archive:
		return j.archive(ctx)
	case drift.Delete:
		return j.remove(ctx)
	case drift.Adopt:
		return j.adopt(ctx)
	case drift.Release:
		return j.release(ctx)
	case drift.Detach:
		return j.detach(ctx)
	case drift.Attach:
		return j.attach(ctx)
	default:
		return fmt.Errorf("there is no step %s for %s", j.Step, j.kind)
	}
}

// errGone is that nothing stands on the VMID.
var errGone = errors.New("the VMID is free")

// look reads the guest afresh, wherever it has moved; [errGone] if its VMID is
// free.
func (j *job) look(ctx context.Context) (*found, error) {
	if j.node != "" {
		conf, err := j.ReadConfig(ctx, j.kind, j.node, j.vmid)
		switch {
		case err == nil:
			return newFound(row{kind: j.kind, node: j.node, vmid: j.vmid}, conf), nil
		case !pve.Absent(err):
			return nil, err
		}
	}
	rows, err := j.readResources(ctx)
	if err != nil {
		return nil, err
	}
	j.plugins = make(map[string]string)
	for _, r := range rows {
		if r.Type == "storage" {
			j.plugins[r.Storage] = r.Plugintype
		}
	}
	for _, r := range rows {
		g := r.guest()
		if g == nil || g.vmid != j.vmid {
			continue
		}
		conf, err := j.ReadConfig(ctx, g.kind, g.node, g.vmid)
		if pve.Absent(err) {
			return nil, j.gone(ctx)
		}
		if err != nil {
			return nil, err
		}
		if g.kind == j.kind {
			j.node = g.node
		}
		return newFound(*g, conf), nil
	}
	return nil, j.gone(ctx)
}

// gone is [errGone] if the VMID itself answers that it is free. The list of all
// guests does not tell that: it may be old, and leaves out what the token may not see.
func (j *job) gone(ctx context.Context) error {
	err := j.Get(ctx, fmt.Sprintf("/cluster/nextid?vmid=%d", j.vmid), nil)
	switch {
	case err == nil:
		return errGone
	case pve.Occupied(err):
		return &applyers.HeldError{Reason: fmt.Sprintf("VMID %d is taken, and no guest is found on it: it is moving, or the token may not see it; planned again in the next turn", j.vmid)}
	}
	return err
}

// proven tells whether a guest bears the proof that it is the job's.
func (j *job) proven(g *found) bool {
	s := g.stamp
	return g.stamped && g.kind == j.kind && s.Version <= stamp.Version && s.Of(j.Fleet) &&
		(s.ID == j.ID || renames(j.Fleet)[s.ID] == j.ID) && s.Site == j.site.Name && s.VMID == g.vmid && g.vmid == j.vmid
}

// lockWait is how long a locked guest is waited for; lockPoll how often it is
// looked at meanwhile.
const (
	lockWait = 30 * time.Second
	lockPoll = 2 * time.Second
)

// mine reads the guest afresh, with its proof, and waits for its lock to go.
func (j *job) mine(ctx context.Context) (*found, error) {
	end := j.Now().Add(lockWait)
	for {
		g, err := j.look(ctx)
		switch {
		case errors.Is(err, errGone):
			return nil, &applyers.HeldError{Reason: fmt.Sprintf("%s %d is no longer there: planned again in the next turn", j.kind, j.vmid)}
		case err != nil:
			return nil, err
		case !j.proven(g):
			return nil, &applyers.HeldError{Reason: g.what() + " no longer bears the stamp that makes it " + string(j.ID) + ": planned again in the next turn"}
		case g.lock == "":
			g.identify(j.Fleet, renames(j.Fleet))
			return g, nil
		case j.Now().After(end):
			return nil, fmt.Errorf("%s is locked (%s): wait until that is over; if nothing runs that holds it, as root on %s: %s unlock %d",
				g.what(), g.lock, g.node, tool(g.kind), g.vmid)
		}
		if pve.Sleep(ctx, lockPoll) != nil {
			return nil, applyers.ErrLeft
		}
	}
}

// patient repeats a write that met a lock until it is free, for a while. The
// write must be one that did nothing when it was refused.
func (j *job) patient(ctx context.Context, write func() error) error {
	end := j.Now().Add(lockWait)
	for {
		err := write()
		if err == nil || !pve.Locked(err) || j.Now().After(end) {
			return err
		}
		if pve.Sleep(ctx, lockPoll) != nil {
			return applyers.ErrLeft
		}
	}
}

// path is the guest's path in the API.
func (j *job) path() string { return pve.GuestPath(j.kind, j.node, j.vmid) }

// guest is what the manifest asks for; nil for what is gone.
func (j *job) guest() *desired.Guest {
	if j.Want == nil {
		return nil
	}
	return guestOf(j.Want)
}

func (j *job) lines() *lines {
	return &lines{fleet: j.Fleet, site: j.site, want: j.Want, kind: j.kind, vmid: j.vmid, node: j.node, plugins: j.plugins, volumes: j.volumes}
}

// setConfig writes options and takes others away, resting on the digest that was
// read. A virtual machine's go by the asynchronous call, since they may take
// longer than an answer is waited for (FACTS 2).
func (j *job) setConfig(ctx context.Context, g *found, set pve.Params, remove []string) error {
	if len(set) == 0 && len(remove) == 0 {
		return nil
	}
	options := pve.Params{"digest": g.conf.Digest}
	maps.Copy(options, set)
	if len(remove) > 0 {
		slices.Sort(remove)
		options["delete"] = strings.Join(remove, ",")
	}
	if j.kind == desired.KindContainer {
		return j.Write(ctx, "PUT", j.path()+"/config", options, nil)
	}
	return j.Do(ctx, j.p, j.limit(anyTask), "POST", j.path()+"/config", options)
}
