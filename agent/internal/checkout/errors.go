package checkout

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
)

// What a fetch can fail with; errors.Is tells them apart.
var (
	// ErrUnreachable: no usable answer from the server. It may pass by itself.
	ErrUnreachable = errors.New("cannot reach the repository")
	// ErrHostKey: the SSH server's host key is unknown, another than before, or of no use.
	ErrHostKey = errors.New("cannot trust the server")
	// ErrAuth: the server refuses the token or key, or asks for one.
	ErrAuth = errors.New("access denied")
	// ErrNotFound: there is no such repository, or the token or key may not see it.
	ErrNotFound = errors.New("no such repository")
	// ErrBranch: the repository has no such branch.
	ErrBranch = errors.New("no such branch")
	// ErrEmpty: the repository has no commit at all.
	ErrEmpty = errors.New("the repository is empty")
	// ErrRewritten: see RewrittenError.
	ErrRewritten = errors.New("the branch's history was rewritten")
	// ErrSourceChanged: see SourceChangedError.
	ErrSourceChanged = errors.New("the source has changed")
)

// FetchError says which source a fetch failed for, why, and what to do. It
// never holds a credential, not even one that the server sent back.
type FetchError struct {
	Source ID
	Kind   error  // One of the errors above.
	Detail string // What the server or the network said; may be empty.
	Remedy string
	// Overloaded is that the server is there and has no time, Wait how long it asks to be
	// left alone; zero if it does not say.
	Overloaded bool
	Wait       time.Duration
}

// Busy tells whether to leave the server alone for a while, and for how long at least.
func (e *FetchError) Busy() (wait time.Duration, busy bool) { return e.Wait, e.Overloaded }

func (e *FetchError) Error() string {
	msg := fmt.Sprintf("fetch %s branch %s: %v", e.Source.URL, e.Source.Branch, e.Kind)
	if e.Detail != "" {
		msg += ": " + e.Detail
	}
	if e.Remedy != "" {
		msg += "; " + e.Remedy
	}
	return msg
}

// Unwrap yields the kind alone: the cause may hold a credential.
func (e *FetchError) Unwrap() error { return e.Kind }

// RewrittenError says that the branch no longer contains the commit that was
// accepted last: it was amended, rebased, or put back to an older commit.
type RewrittenError struct {
	Source   ID
	Accepted Commit
	Tip      Commit
}

func (e *RewrittenError) Error() string {
	return fmt.Sprintf("fetch %s branch %s: %v: %s %q is not based on the accepted %s %q; restore the accepted commit in the branch, or set repository.allowRewrite: true",
		e.Source.URL, e.Source.Branch, ErrRewritten, e.Tip.Short(), e.Tip.Subject, e.Accepted.Short(), e.Accepted.Subject)
}

// Unwrap lets errors.Is find ErrRewritten.
func (e *RewrittenError) Unwrap() error { return ErrRewritten }

// SourceChangedError says that the settings name another source than the
// accepted commit came from, and nobody has confirmed it yet.
type SourceChangedError struct {
	Accepted, Configured ID
}

func (e *SourceChangedError) Error() string {
	return fmt.Sprintf("%v from %s to %s; to follow it, stop the agent if one runs, look with `agent drift --accept-source`, and take it with `agent sync --once --accept-source`; or correct the settings",
		ErrSourceChanged, e.Accepted, e.Configured)
}

// Unwrap lets errors.Is find ErrSourceChanged.
func (e *SourceChangedError) Unwrap() error { return ErrSourceChanged }

// maxForeign bounds text from outside that is shown to people, in runes.
const maxForeign = 200

// printable makes text from outside fit to be shown: one line, no control characters, not long.
func printable(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > maxForeign {
		text = string(runes[:maxForeign]) + "…"
	}
	return text
}
