package trouble_test

import (
	"fmt"
	"testing"
	"time"

	"berth/agent/internal/trouble"
)

var began = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestToldWhenItBeginsEachHourAndWhenItIsOver(t *testing.T) {
	var o trouble.Ongoing
	if _, news := o.Over(); news || !o.Since().IsZero() {
		t.Error("what went well is not over")
	}
	var at []time.Duration
	for minute := range 150 {
		after := time.Duration(minute) * time.Minute
		// Each has a port of its own.
		if told, due := o.Due(began.Add(after), fmt.Sprintf("read tcp 10.0.0.1:%d: refused", 40_000+minute)); due {
			at = append(at, after)
			if !told.Since.Equal(began) || told.Times != minute+1 {
				t.Errorf("after %s: %+v", after, told)
			}
		}
	}
	if fmt.Sprint(at) != "[0s 1h0m0s 2h0m0s]" {
		t.Errorf("told after %v", at)
	}
	told, news := o.Over()
	if !news || told.Times != 150 || !told.Since.Equal(began) {
		t.Errorf("over: %+v, %t", told, news)
	}
	if _, news := o.Over(); news {
		t.Error("it is over once")
	}
	if _, due := o.Due(began.Add(3*time.Hour), "read tcp 10.0.0.1:1: refused"); !due {
		t.Error("it begins anew")
	}
}

func TestAnotherReasonIsToldButNotForEver(t *testing.T) {
	var o trouble.Ongoing
	lines := 0
	for second := range 3600 {
		reason := "refused"
		if second%2 == 1 {
			reason = "no route"
		}
		if _, due := o.Due(began.Add(time.Duration(second)*time.Second), reason); due {
			lines++
		}
		if second == 1 && lines != 2 {
			t.Errorf("another reason: %d lines", lines)
		}
	}
	if lines != 6 {
		t.Errorf("%d lines in an hour of two reasons by turns, want 6", lines)
	}
}

func TestClockSetBackSilencesNothing(t *testing.T) {
	var o trouble.Ongoing
	o.Due(began, "refused")
	if _, due := o.Due(began.Add(-24*time.Hour), "refused"); !due {
		t.Error("silent for a day and an hour")
	}
	if _, due := o.Due(began.Add(-24*time.Hour+time.Minute), "refused"); due {
		t.Error("told twice")
	}
}
