package desired

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// Secret is a secret's value, which nothing prints: fmt with any verb, JSON, YAML,
// slog and errors show [Hidden] in its place, wherever it stands. Only
// [Secret.Reveal] gives it. The zero Secret is empty.
type Secret struct {
	// A function, since fmt reads the fields of what lies in another's unexported
	// fields, without asking for its methods.
	reveal func() []byte
}

// Hidden is what is shown of each secret.
const Hidden = "(secret)"

// MakeSecret makes a secret of a value, which it copies.
func MakeSecret(value []byte) Secret {
	kept := append([]byte(nil), value...)
	return Secret{reveal: func() []byte { return kept }}
}

// Reveal is the value, which nobody may change.
func (s Secret) Reveal() []byte {
	if s.reveal == nil {
		return nil
	}
	return s.reveal()
}

// Empty tells whether there is no value.
func (s Secret) Empty() bool { return len(s.Reveal()) == 0 }

// String is [Hidden].
func (s Secret) String() string { return Hidden }

// GoString is [Hidden].
func (s Secret) GoString() string { return Hidden }

// Format writes [Hidden] for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Hidden) }

// MarshalText is [Hidden].
func (s Secret) MarshalText() ([]byte, error) { return []byte(Hidden), nil }

// MarshalJSON is [Hidden].
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + Hidden + `"`), nil }

// MarshalYAML is [Hidden].
func (s Secret) MarshalYAML() (any, error) { return Hidden, nil }

// LogValue is [Hidden].
func (s Secret) LogValue() slog.Value { return slog.StringValue(Hidden) }

// LockedError is that a secret can't be read before somebody has unlocked the agent.
// What needs it waits, and goes on by itself then.
type LockedError struct {
	// Secret is the one that was asked for, as in "apps"; "" where it is not one alone.
	Secret string
}

// WaitingForUnlock is how the reason of all begins that waits for an unlock.
const WaitingForUnlock = "waiting for unlock"

// Error says what to do.
func (e *LockedError) Error() string {
	if e.Secret == "" {
		return WaitingForUnlock + ": run `agent unlock` on the agent's host"
	}
	return fmt.Sprintf(WaitingForUnlock+": secret %q is locked: run `agent unlock` on the agent's host", e.Secret)
}

// WaitsForUnlock tells whether a [LockedError] stands behind a reason that was put in
// words, as those of a plan are.
func WaitsForUnlock(reason string) bool { return strings.Contains(reason, WaitingForUnlock+": ") }
