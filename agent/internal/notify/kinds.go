package notify

import "slices"

// Kind is what an event is about.
type Kind string

// The kinds of events. All but ChangeApplied, Recovery, Heartbeat and Test are about
// something that lasts: it is told when it begins, again as long as it holds, and as a
// Recovery when it is over.
const (
	// DriftFound is that something was changed behind Git's back, and stays so for now:
	// it is held, or the agent is paused.
	DriftFound Kind = "drift-found"
	// ChangeApplied is what a turn did.
	ChangeApplied Kind = "change-applied"
	// Failure is that something was tried and did not work.
	Failure Kind = "failure"
	// Recovery is that something of which people were told is over.
	Recovery Kind = "recovery"
	// HeldForApproval is that something must not be done before somebody decides.
	HeldForApproval Kind = "held-for-approval"
	// WaitingForUnlock is that something is due and needs a secret that nobody can read
	// before somebody has unlocked the agent.
	WaitingForUnlock Kind = "waiting-for-unlock"
	// CommitRefused is that a newer commit is not enforced.
	CommitRefused Kind = "commit-refused"
	// RepositoryUnreachable is that nobody knows whether there is a newer commit.
	RepositoryUnreachable Kind = "repository-unreachable"
	// SiteUnknown is that something could not be looked at, which is not to say that
	// nothing is wrong there.
	SiteUnknown Kind = "site-unknown"
	// PausedReminder is that the agent has been paused for long.
	PausedReminder Kind = "paused-reminder"
	// Heartbeat is that the agent is alive.
	Heartbeat Kind = "heartbeat"
	// Expiry is that a token or a certificate is about to end.
	Expiry Kind = "expiry"
	// TurnFailed is that a turn as a whole went wrong, or could not be made.
	TurnFailed Kind = "turn-failed"
	// Test is what somebody has sent to see whether it comes. It can't be asked for.
	Test Kind = "test"
)

// Level is how much an event matters.
type Level string

// The levels.
const (
	Info    Level = "info"
	Warning Level = "warning"
	Error   Level = "error"
)

// kinds are those that can be asked for, the gravest first: messages tell of them in
// this order.
var kinds = [...]struct {
	kind  Kind
	level Level
	// sign stands before a title: what could not be looked at must not look like what is
	// well.
	sign string
}{
	{TurnFailed, Error, "🔴"},
	{Failure, Error, "🔴"},
	{SiteUnknown, Error, "🟣"},
	{RepositoryUnreachable, Error, "🟣"},
	{CommitRefused, Warning, "🟠"},
	{WaitingForUnlock, Warning, "🟡"},
	{HeldForApproval, Warning, "🟡"},
	{DriftFound, Warning, "🟡"},
	{Expiry, Warning, "🟡"},
	{PausedReminder, Warning, "🟡"},
	{Recovery, Info, "🟢"},
	{ChangeApplied, Info, "🔵"},
	{Heartbeat, Info, "🟢"},
	{Test, Info, "🔵"},
}

// Kinds are the words that settings may ask for, sorted.
func Kinds() []string {
	var words []string
	for _, k := range kinds {
		if k.kind != Test {
			words = append(words, string(k.kind))
		}
	}
	slices.Sort(words)
	return words
}

// rank is a kind's place among the kinds.
func (k Kind) rank() int {
	for i := range kinds {
		if kinds[i].kind == k {
			return i
		}
	}
	return len(kinds) - 1
}

// level is how much a kind matters.
func (k Kind) level() Level { return kinds[k.rank()].level }

func (k Kind) sign() string { return kinds[k.rank()].sign }

// atLeast tells whether a level is no less than another; "" is the least.
func (l Level) atLeast(other Level) bool {
	weight := func(l Level) int { return slices.Index([]Level{Info, Warning, Error}, l) }
	return weight(l) >= weight(other)
}
