package checkout

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// longestWait is how long a server is left alone at most, whatever it asks for: one that
// says a year is wrong.
const longestWait = time.Hour

// busy notes that a server has no time, and how long it asks to be left alone.
func (e *FetchError) busy(answer *http.Response, now time.Time) {
	code := answer.StatusCode
	if code != http.StatusTooManyRequests && code < http.StatusInternalServerError {
		return
	}
	e.Overloaded = true
	e.Wait = retryAfter(answer.Header.Get("Retry-After"), now)
	if code == http.StatusTooManyRequests {
		e.Remedy = "it gets too many requests: set a longer poll, or see who else asks it with the same token"
	}
	if e.Wait > 0 {
		e.Detail += ", and asks to be left alone for " + e.Wait.String()
	}
}

// retryAfter reads how long a server asks to wait: seconds, or a date. Zero is that it does
// not say.
func retryAfter(text string, now time.Time) time.Duration {
	text = strings.TrimSpace(text)
	var wait time.Duration
	if seconds, err := strconv.ParseUint(text, 10, 32); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		wait = at.Sub(now).Round(time.Second)
	}
	return min(max(wait, 0), longestWait)
}
