package checkout

import (
	"errors"
	"fmt"
)

// ErrUntrusted: see UntrustedError.
var ErrUntrusted = errors.New("a commit is not signed by whom it must be")

// UntrustedError says that a commit which must be signed is not, or by nobody who may. The
// branch is not followed to it; the accepted commit stays.
type UntrustedError struct {
	Source ID
	// Tip is the newest commit, Commit the first of its history that is not trusted.
	Tip, Commit Commit
	// Key is the fingerprint of the key that Commit says it is signed by or, where tags
	// count, else the first tag on it; "" if none does.
	Key string
	// Detail says what is wrong, Remedy what to do.
	Detail, Remedy string
}

func (e *UntrustedError) Error() string {
	msg := fmt.Sprintf("fetch %s branch %s: %s %q by %s: %s", e.Source.URL, e.Source.Branch, e.Commit.Short(), e.Commit.Subject, e.Commit.Author, e.Detail)
	if e.Remedy != "" {
		msg += "; " + e.Remedy
	}
	return msg
}

// Why says it for those who know the newest commit already.
func (e *UntrustedError) Why() string {
	msg := fmt.Sprintf("%s (author: %s)", e.Detail, e.Commit.Author)
	if e.Commit.Hash != e.Tip.Hash {
		msg = fmt.Sprintf("it brings %s %q, and of that: %s", e.Commit.Short(), e.Commit.Subject, msg)
	}
	if e.Remedy != "" {
		msg += "; " + e.Remedy
	}
	return msg
}

// Unwrap lets errors.Is find ErrUntrusted.
func (e *UntrustedError) Unwrap() error { return ErrUntrusted }
