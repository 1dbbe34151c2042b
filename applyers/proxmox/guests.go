package proxmox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"berth/applyers/proxmox/notation"
	"berth/applyers/proxmox/pve"
	"berth/applyers/proxmox/stamp"
	"berth/desired"
	"berth/drift"
)

// found is a guest whose configuration has been read.
type found struct {
	row
	conf *pve.Config
	// words is the description without the stamp.
	words   string
	stamp   stamp.Stamp
	stamped bool
	// adopting is set where a manifest takes a guest over that bears no stamp;
	// renamed is how the stamp still names one of ours, where that has changed.
	adopting bool
	renamed  string
	// print is the configuration's fingerprint, for the polls after a whole look.
	print uint64
}

// handle is what the applyer keeps of a live guest for its steps.
type handle struct {
	kind, site, node string
	vmid             int
	running          bool
	// making is set while a creation has not come to its end.
	making bool
	// starting is set while it has not been ready since it was made or restored.
	starting bool
	// remove is what the stamp asks for instead of the archive: destroy or release.
	remove string
	// adopting is set for a guest that bears no stamp and that the manifest takes
	// over; renamed is how the stamp of a guest of ours still names it.
	adopting bool
	renamed  string
	// volumes are the disks of other machines that it has attached, by slot.
	volumes map[string]heldVolume
	// names are those that a data VM's stamp has for its disks, by slot.
	names map[string]string
	// loose are the volumes that it owns and has in no slot: "unused0 (local:101/…)".
	loose []string
	// boots is the slot of the disk that it boots from; "" where nothing tells.
	boots string
	// order is the startup order that Proxmox has for it, used or not.
	order string
	// untagged tells that the fleet's tag is missing.
	untagged bool
	// pending are the manifest's paths that wait for a reboot.
	pending []desired.Path
	// until is when an archived guest's time is up, over whether it is; clock
	// says why that can't be judged.
	until time.Time
	over  bool
	clock string
	// apart says that the clocks are too far apart for it to be deleted at all; "" if
	// they are not.
	apart string
	// obstacles say why paths can't be changed as the manifest asks.
	obstacles map[desired.Path]string
	// native tells that it has Proxmox's own cloud-init drive.
	native bool
	// claims are the addresses that the guest says it has; nil where it was not asked.
	claims []string
	// former is the seed that is to be cleared away; seedHeld says why the one that
	// is there can't be replaced.
	former, seedHeld string
}

// guests finds and reads the guests that are ours or in the way of ours.
func (s *sweep) guests(ctx context.Context) {
	s.read = s.readCandidates(ctx, s.candidates())
	mine := s.sort(ctx, s.read)
	s.volumes = volumesIn(mine, s.wants)
	s.lives(ctx, mine)
	for _, r := range s.wants.of(desired.KindVM, desired.KindContainer, desired.KindData) {
		if len(mine[r.ID]) == 0 {
			s.missing(ctx, r)
			if !s.dark[r.ID] {
				s.absent = append(s.absent, r)
			}
		}
	}
	s.vanished(ctx, mine)
	ours := 0
	for _, list := range mine {
		if !list[0].adopting {
			ours += len(list)
		}
	}
	if s.only.IDs == nil {
		s.out.Counts = map[string]drift.Count{s.site.Name: {Ours: ours, Others: len(s.inv.rows) - ours - s.unreadRows, Unread: s.unreadRows + s.hidden}}
	}
}

// candidates are the rows worth reading: with the fleet's tag, or with a VMID or
// a name that a manifest wants.
func (s *sweep) candidates() []*row {
	vmids := make(map[int]bool)
	s.applyer.mu.Lock()
	for _, id := range s.only.IDs {
		if at := s.applyer.seen[id]; at.site == s.site.Name {
			vmids[at.vmid] = true
		}
	}
	s.applyer.mu.Unlock()
	for _, id := range s.only.IDs {
		// Whose a guest's volumes are, the data VMs' configurations tell.
		for _, data := range referredTo(s.fleet.Resource(id)) {
			if g := s.fleet.Machine(data); g != nil {
				vmids[s.applyer.vmidOf(s.site.Name, data, g.VMID)] = true
			}
		}
	}
	var rows []*row
	for _, vmid := range slices.Sorted(maps.Keys(s.inv.rows)) {
		r := s.inv.rows[vmid]
		tagged := s.only.IDs == nil && tagged(s.fleet, r.tags)
		if tagged || vmids[vmid] || s.wants.byVMID[vmid] != nil || r.name != "" && s.wants.byName[r.name] != nil {
			rows = append(rows, r)
		}
	}
	return rows
}

// readCandidates reads each candidate's configuration, one request each.
func (s *sweep) readCandidates(ctx context.Context, rows []*row) []*found {
	read := make([]*found, len(rows))
	errs := make([]error, len(rows))
	each(len(rows), func(i int) {
		r := rows[i]
		if why := s.inv.unreachable(r.node); why != "" {
			errs[i] = errors.New(why)
			return
		}
		conf, err := s.ReadConfig(ctx, r.kind, r.node, r.vmid)
		if err != nil {
			errs[i] = err
			return
		}
		read[i] = newFound(*r, conf)
		if s.looked != nil {
			read[i].print = fingerprint(s.looked.seed, conf)
		}
	})
	for i, err := range errs {
		if err != nil {
			s.unread(rows[i], err)
		}
	}
	return slices.DeleteFunc(read, func(g *found) bool { return g == nil })
}

func newFound(r row, conf *pve.Config) *found {
	g := &found{row: r, conf: conf}
	g.words, g.stamp, g.stamped = stamp.Split(conf.Values["description"])
	g.tags = stamp.ParseTags(conf.Values["tags"])
	g.template = notation.Flag(conf.Values["template"], false)
	g.lock = cmp.Or(conf.Values["lock"], r.lock)
	if name := conf.Values["name"] + conf.Values["hostname"]; name != "" {
		g.name = name
	}
	return g
}

// unread reports a guest that is there and could not be read: whatever it may be
// to us is unknown.
func (s *sweep) unread(r *row, err error) {
	s.unreadRows++
	reason := fmt.Sprintf("%s can't be read: %v", r.what(), err)
	if pve.Absent(err) {
		reason = r.what() + " is moving or going away"
	}
	remedy := s.unreadRemedy(r.node, err)
	told := false
	for _, want := range []*desired.Resource{s.wants.byVMID[r.vmid], s.wants.byName[r.name]} {
		if want != nil {
			s.unknown(want.ID, reason, remedy)
			told = true
		}
	}
	if !told {
		s.note("", "", reason)
		if tagged(s.fleet, r.tags) {
			s.unplaced = r
		}
	}
}

// mayBeUnread tells whether a resource that was not found may be a guest of ours
// that could not be read: its stamp alone says which one it is, where neither VMID
// nor name need be the manifest's.
func (s *sweep) mayBeUnread(r *desired.Resource) bool {
	g := guestOf(r)
	return s.unplaced != nil && g != nil && (!r.Set.Has("id") || g.RenamedFrom != "")
}

// missing says what it means that a wanted guest was not found. Lists leave out
// what the token may not see, and the token's own permissions leave out the
// paths on which it has none: only the id itself tells that it is free. Asking
// it needs no right (FACTS 3).
func (s *sweep) missing(ctx context.Context, r *desired.Resource) {
	guest := s.wants.guests[r.ID]
	if s.dark[r.ID] || s.inv.rows[guest.VMID] != nil {
		return
	}
	if s.mayBeUnread(r) {
		s.unknown(r.ID, fmt.Sprintf("%s is ours and can't be read: it may be %s", s.unplaced.what(), r.ID), "")
		return
	}
	if why := s.inv.unreachable(guest.Node); why != "" {
		s.unknown(r.ID, why, s.unreadRemedy(guest.Node, nil))
		return
	}
	path := fmt.Sprintf("/vms/%d", guest.VMID)
	err := s.Get(ctx, fmt.Sprintf("/cluster/nextid?vmid=%d", guest.VMID), nil)
	switch {
	case err == nil:
	case pve.Occupied(err):
		s.hidden++
		s.unknown(r.ID, fmt.Sprintf("VMID %d is taken, by a guest that the token may not see", guest.VMID), s.grant(path, "VM.Audit"))
	default:
		s.unknown(r.ID, fmt.Sprintf("whether VMID %d is taken can't be told: %v", guest.VMID, err), s.grant(path, "VM.Audit"))
	}
}

// lives puts the guests of ours in the manifest's words.
func (s *sweep) lives(ctx context.Context, mine map[desired.ID][]*found) {
	ids := slices.Sorted(maps.Keys(mine))
	lives := make([]*drift.Live, len(ids))
	var compare drift.Comparer
	for i, id := range ids {
		if len(mine[id]) != 1 || s.dark[id] || !s.looks(id) {
			continue
		}
		g := mine[id][0]
		want := s.wants.byID[id]
		if want != nil && want.Site != s.site.Name {
			s.foreign(id, g.what(), "it is "+string(id)+" of this fleet, and the manifest puts that on site "+want.Site,
				"move the guest, or put the manifest's site back")
		}
		lives[i] = s.live(g, want)
		if id != s.only.Whole && agrees(&compare, g, want, lives[i]) {
			lives[i].Spec = want.Spec
		}
		g.shed()
	}
	each(len(ids), func(i int) {
		if lives[i] != nil {
			s.facts(ctx, mine[ids[i]][0], s.wants.byID[ids[i]], lives[i])
		}
	})
	s.out.Lives = slices.Grow(s.out.Lives, len(lives))
	for _, live := range lives {
		if live != nil {
			s.out.Lives = append(s.out.Lives, *live)
			s.remarks(live)
		}
	}
}

// agrees tells whether a guest is in all as its manifest says. A data VM's disks are
// of concern to others: what it has is kept.
func agrees(c *drift.Comparer, g *found, want *desired.Resource, live *drift.Live) bool {
	return want != nil && want.ID.Guest() && !live.Archived && !g.adopting && !g.stamp.Making && c.Agrees(want, live)
}

// shed lets go of a configuration that has been put in words, but for what tells how
// the guest is reached: its interfaces, their addresses, its agent and Proxmox's own
// cloud-init drive. Of thousands of guests, both at once are too much.
func (g *found) shed() {
	left := &pve.Config{Values: make(map[string]string), Digest: g.conf.Digest}
	reaches := func(key, value string) bool {
		return key == "agent" || nicSlot(key) || strings.HasPrefix(key, "ipconfig") || driveSlot(g.kind, key) && nativeDrive(value)
	}
	for key, value := range g.conf.Values {
		if reaches(key, value) {
			left.Values[key] = value
		}
	}
	for key, value := range g.conf.Now {
		if reaches(key, value) {
			left.Wait(key, value)
		}
	}
	g.conf = left
}

func (s *sweep) live(g *found, want *desired.Resource) *drift.Live {
	w := &wording{fleet: s.fleet, site: s.site, want: want, volumes: s.volumes}
	h := &handle{
		kind: g.kind, site: s.site.Name, node: g.node, vmid: g.vmid, running: g.running, making: g.stamp.Making, starting: g.stamp.Starting, remove: g.stamp.Remove,
		untagged: !stamp.HasTag(g.tags, stamp.FleetTag(s.fleet.Spec.Name)), adopting: g.adopting, renamed: g.renamed,
	}
	h.native, h.order = native(g), g.conf.Values["startup"]
	s.obstaclesTo(want, h)
	live := &drift.Live{
		ID: g.stamp.ID, Site: s.site.Name, Spec: w.spec(g), Archived: !g.stamp.Archived.IsZero(),
		Running: g.running && g.stamp.Archived.IsZero(), Protected: notation.Flag(g.conf.Values["protection"], false), Facts: make(map[string]string), Handle: h,
	}
	for _, nic := range guestIn(live.Spec).Networks {
		if nic.MAC != "" {
			live.MACs = append(live.MACs, nic.MAC)
		}
	}
	if !live.Archived {
		if !g.adopting {
			// It gets its instance with its stamp.
			live.Facts[desired.FactInstance] = g.stamp.InstanceID()
		}
		if uuid := notation.Lookup("", g.conf.Values["smbios1"], "uuid"); uuid != "" && g.kind == desired.KindVM {
			live.Facts[desired.FactUUID] = uuid
		}
	}
	if live.Archived {
		h.until, h.over, h.clock = s.archiveEnd(g.stamp.Archived, s.fleet.Spec.ArchiveFor)
	}
	h.apart = s.apart()
	h.volumes, h.boots = w.held(g), bootDisk(g)
	h.loose, h.names = s.unused(g, live), g.stamp.Disks
	s.waiting(w, g, live, h)
	s.reseeded(g, want, live, h)
	s.grown(want, live)
	s.changers(g, live)
	return live
}

// changers tells of a guest's options who set them last.
func (s *sweep) changers(g *found, live *drift.Live) {
	walk := false
	by := func(path desired.Path, who string) {
		if live.By == nil {
			live.By = make(map[desired.Path]string)
		}
		live.By[path] = who
	}
	for option, who := range s.log.by[g.vmid] {
		switch option {
		case "description", "tags":
			// They are all that Berth itself changes when it makes guests its own, which
			// may be many, and they are called the same in a manifest.
			by(desired.Path(option), who)
		default:
			walk = true
		}
	}
	if !walk {
		return
	}
	desired.LeavesWhere(g.kind, live.Spec, func(path desired.Path, _ bool) bool {
		if who := s.log.who(g.vmid, optionOf(g.kind, path)); who != "" {
			by(path, who)
		}
		return false
	})
}

// waiting notes what waits for a reboot, in the manifest's words.
func (s *sweep) waiting(w *wording, g *found, live *drift.Live, h *handle) {
	if len(g.conf.Now) == 0 {
		return
	}
	running := *g
	running.conf = &pve.Config{Values: maps.Clone(g.conf.Values)}
	for key, value := range g.conf.Now {
		running.conf.Values[key] = value
		if value == "" {
			delete(running.conf.Values, key)
		}
	}
	was := make(map[desired.Path]string)
	for _, leaf := range desired.Leaves(g.kind, w.spec(&running)) {
		was[leaf.Path] = desired.Text(leaf.Value)
	}
	said, own := make(map[string]bool), make(map[string]bool)
	leaves := desired.Leaves(g.kind, live.Spec)
	tell := func(managed bool) {
		for _, leaf := range leaves {
			before, there := was[leaf.Path]
			after := desired.Text(leaf.Value)
			option := optionOf(g.kind, leaf.Path)
			if _, waits := g.conf.Now[option]; !waits || there && before == after || managed != (w.want != nil && w.want.Has(leaf.Path)) || own[option] && !managed {
				continue
			}
			said[option] = true
			if managed {
				own[option] = true
				h.pending = append(h.pending, leaf.Path)
			}
			s.waits(live.ID, leaf.Path, string(leaf.Path), before, after)
		}
	}
	// What the manifest asks for is told by its own names; the rest of an option
	// that it stands in follows from it.
	tell(true)
	tell(false)
	for _, key := range g.conf.Pending() {
		if !said[key] && !alike(g.kind, key, g.conf.Now[key], g.conf.Values[key]) {
			s.waits(live.ID, "", key, g.conf.Now[key], g.conf.Values[key])
		}
	}
}

// waits notes one value that waits for a reboot, where none is going to be made.
func (s *sweep) waits(id desired.ID, path desired.Path, what, before, after string) {
	s.out.Notes = append(s.out.Notes, drift.Note{
		ID: id, Path: path, Unless: drift.Reboot, Text: fmt.Sprintf("%s %s → %s waits for a reboot", what, shown(before), shown(after)),
	})
}

func shown(text string) string {
	if text == "" {
		return "unset"
	}
	return text
}

// remarks tells what is worth knowing about a guest and asks for nothing.
func (s *sweep) remarks(live *drift.Live) {
	h, ok := live.Handle.(*handle)
	if ok && live.Archived && s.wants.byID[live.ID] == nil {
		s.out.Archives = append(s.out.Archives, drift.Archived{ID: live.ID, Site: s.site.Name, Until: h.until.UTC(), Reason: h.clock})
	}
	if !ok || !live.Archived || h.over || s.wants.byID[live.ID] != nil {
		return
	}
	text := "archived until " + h.until.UTC().Format(time.DateTime) + " UTC; bring the manifest back to restore it"
	if h.clock != "" {
		text = "archived; " + h.clock
	}
	s.note(live.ID, "", text)
}
