package turn

import (
	"errors"

	"berth/agent/internal/checkout"
	"berth/desired"
)

// RefusedError is that the newest commit can't be enforced, and that there is none
// before it that could be in its place.
type RefusedError struct {
	Commit checkout.Commit
	Err    error
}

// Error is that of what is wrong with it.
func (e *RefusedError) Error() string { return e.Err.Error() }

func (e *RefusedError) Unwrap() error { return e.Err }

// Reason is the first thing that is wrong with it.
func (e *RefusedError) Reason() string {
	var problems desired.Problems
	if errors.As(e.Err, &problems) && len(problems) > 0 {
		return problems[0].String()
	}
	return e.Err.Error()
}

// refusedFirst names the commit in an error of a turn that has no other.
func refusedFirst(tip checkout.Commit, err error) error {
	if rewritten, ok := errors.AsType[*checkout.RewrittenError](err); ok {
		tip = rewritten.Tip
	}
	if tip.Hash == "" {
		return err
	}
	return &RefusedError{Commit: tip, Err: err}
}
