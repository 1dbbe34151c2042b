package proxmox

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"

	"berth/applyers"
	"berth/applyers/proxmox/pve"
	"berth/desired"
	"berth/drift"
)

// Observe reads all sites at once. A site that can't be read makes only itself
// unknown.
func (a *Applyer) Observe(ctx context.Context, fleet *desired.Fleet, only applyers.Scope) (drift.Observed, error) {
	names := slices.Sorted(maps.Keys(fleet.Sites))
	parts := make([]drift.Observed, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		if !a.concerns(fleet, name, only) {
			continue
		}
		wg.Go(func() { parts[i] = a.observeSite(ctx, fleet, fleet.Sites[name], only) })
	}
	wg.Wait()
	if ctx.Err() != nil {
		return drift.Observed{}, ctx.Err()
	}
	var all drift.Observed
	for _, part := range parts {
		all.Add(part)
	}
	oneProofEach(&all)
	a.settleClaims(fleet, &all)
	a.remember(all.Lives)
	slices.SortStableFunc(all.Lives, func(x, y drift.Live) int { return strings.Compare(string(x.ID), string(y.ID)) })
	slices.SortStableFunc(all.Blind, func(x, y drift.Blind) int {
		return cmp.Or(strings.Compare(x.Site, y.Site), strings.Compare(string(x.ID), string(y.ID)))
	})
	slices.SortStableFunc(all.Foreign, func(x, y drift.Foreign) int {
		return cmp.Or(strings.Compare(x.Site, y.Site), strings.Compare(x.What, y.What), strings.Compare(string(x.ID), string(y.ID)))
	})
	return all, nil
}

// concerns tells whether a site has to be read for a scope.
func (a *Applyer) concerns(fleet *desired.Fleet, site string, only applyers.Scope) bool {
	if only.IDs == nil {
		return true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.ContainsFunc(only.IDs, func(id desired.ID) bool {
		r := fleet.Resource(id)
		return r != nil && r.Site == site || a.seen[id].site == site
	})
}

func (a *Applyer) remember(lives []drift.Live) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, live := range lives {
		if h, ok := live.Handle.(*handle); ok {
			a.seen[live.ID] = place{site: h.site, vmid: h.vmid}
		}
	}
}

// oneProofEach takes out what bears the proof of one resource twice, on two
// sites: neither is touched.
func oneProofEach(all *drift.Observed) {
	times := make(map[desired.ID]int, len(all.Lives))
	for i := range all.Lives {
		times[all.Lives[i].ID]++
	}
	bearers := make(map[desired.ID][]drift.Live)
	for _, live := range all.Lives {
		if times[live.ID] > 1 {
			bearers[live.ID] = append(bearers[live.ID], live)
		}
	}
	for id, lives := range bearers {
		all.Lives = slices.DeleteFunc(all.Lives, func(l drift.Live) bool { return l.ID == id })
		for _, live := range lives {
			what := fmt.Sprintf("%s on site %s", id, live.Site)
			if h, ok := live.Handle.(*handle); ok {
				what = fmt.Sprintf("%s %d on site %s", h.kind, h.vmid, live.Site)
			}
			all.Foreign = append(all.Foreign, twice(id, live.Site, what))
		}
	}
}

// sweep is one look at one site.
type sweep struct {
	*cluster
	applyer *Applyer
	fleet   *desired.Fleet
	only    applyers.Scope
	inv     inventory
	wants   *wants
	log     changelog
	// volumes are the disks of our data VMs, as references say them, by volume.
	volumes map[string]string
	out     drift.Observed
	// dark are resources that are reported as unknown already.
	dark map[desired.ID]bool
	// noPool says of wanted pools why nothing can be put into them.
	noPool map[string]string
	// read are the guests whose configurations were read.
	read []*found
	// unreadRows are how many guests that lists show could not be read, hidden how many
	// VMIDs are taken by guests that lists leave out.
	unreadRows, hidden int
	// unplaced is a guest with our tag that could not be read, and that is none of
	// the manifests' by VMID or name; nil if there is none.
	unplaced *row
	// absent are those that are wanted and not there.
	absent []*desired.Resource
	// looked takes what polls shall compare with; nil in a narrow look.
	looked *looked
}

func (a *Applyer) observeSite(ctx context.Context, fleet *desired.Fleet, site *desired.Site, only applyers.Scope) drift.Observed {
	blind := func(reason, remedy string) drift.Observed {
		return drift.Observed{Blind: []drift.Blind{{Site: site.Name, Reason: reason, Remedy: remedy}}}
	}
	var kept *looked
	if only.IDs == nil {
		kept = a.looking(fleet, site.Name)
	}
	c, err := a.begin(ctx, site)
	if err != nil {
		return blind(err.Error(), pve.TokenRemedy(err))
	}
	s := &sweep{cluster: c, applyer: a, fleet: fleet, only: only, dark: make(map[desired.ID]bool), looked: kept}
	s.wants = newWants(fleet, site.Name, s.looks)
	// The first request goes alone: each that is refused costs three seconds.
	var version struct{ Version string }
	if err := s.Get(ctx, "/version", &version); err != nil {
		return blind(s.whyBlind(err))
	}
	for range site.Endpoints {
		s.inv = inventory{}
		if err := s.readCluster(ctx); err != nil {
			return blind(s.whyBlind(err))
		}
		if s.inv.quorate {
			break
		}
		// This endpoint may be on the smaller side of a torn cluster.
		s.Next()
	}
	if !s.inv.quorate {
		return blind("the cluster has no quorum", "see pvecm status on a node that runs")
	}
	s.othersAtWork(ctx)
	s.readLists(ctx, &s.inv)
	s.pools(ctx)
	s.guests(ctx)
	s.images(ctx)
	s.readOnly(version.Version)
	s.premises(ctx)
	s.outlook(ctx)
	if err := s.Refused(); err != nil {
		// All that was asked from then on went unheard, whatever it was about.
		return blind(s.whyBlind(err))
	}
	s.keep()
	return s.out
}

// readCluster reads what is said of the cluster as a whole.
func (s *sweep) readCluster(ctx context.Context) error {
	var rows []*resourceRow
	var errs [2]error
	var may pve.Rights
	var wg sync.WaitGroup
	wg.Go(func() { rows, errs[0] = s.readResources(ctx) })
	wg.Go(func() { errs[1] = s.readNodes(ctx, &s.inv) })
	wg.Go(func() { may = s.readRights(ctx) })
	wg.Go(func() {
		if s.log = s.readChangelog(ctx); s.log.err != nil {
			s.applyer.opts.Log.DebugContext(ctx, "the cluster log can't be read", slog.String("site", s.site.Name), slog.Any("error", s.log.err))
		}
	})
	wg.Wait()
	if may != nil {
		s.rights = may
	}
	s.inv.fill(rows)
	s.looked.glanceOver(rows)
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// readRights reads what the token may do, once for each look at a whole site.
func (s *sweep) readRights(ctx context.Context) pve.Rights {
	if s.only.IDs != nil {
		return nil
	}
	all, err := s.ReadRights(ctx)
	if err != nil {
		s.applyer.opts.Log.DebugContext(ctx, "the token's rights can't be read", slog.String("site", s.site.Name), slog.Any("error", err))
		return nil
	}
	return all
}

// looks tells whether a resource is in the scope of this look.
func (s *sweep) looks(id desired.ID) bool {
	return s.only.IDs == nil || slices.Contains(s.only.IDs, id)
}

// unknown reports one resource as unread.
func (s *sweep) unknown(id desired.ID, reason, remedy string) {
	if s.dark[id] {
		return
	}
	s.dark[id] = true
	if strings.HasPrefix(remedy, "pveum ") {
		remedy = "as root on a node: " + remedy
	}
	s.out.Blind = append(s.out.Blind, drift.Blind{ID: id, Site: s.site.Name, Reason: reason, Remedy: remedy})
}

func (s *sweep) foreign(id desired.ID, what, reason, remedy string) {
	s.out.Foreign = append(s.out.Foreign, drift.Foreign{ID: id, Site: s.site.Name, What: what, Reason: reason, Remedy: remedy})
}

func (s *sweep) note(id desired.ID, path desired.Path, text string) {
	s.out.Notes = append(s.out.Notes, drift.Note{ID: id, Path: path, Text: text})
}

// readOnly holds every step on a Proxmox whose major version is unknown: it is
// read and never written.
func (s *sweep) readOnly(version string) {
	major, _, _ := strings.Cut(version, ".")
	if major == "8" || major == "9" {
		return
	}
	ids := make(map[desired.ID]bool)
	for _, r := range s.wants.of(desired.KindVM, desired.KindContainer, desired.KindData, desired.KindImage) {
		ids[r.ID] = true
	}
	for _, live := range s.out.Lives {
		ids[live.ID] = true
	}
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		s.foreign(id, "site "+s.site.Name, "it runs Proxmox VE "+version+", which this version of Berth reads and never writes", "upgrade Berth")
	}
}
