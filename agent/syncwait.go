package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"berth/agent/internal/config"
)

// waitFlag is how long agent sync waits: as long as it takes, which is zero, or no longer
// than this.
type waitFlag time.Duration

// waitWhole is what --wait alone says.
const waitWhole = "true"

// Set reads the flag.
func (f *waitFlag) Set(text string) error {
	if text == waitWhole {
		*f = 0
		return nil
	}
	var length config.Interval
	if err := length.UnmarshalText([]byte(text)); err != nil {
		return err
	}
	*f = waitFlag(length)
	return nil
}

// String is the flag as it was written.
func (f *waitFlag) String() string {
	if *f == 0 {
		return ""
	}
	return time.Duration(*f).String()
}

// Type is what --help calls it.
func (*waitFlag) Type() string { return "duration" }

// checkWait refuses flags that say two things.
func (o *syncOptions) checkWait() error {
	switch {
	case o.noWait && o.wait != 0:
		return usageError{errors.New("--wait says how long to wait, and --no-wait not to: leave one out"), "agent sync"}
	case o.once && (o.noWait || o.wait != 0):
		return usageError{errors.New("--once makes the turn in this command, which ends with it: leave --wait and --no-wait out"), "agent sync"}
	}
	return nil
}

// goesOn says which turn is made without anybody who waits for it. A report that did not
// come in the time that was given is an error: nobody knows yet.
func (o *syncOptions) goesOn(s streams, id string) error {
	if o.format == "json" {
		if err := json.NewEncoder(s.Out).Encode(map[string]string{"turn": id}); err != nil {
			return fmt.Errorf("write the turn: %w", err)
		}
	} else {
		fmt.Fprintf(s.Out, "turn %s\n", id)
	}
	if o.noWait {
		return nil
	}
	return fmt.Errorf("the turn is not over after %s: it goes on, and agent status tells of it", time.Duration(o.wait))
}

// interrupted says what comes of a turn that nobody waits for any more.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return errors.New("interrupted: a turn that has begun goes on, and agent status tells of it; one that has not is not made")
}
