package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"berth/drift/report"
)

// errNoted is what a service hears of a request that came to no good end: why is noted
// where it was made. What services make of errors holds URLs, and with them tokens.
var errNoted = errors.New("the request came to no good end")

// asking makes the requests of one attempt of a service, within the attempt's time and
// by one set of rules for all services: no redirect is followed, no answer is too long,
// and what went wrong is told without the URL.
type asking struct {
	do     func(*http.Request) (*http.Response, error)
	secret secrets
	// err is the first that went wrong; answer is the last that was well, told as one
	// that the service could not use, as it is told only then.
	err    error
	answer string
}

// newAsking makes what a service asks by until ctx is done.
func newAsking(ctx context.Context, client *http.Client, hidden secrets) *asking {
	copied := *client
	copied.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &asking{
		do:     func(req *http.Request) (*http.Response, error) { return copied.Do(req.WithContext(ctx)) }, //nolint:gosec // The URL is the operator's own.
		secret: hidden,
	}
}

// longestAnswer is how much of an answer is read.
const longestAnswer = 64 << 10

// Do makes one request.
func (a *asking) Do(req *http.Request) (*http.Response, error) {
	resp, err := a.do(req)
	if err != nil {
		if bare, ok := errors.AsType[*url.Error](err); ok {
			err = bare.Err
		}
		a.note(fmt.Errorf("ask it: %s", a.secret.hide(err.Error())))
		return nil, errNoted
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, longestAnswer))
	if err != nil {
		a.note(fmt.Errorf("read its answer: %s", a.secret.hide(err.Error())))
		return nil, errNoted
	}
	says, structured := answerOf(body)
	says = a.secret.hide(says)
	if err := answered(resp, says); err != nil {
		a.note(err)
		return nil, errNoted
	}
	a.answer = "it answers " + resp.Status
	// What is well may hold a token, as the answer to a login does.
	if structured {
		a.answer += ": " + says
	} else {
		a.answer += ", but with " + a.secret.hide(formOf(resp.Header, body)) + " in place of what the service answers: see that its URL leads to the service itself"
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

func (a *asking) note(err error) {
	if a.err == nil {
		a.err = err
	}
}

// answerOf is what an answer says in a line; structured tells that it names it a mistake.
func answerOf(body []byte) (says string, structured bool) {
	var object map[string]any
	if json.Unmarshal(body, &object) == nil {
		for _, key := range []string{"errorDescription", "error_description", "description", "error", "message", "msg"} {
			if text, is := object[key].(string); is && text != "" {
				return bounded(report.Neutral(text), 200), true
			}
		}
	}
	return bounded(report.Neutral(strings.TrimSpace(string(body))), 200), false
}

// formOf says of what form an answer is, and nothing that stands in it.
func formOf(header http.Header, body []byte) string {
	kind, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	switch body = bytes.TrimSpace(body); {
	case len(body) == 0:
		return "nothing"
	case json.Valid(body) && body[0] == '{':
		return "other fields"
	case json.Valid(body):
		return "JSON of another form"
	case err != nil:
		return "text of another form"
	}
	return "other text (" + bounded(report.Neutral(kind), 40) + ")"
}
