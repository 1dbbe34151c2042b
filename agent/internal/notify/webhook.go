package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"berth/agent/internal/retryafter"
)

// The headers of a webhook. The signature is that of GitHub's webhooks: sha256= and
// the HMAC-SHA256, in hexadecimal, of the body as it was sent.
const (
	HeaderSignature = "X-Berth-Signature-256"
	HeaderEvent     = "X-Berth-Event"
	HeaderDelivery  = "X-Berth-Delivery"
)

// Webhook posts events as JSON, signed.
type Webhook struct {
	// URL may hold a secret, as in a path that nobody guesses: no log and no error has
	// more of it than its host.
	URL string
	// Key signs, read anew for each attempt.
	Key func() ([]byte, error)
	// Client is [http.DefaultClient] unless set. It follows no redirect in any case.
	Client *http.Client
}

// Name is the webhook's host.
func (w *Webhook) Name() string {
	u, err := url.Parse(w.URL)
	if err != nil {
		return "webhook"
	}
	return "webhook " + u.Host
}

// Send posts an event once.
func (w *Webhook) Send(ctx context.Context, e Event) error {
	body, err := json.Marshal(e)
	if err != nil {
		return &RefusedError{Reason: "write the event: " + err.Error()}
	}
	key, err := w.Key()
	if err != nil {
		return fmt.Errorf("read the key that signs: %w", err)
	}
	defer clear(key)
	if len(key) == 0 {
		return errors.New("read the key that signs: it is empty")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(body))
	if err != nil {
		return &RefusedError{Reason: "its URL is none"}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Berth")
	req.Header.Set(HeaderEvent, string(e.Kind))
	req.Header.Set(HeaderDelivery, e.ID)
	req.Header.Set(HeaderSignature, Sign(key, body))
	resp, err := w.client().Do(req)
	if err != nil {
		if bare, ok := errors.AsType[*url.Error](err); ok {
			err = bare.Err
		}
		return fmt.Errorf("post: %w", err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	return answered(resp, "")
}

// answered judges an answer: whether it takes the message, refuses it, or wants it again.
// words are what it says beside.
func answered(resp *http.Response, words string) error {
	code, text := resp.StatusCode, "it answers "+resp.Status
	if words != "" {
		text += ": " + words
	}
	switch {
	case code >= 200 && code < 300:
		return nil
	case code == http.StatusRequestTimeout, code == http.StatusTooManyRequests, code >= 500:
		err := errors.New(text)
		if wait := retryafter.Read(resp.Header, time.Now()); wait > 0 {
			return &LaterError{After: wait, Err: err}
		}
		return err
	case code >= 300 && code < 400:
		return &RefusedError{Reason: text + ", and redirects are not followed: write the URL that it leads to"}
	default:
		return &RefusedError{Reason: text}
	}
}

// Sign is the signature of a body.
func Sign(key, body []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

func (w *Webhook) client() *http.Client {
	client := *http.DefaultClient
	if w.Client != nil {
		client = *w.Client
	}
	// A redirect would send what is signed to whom nobody named.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client
}
