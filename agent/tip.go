package main

import (
	"context"
	"errors"

	"berth/agent/internal/checkout"
	"berth/agent/internal/trigger"
)

// tip is the newest commit, as polls see it. One that is refused for its history or its
// signature is a commit that was found: a turn tells of it once, and no poll has failed.
// A signature may be taken later, what was taken refused, and both for another reason: its
// mark tells them apart. Where nothing was accepted yet a turn has nothing to enforce
// instead, and there is no commit to try until one is signed.
func (s *service) tip(ctx context.Context) (string, error) {
	commit, err := s.repository.Fetch(ctx)
	if rewritten, ok := errors.AsType[*checkout.RewrittenError](err); ok {
		return rewritten.Tip.Hash, nil
	}
	if untrusted, ok := errors.AsType[*checkout.UntrustedError](err); ok {
		if _, has := s.repository.Accepted(); !has {
			return "", nil
		}
		return trigger.Untrusted(untrusted.Tip.Hash, untrusted.Why()), nil
	}
	return commit.Hash, err
}
