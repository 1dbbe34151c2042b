package quiet_test

import (
	"testing"
	"time"

	"berth/agent/internal/quiet"
)

func TestOneOfManyLinesIsWritten(t *testing.T) {
	var line quiet.Line
	now := time.Now()
	for i, want := range []bool{true, false, false} {
		if more, speak := line.Speak(now); speak != want || more != 0 {
			t.Errorf("line %d: %t, %d more", i, speak, more)
		}
	}
	if more, speak := line.Speak(now.Add(quiet.Every)); !speak || more != 2 {
		t.Errorf("after a while: %t, %d more, want 2", speak, more)
	}
	if more, speak := line.Speak(now.Add(3 * quiet.Every)); !speak || more != 0 {
		t.Errorf("after nothing was left out: %t, %d more", speak, more)
	}
}
