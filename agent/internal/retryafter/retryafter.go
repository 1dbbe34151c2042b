// Package retryafter reads for how long a server asks to be left alone, and leaves it
// alone.
package retryafter

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Longest bounds what a server may ask for: one that says a year is wrong.
const Longest = 24 * time.Hour

// Read reads a Retry-After header (RFC 9110, 10.2.3): seconds, which some write with a
// fraction, or a date. Zero is that it does not say, or says nothing that makes sense; it
// is never below zero nor above [Longest].
func Read(h http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseFloat(text, 64); err == nil {
		if !(seconds > 0) { // Not a number is none.
			return 0
		}
		return time.Duration(min(seconds, Longest.Seconds()) * float64(time.Second))
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), Longest)
}

// Wait lets d go by; it fails where ctx ends first.
func Wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
