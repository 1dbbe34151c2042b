package checkout

import (
	"net/http"
	"time"

	"berth/agent/internal/retryafter"
)

// longestWait is how long a server is left alone at most, whatever it asks for: a fleet must
// not go without its newest commit for longer.
const longestWait = time.Hour

// busy notes that a server has no time, and how long it asks to be left alone.
func (e *FetchError) busy(answer *http.Response, now time.Time) {
	code := answer.StatusCode
	if code != http.StatusTooManyRequests && code < http.StatusInternalServerError {
		return
	}
	e.Overloaded = true
	e.Wait = min(retryafter.Read(answer.Header, now).Round(time.Second), longestWait)
	if code == http.StatusTooManyRequests {
		e.Remedy = "it gets too many requests: set a longer poll, or see who else asks it with the same token"
	}
	if e.Wait > 0 {
		e.Detail += ", and asks to be left alone for " + e.Wait.String()
	}
}
