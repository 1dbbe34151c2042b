package checkout

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	// maxPack bounds one answer of the server: a fleet's whole history is far below it.
	maxPack = 1 << 30
	// maxErrorBody bounds the text that comes with a refusal.
	maxErrorBody = 4 << 10
)

// patient ends a request when the server has been silent for too long, and bounds its answers.
type patient struct {
	base    http.RoundTripper
	silence time.Duration
}

// silentError is that the server said nothing for this long.
type silentError time.Duration

func (e silentError) Error() string {
	return fmt.Sprintf("no answer for %s", time.Duration(e))
}

// RoundTrip implements http.RoundTripper.
func (p *patient) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	timer := time.AfterFunc(p.silence, func() { cancel(silentError(p.silence)) })
	res, err := p.base.RoundTrip(req.WithContext(ctx))
	if err != nil {
		timer.Stop()
		err = cause(ctx, err)
		cancel(nil)
		return nil, err
	}
	timer.Reset(p.silence)
	limit := int64(maxPack)
	if res.StatusCode >= http.StatusBadRequest {
		limit = maxErrorBody
	}
	res.Body = &patientBody{body: res.Body, left: limit, whole: res.StatusCode < http.StatusBadRequest, ctx: ctx, cancel: cancel, timer: timer, silence: p.silence}
	return res, nil
}

// cause prefers the reason why the context ended to the bare fact that it did.
func cause(ctx context.Context, err error) error {
	if silent, ok := errors.AsType[silentError](context.Cause(ctx)); ok {
		return silent
	}
	return err
}

type patientBody struct {
	body    io.ReadCloser
	left    int64
	whole   bool            // An answer cut at the limit is an error, not an end.
	ctx     context.Context //nolint:containedctx // It is this one request's, and ends with the body.
	cancel  context.CancelCauseFunc
	timer   *time.Timer
	silence time.Duration
}

func (b *patientBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		if b.whole {
			return 0, fmt.Errorf("the answer exceeds %d bytes", int64(maxPack))
		}
		return 0, io.EOF
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.body.Read(p)
	b.left -= int64(n)
	if n > 0 {
		b.timer.Reset(b.silence)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = cause(b.ctx, err)
	}
	return n, err
}

// Close ends the request.
func (b *patientBody) Close() error {
	b.timer.Stop()
	err := b.body.Close()
	b.cancel(nil)
	return err
}
