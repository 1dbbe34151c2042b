package proxmox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"berth/applyers"
	"berth/applyers/proxmox/notation"
	"berth/applyers/proxmox/pve"
	"berth/applyers/proxmox/stamp"
	"berth/desired"
	"berth/drift"
)

// stampPath is the stamp as a field of a plan, which no manifest writes.
const stampPath desired.Path = "stamp"

// adopts tells whether a manifest takes over what stands on its VMID. A stamp is
// never overwritten: what bears one belongs to somebody.
func (s *sweep) adopts(want *desired.Resource, g *found) bool {
	return !g.stamped && guestOf(want).Adopt != desired.Adopt{}
}

// mismatch says why a guest is not the one that a manifest means by adopt; "" if
// it is.
func (s *sweep) mismatch(want *desired.Resource, g *found) (reason, remedy string) {
	if listed(s.site, g.vmid) {
		return "the site lists this VMID as foreign, and " + string(want.ID) + " is to adopt it", fmt.Sprintf("take %d out of the site's foreign", g.vmid)
	}
	if reason, remedy = unadoptable(want.ID, g); reason != "" {
		return reason, remedy
	}
	return mistaken(guestOf(want).Adopt, g)
}

// listed tells whether the site lists a VMID as foreign.
func listed(site *desired.Site, vmid int) bool {
	return slices.ContainsFunc(site.Foreign, func(r desired.IDRange) bool { return r.Contains(vmid) })
}

// unadoptable says why nothing can make a guest the resource of an id.
func unadoptable(id desired.ID, g *found) (reason, remedy string) {
	switch {
	case g.kind != machineKind(id):
		return fmt.Sprintf("it is a %s, and %s can't be one", g.kind, id), "give " + string(id) + " another id"
	case g.template:
		return "it is a template, which can't be " + string(id), "make a clone of it, and adopt that"
	case g.lock != "":
		return "it is locked (" + g.lock + ")", "wait until that is over"
	}
	return "", ""
}

// mistaken says how a guest differs from what adopt names.
func mistaken(adopt desired.Adopt, g *found) (reason, remedy string) {
	uuid := notation.Lookup("", g.conf.Values["smbios1"], "uuid")
	var macs []string
	for _, slot := range nicSlots(g.conf) {
		p := notation.Parse("", g.conf.Values[slot])
		mac := p.Value("hwaddr")
		if g.kind == desired.KindVM {
			_, mac = nicModel(p)
		}
		macs = append(macs, strings.ToLower(mac))
	}
	switch {
	case adopt.UUID != "" && g.kind == desired.KindContainer:
		return "a container has no uuid", "write adopt: {mac: …}, with one of " + strings.Join(macs, ", ")
	case adopt.UUID != "" && !strings.EqualFold(adopt.UUID, uuid):
		return fmt.Sprintf("adopt names uuid %s, and it has %s", adopt.UUID, shown(uuid)), "make sure that it is the right one before you write its uuid"
	case adopt.MAC != "" && !slices.Contains(macs, strings.ToLower(adopt.MAC)):
		return fmt.Sprintf("adopt names MAC %s, and it has %s", adopt.MAC, shown(strings.Join(macs, ", "))), "make sure that it is the right one before you write its MAC"
	}
	return "", ""
}

// adoption takes a foreign guest over: stamp and tag, and nothing else. What
// differs otherwise is planned when it is ours.
func (p *planner) adoption() drift.Change {
	fleet := p.world.Fleet.Spec
	c := p.change(drift.Adopt, "it is the guest that the manifest names", []drift.Field{
		{Path: stampPath, After: drift.Value{Text: fmt.Sprintf("%s/%s %s#%d", fleet.Name, p.id, p.handle.site, p.handle.vmid)}, Effect: desired.Online, Source: p.want.Source},
	})
	if p.handle.untagged {
		c.Fields = append(c.Fields, drift.Field{Path: "tags", After: drift.Value{Text: stamp.FleetTag(fleet.Name)}, Effect: desired.Online, Source: p.want.Source})
	}
	var differ []string
	for _, f := range p.fields {
		differ = append(differ, string(f.Path))
	}
	if len(differ) > 0 {
		c.Reason += "; after that these differ: " + strings.Join(differ, ", ")
	}
	return c
}

// renaming writes the stamp anew of what bears another name in Git now.
func (p *planner) renaming() drift.Change {
	is := p.world.Fleet.Spec.Name + "/" + string(p.id)
	return p.change(drift.Adopt, "renamed in Git", []drift.Field{{
		Path: stampPath, Before: drift.Value{Text: p.handle.renamed}, After: drift.Value{Text: is}, Effect: desired.Online, Source: p.want.Source,
	}})
}

// adopt makes a guest ours, or writes anew how it is ours.
func (j *job) adopt(ctx context.Context) error {
	h, ok := j.Have.Handle.(*handle)
	if ok && !h.adopting {
		g, err := j.mine(ctx)
		if err != nil || g.renamed == "" {
			return err
		}
		return j.writeStamp(ctx, g, g.stamp)
	}
	g, err := j.look(ctx)
	switch {
	case errors.Is(err, errGone):
		return &applyers.HeldError{Reason: fmt.Sprintf("%s %d is no longer there", j.kind, j.vmid)}
	case err != nil:
		return err
	case j.proven(g):
		return nil
	}
	reason := "somebody has stamped it meanwhile: it belongs to fleet " + g.stamp.Fleet
	if !g.stamped {
		if reason, _ = unadoptable(j.ID, g); reason == "" {
			reason, _ = mistaken(j.guest().Adopt, g)
		}
	}
	if reason != "" {
		return &applyers.HeldError{Reason: g.what() + ": " + reason}
	}
	s, err := j.newStamp()
	if err != nil {
		return err
	}
	return j.writeStamp(ctx, g, s)
}

// newStamp is the stamp of what becomes ours now.
func (j *job) newStamp() (stamp.Stamp, error) {
	instance, err := newInstance()
	return stamp.Stamp{
		Fleet: j.Fleet.Spec.Name, UID: j.Fleet.Spec.UID, ID: j.ID, Site: j.site.Name, VMID: j.vmid, Instance: instance,
		Remove: removal(j.guest()), Disks: stamp.DiskNames(j.Want),
	}, err
}

// writeStamp writes stamp and tag, and leaves all else as it is.
func (j *job) writeStamp(ctx context.Context, g *found, s stamp.Stamp) error {
	own := strings.ToLower(stamp.FleetTag(j.Fleet.Spec.Name))
	tags := []string{own}
	for _, tag := range g.tags {
		if former := j.Fleet.Spec.RenamedFrom; !strings.EqualFold(tag, own) && (former == "" || !strings.EqualFold(tag, stamp.FleetTag(former))) {
			// A datacenter may tell Prod from prod.
			tags = append(tags, tag)
		}
	}
	slices.Sort(tags)
	set := pve.Params{"description": stamp.Join(g.words, s), "tags": strings.Join(slices.Compact(tags), ";")}
	write, remove := compact(set, g.conf.Values)
	if err := j.setConfig(ctx, g, write, remove); err != nil {
		return fmt.Errorf("stamp %s as %s: %w", g.what(), j.ID, err)
	}
	return nil
}
