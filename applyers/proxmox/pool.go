package proxmox

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"berth/applyers/proxmox/pve"
	"berth/desired"
	"berth/drift"
)

// poolPath is where a manifest names a guest's pool.
const poolPath desired.Path = "pool"

// pools finds out which of the wanted pools there are not, and why that keeps
// guests from them. Where no manifest names one, nothing is asked.
func (s *sweep) pools(ctx context.Context) {
	wanted := make(map[string]bool)
	for _, g := range s.wants.guests {
		if g.Pool != "" {
			wanted[g.Pool] = true
		}
	}
	if len(wanted) == 0 {
		return
	}
	s.noPool = make(map[string]string)
	var rows []struct{ Poolid string }
	err := s.Get(ctx, "/pools", &rows)
	for _, r := range rows {
		delete(wanted, r.Poolid)
	}
	if err != nil {
		return // Proxmox itself judges what can't be checked.
	}
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		// The list leaves out what the token may not see: the pool itself tells.
		if err := s.Get(ctx, "/pools/"+url.PathEscape(name), nil); pve.Says(err, "does not exist") {
			s.noPool[name] = fmt.Sprintf("site %s has no pool %q: as root on a node: pveum pool add %s", s.site.Name, name, quoted(name))
		}
	}
}

// joinPool puts the guest into the wanted pool, where a field asks for it. Being
// in it already is what was wanted.
func (j *job) joinPool(ctx context.Context, fields []drift.Field) error {
	if !slices.ContainsFunc(fields, func(f drift.Field) bool { return f.Path == poolPath }) {
		return nil
	}
	err := j.Write(ctx, http.MethodPut, "/pools", pve.Params{"poolid": j.guest().Pool, "vms": strconv.Itoa(j.vmid), "allow-move": "1"}, nil)
	if err != nil && !pve.Says(err, "already a pool member") {
		return fmt.Errorf("put %s into pool %s: %w", j.ID, j.guest().Pool, err)
	}
	return nil
}
