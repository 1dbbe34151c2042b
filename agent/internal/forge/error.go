package forge

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"berth/agent/internal/retryafter"
)

// Error is that a forge did not do what it was asked for.
type Error struct {
	Forge, Method, Path string
	// Status is what it answered; 0 where it did not.
	Status int
	// Message is what it said, Remedy what to do. Neither holds the token.
	Message, Remedy string
	// RetryAfter is for how long it wants to be left alone; 0 where it does not say.
	RetryAfter time.Duration

	away, limited bool
}

// Error says who, what and what to do.
func (e *Error) Error() string {
	s := e.Forge + ": " + e.Method + " " + e.Path + ":"
	if e.Status != 0 {
		s += " " + strings.TrimSpace(strconv.Itoa(e.Status)+" "+http.StatusText(e.Status))
		if e.Message != "" {
			s += ":"
		}
	}
	if e.Message != "" {
		s += " " + e.Message
	}
	if e.Remedy != "" {
		s += ": " + e.Remedy
	}
	return s
}

// again tells whether to send the same once more at once can help, and does no harm: a
// comment that may have been made is not made twice.
func (e *Error) again(method string) bool {
	if e.limited {
		return true
	}
	if method == http.MethodPost && !strings.Contains(e.Path, "/status") && !strings.Contains(e.Path, "build-status") {
		return e.Status == http.StatusServiceUnavailable
	}
	return e.away || e.Status >= 500 || e.Status == http.StatusRequestTimeout
}

func (a *api) unreachable(method, path string, err error, token []byte) error {
	if bare, ok := errors.AsType[*url.Error](err); ok {
		err = bare.Err
	}
	e := &Error{Forge: a.name, Method: method, Path: path, Message: plain(err.Error(), token), Remedy: "check forge.url, the network and the forge", away: true}
	var unknownCA x509.UnknownAuthorityError
	switch {
	case errors.As(err, &unknownCA) && !a.own:
		e.Remedy = "if the forge has a certificate of your own CA, name that CA's file as forge.ca (or repository.ca)"
	case errors.Is(err, context.DeadlineExceeded):
		e.Message = "no answer within " + a.timeout.String()
	}
	return e
}

// refused explains an answer that is no success.
func (a *api) refused(method, path string, got *answer, token []byte) error {
	e := &Error{Forge: a.name, Method: method, Path: path, Status: got.status, Message: plain(said(got.body), token), RetryAfter: retryAfter(got.header)}
	switch {
	case got.status == http.StatusUnauthorized:
		e.Remedy = fmt.Sprintf("the token (%s) is wrong, or has expired: make another with %s, and write it there", a.tokenName, scopes(a.kind))
	case got.status == http.StatusTooManyRequests, got.status == http.StatusForbidden && (got.header.Get("X-Ratelimit-Remaining") == "0" || got.header.Get("Retry-After") != ""):
		e.limited = true
		e.Remedy = "it is asked again later"
	case got.status == http.StatusForbidden:
		e.Remedy = fmt.Sprintf("the token (%s) may not do this: it needs %s", a.tokenName, scopes(a.kind))
	case got.status == http.StatusNotFound:
		e.Remedy = fmt.Sprintf("check forge.repository and forge.url; forges answer the same where the token (%s) may not see a repository: it needs %s", a.tokenName, scopes(a.kind))
	case got.status >= 300 && got.status < 400:
		e.Remedy = "redirects are not followed, since they may lead elsewhere: write in repository.url (or forge.url and forge.repository) where it is now"
		if to, err := url.Parse(got.header.Get("Location")); err == nil && to.Host != "" {
			e.Message = plain("it says to ask "+to.Host, token)
		}
	}
	return e
}

// scopes are what a token must be allowed to do.
func scopes(kind Kind) string {
	switch kind {
	case GitHub:
		return "read and write of commit statuses and pull requests (fine-grained), or the scope repo"
	case GitLab:
		return "the scope api and the role Developer"
	case Gitea, Forgejo:
		return "the scopes write:repository and write:issue"
	case Bitbucket:
		return "the scopes repository:write and pullrequest:write"
	default:
		return "the permission to write to the repository"
	}
}

// retryAfter is how long a forge wants to be left alone.
func retryAfter(h http.Header) time.Duration {
	if wait := retryafter.Read(h, time.Now()); wait > 0 {
		return wait
	}
	if reset, err := strconv.ParseInt(h.Get("X-Ratelimit-Reset"), 10, 64); err == nil && h.Get("X-Ratelimit-Remaining") == "0" {
		return min(max(time.Until(time.Unix(reset, 0)), 0), retryafter.Longest)
	}
	return 0
}

// said is what the body of an error says: forges put it into one of a few fields.
func said(body []byte) string {
	var fields struct {
		Message          any `json:"message"`
		Error            any `json:"error"`
		ErrorDescription any `json:"error_description"`
		Errors           []struct {
			Message string `json:"message"`
		} `json:"errors"`
	}
	if json.Unmarshal(body, &fields) != nil {
		return ""
	}
	for _, one := range []any{fields.ErrorDescription, fields.Message, fields.Error} {
		switch v := one.(type) {
		case string:
			if v != "" {
				return v
			}
		case map[string]any:
			if s, ok := v["message"].(string); ok {
				return s
			}
			if raw, err := json.Marshal(v); err == nil {
				return string(raw)
			}
		}
	}
	if len(fields.Errors) > 0 {
		return fields.Errors[0].Message
	}
	return ""
}

// plain makes foreign text fit for a line, and takes the token out.
func plain(s string, token []byte) string {
	if len(token) > 3 {
		s = strings.ReplaceAll(s, string(token), "[token]")
	}
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return ' '
		}
		return r
	}, s)
	return clip(s, 300)
}
