package main

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"
)

func TestSomethingIsSaidOfWhatTakesLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for wait, want := range map[time.Duration]string{silence - time.Second: "", time.Minute: "still at it\n"} {
			var w bytes.Buffer
			done := sayLater(&w, "still at it")
			<-time.After(wait)
			done()
			if w.String() != want {
				t.Errorf("after %s: %q, want %q", wait, &w, want)
			}
		}
		var w bytes.Buffer
		done := stillAt(streams{Err: &w}, "still at it")
		<-time.After(time.Minute)
		if done(); w.Len() > 0 {
			t.Errorf("said to what is no terminal: %q", &w)
		}
	})
}
