package turn

import (
	"context"
	"maps"
)

// spendOnto is [Turner.spend] for a proposal: once merged it comes right after what is
// enforced. The commits that it is made of are not read, however many somebody has made,
// and what the branch knows of its own approvals stays as it is.
func (t *Turner) spendOnto(ctx context.Context, src, onto *source) error {
	enforced := *onto
	if err := t.spend(ctx, &enforced); err != nil {
		return err
	}
	then := permits{commit: src.commit.Hash, of: make(map[permit]*uses)}
	for _, a := range src.fleet.Approvals {
		if !a.Counts(t.Now()) {
			continue
		}
		u := t.permits.of[permitOf(a)].clone()
		u.stood = maps.Clone(u.stood)
		u.see(a, src.fleet)
		then.of[permitOf(a)] = u
	}
	if len(then.of) > 0 {
		src.fleet = then.mark(src.fleet)
	}
	return nil
}
