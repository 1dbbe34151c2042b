package proxmox

import (
	"context"
	"crypto/sha256"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"berth/applyers/proxmox/pve"
	"berth/desired"
	"berth/drift"
)

// expiryEvery is how often a site is asked when its token expires: that changes only where
// somebody makes it so.
const expiryEvery = 24 * time.Hour

// tokenLife is what is known of when a token expires.
type tokenLife struct {
	// sum tells one token from another, asked is when the site was asked.
	sum   [sha256.Size]byte
	asked time.Time
	// at is zero for one that never does; unknown says why nobody knows.
	at      time.Time
	unknown string
}

// tellsExpiry are the rights by which Proxmox tells a token when it expires itself, either
// of them (GET /access/users/{userid}): that it is its own makes no difference.
func tellsExpiry() []pve.Right {
	return []pve.Right{{Path: "/access/groups", Privilege: "Sys.Audit"}, {Path: "/access/groups", Privilege: "User.Modify"}}
}

// outlook tells what of a site comes by itself, or is soon to be over.
func (s *sweep) outlook(ctx context.Context) {
	if s.only.IDs != nil {
		return
	}
	site := desired.MakeID(desired.KindSite, s.site.Name)
	life := s.tokenLife(ctx)
	s.out.Expiries = append(s.out.Expiries, drift.Expiry{Kind: drift.TokenExpiry, ID: site, What: s.TokenName(), At: life.at, Unknown: life.unknown})
	shown := s.Certificates()
	for _, endpoint := range slices.Sorted(maps.Keys(shown)) {
		s.out.Expiries = append(s.out.Expiries, drift.Expiry{Kind: drift.CertificateExpiry, ID: site, What: endpoint, At: shown[endpoint].UTC()})
	}
	if ahead, known := s.Clock(); known && s.apart() != "" {
		s.out.Clocks = append(s.out.Clocks, drift.Clock{Site: s.site.Name, Ahead: ahead})
	}
}

// tokenLife asks when the token expires, at the first look with it and once a day. What
// can't be known is asked for as seldom.
func (s *sweep) tokenLife(ctx context.Context) tokenLife {
	memory := s.applyer.opts.Memory.of(s.site.Name)
	now := s.Now()
	if last := memory.token; last.sum == s.tokenSum && now.Sub(last.asked) < expiryEvery && !now.Before(last.asked) {
		return last
	}
	life := tokenLife{sum: s.tokenSum, asked: now}
	if lacks := s.rights.Lacking(tellsExpiry()); len(lacks) == len(tellsExpiry()) {
		life.unknown = pve.Withheld(lacks[:1], pve.Granter{Rights: s.rights, Token: s.TokenName()})
	} else if at, err := s.readExpiry(ctx); err != nil {
		life.unknown = err.Error()
	} else {
		life.at = at
	}
	memory.token = life
	return life
}

// readExpiry reads when the token expires: it or its user, whichever comes first. The zero
// time is never.
func (s *sweep) readExpiry(ctx context.Context) (time.Time, error) {
	name, id, _ := strings.Cut(s.TokenName(), "!")
	var user struct {
		Expire pve.Scalar
		Tokens map[string]struct{ Expire pve.Scalar }
	}
	if err := s.Get(ctx, "/access/users/"+url.PathEscape(name), &user); err != nil {
		return time.Time{}, err
	}
	var first time.Time
	for _, seconds := range []int{user.Expire.Int(), user.Tokens[id].Expire.Int()} {
		if at := time.Unix(int64(seconds), 0).UTC(); seconds > 0 && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first, nil
}
