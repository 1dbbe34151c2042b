package pve

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/cenkalti/backoff/v5"
)

const (
	tries = 4
	// patience is how long one read is tried again: a site that is down must not
	// hold the others up.
	patience = 15 * time.Second
)

// again repeats a read that failed, while time is left. Nearly none does: what it takes
// to wait is made here alone.
func (w *wire) again(req *http.Request, body []byte, err error, left time.Duration) (*http.Response, error) {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 200*time.Millisecond, 2*time.Second
	failed := err // That of the first try counts as one.
	return backoff.Retry(req.Context(), func() (*http.Response, error) {
		if err := failed; err != nil {
			failed = nil
			return nil, err
		}
		res, err := w.once(req, body)
		if err != nil && !passing(err) {
			return nil, backoff.Permanent(err)
		}
		return res, err
	}, backoff.WithBackOff(pause), backoff.WithMaxTries(tries), backoff.WithMaxElapsedTime(max(left, 1)))
}

// passing tells whether a read is worth another try.
func passing(err error) bool {
	if errors.Is(err, context.Canceled) || Distrusted(err) {
		return false
	}
	switch code := Status(err); code {
	case 502, 503, 595:
		return true
	default:
		return code < 300
	}
}
