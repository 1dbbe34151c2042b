// Package webhook hears from forges that somebody has pushed, and has a turn made. What
// a delivery says is a hint and no more: a turn fetches by itself, and judges what it
// gets.
package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"berth/agent/internal/quiet"
)

// Handler takes deliveries. It answers as soon as it knows what to do, and never waits
// for a turn.
type Handler struct {
	// Secrets are those that forges may sign with, read anew at each delivery, so that a
	// new one is taken before the former goes. One that can't be read does not keep the
	// others from being used: the error says which, beside those that can.
	Secrets func() ([][]byte, error)
	// Follow is what is followed; deliveries of anything else start nothing.
	Follow Follow
	// Start makes a turn soon, and tells its id at once. See [trigger.Loop.Start].
	Start func(why string) (turn string)
	// Seen, if set, counts deliveries by what they are from and what became of them: both
	// are of the words of this package, whatever is sent.
	Seen func(forge string, result Result)
	Log  *slog.Logger

	refused, unreadable quiet.Line
	bodies              bodies
	memory              memory
}

// Result is what became of a delivery.
type Result string

// All results. Only the first starts a turn.
const (
	Started     Result = "started"
	Repeated    Result = "repeated"    // It was taken before.
	Ignored     Result = "ignored"     // It is about something that is not followed.
	Pinged      Result = "ping"        // The forge tries the address.
	Unsigned    Result = "unsigned"    // It shows neither a signature nor a token.
	Refused     Result = "refused"     // Its signature or token is wrong, or not taken.
	Oversized   Result = "oversized"   // Its body is larger than 1 MiB.
	Malformed   Result = "malformed"   // It is signed, and can't be understood.
	Unavailable Result = "unavailable" // No secret can be read, or too much is under way.
)

// status is what a result is answered with.
func (r Result) status() int {
	switch r {
	case Started, Ignored:
		return http.StatusAccepted
	case Repeated, Pinged:
		return http.StatusOK
	case Unsigned:
		return http.StatusUnauthorized
	case Refused:
		return http.StatusForbidden
	case Oversized:
		return http.StatusRequestEntityTooLarge
	case Malformed:
		return http.StatusBadRequest
	case Unavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// Answer is the body of every answer. One of its fields is set.
type Answer struct {
	// Turn is the id of the turn that is made for the delivery, and maybe for others.
	Turn string `json:"turn,omitempty"`
	// Ignored says why none is made.
	Ignored string `json:"ignored,omitempty"`
	// Error says why the delivery was not taken, and what to do.
	Error string `json:"error,omitempty"`
}

// MaxBody bounds a delivery, in bytes. Pushes of many commits are far below it.
const MaxBody = 1 << 20

// outcome is what is to be said of a delivery.
type outcome struct {
	result Result
	// text is why; of a turn that starts it is the id.
	text string
}

func say(result Result, format string, args ...any) outcome {
	return outcome{result, fmt.Sprintf(format, args...)}
}

// ServeHTTP takes a delivery.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		respond(w, http.StatusMethodNotAllowed, Answer{Error: "webhooks are taken by POST"})
		return
	}
	from := forgeOf(r.Header)
	out := h.take(w, r, from)
	h.tell(r, from, out)
	if h.Seen != nil {
		h.Seen(from.name, out.result)
	}
	var body Answer
	switch out.result {
	case Started:
		body.Turn = out.text
	case Ignored, Pinged, Repeated:
		body.Ignored = out.text
	case Unavailable:
		w.Header().Set("Retry-After", "30")
		fallthrough
	default:
		// What is left of a body is not read, and the connection closed.
		w.Header().Set("Connection", "close")
		body.Error = out.text
	}
	respond(w, out.result.status(), body)
}

func respond(w http.ResponseWriter, status int, body Answer) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // Whoever has gone needs no answer.
}

// take judges a delivery by what costs least first: nothing of a body is read for those
// who show no signature, and nothing of it is parsed before that is right.
func (h *Handler) take(w http.ResponseWriter, r *http.Request, from forge) outcome {
	proof, refusal := from.proof(r.Header, time.Now())
	if refusal != nil {
		return *refusal
	}
	secrets, err := h.secrets(r.Context())
	if err != nil {
		return say(Unavailable, "the agent can't read its own secrets; its log says why")
	}
	defer wipe(secrets)
	// A token says nothing of the body, so that it is judged before that is read.
	if proof.scheme == token && !proof.holds(secrets, nil) {
		return say(Refused, "%s is none of the agent's secrets (http.webhooks.secrets)", proof.header)
	}
	if r.ContentLength > MaxBody {
		return say(Oversized, "the body has more than %d bytes", MaxBody)
	}
	body, leave, full, err := h.bodies.read(w, r)
	defer leave()
	if full {
		return say(Unavailable, "too many large deliveries at once")
	}
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return say(Oversized, "the body has more than %d bytes", MaxBody)
	}
	if err != nil {
		return say(Malformed, "the body ends early, or comes too slowly")
	}
	if proof.scheme != token && !proof.holds(secrets, body) {
		return say(Refused, "%s is made with none of the agent's secrets (http.webhooks.secrets)%s", proof.header, from.formHint(r.Header))
	}
	return h.follow(r.Header, from, proof, body)
}

// follow does what a delivery asks for that is from whom it says.
func (h *Handler) follow(header http.Header, from forge, proof proof, body []byte) outcome {
	event := header.Get(from.eventHeader)
	if from.isPing(event) {
		return say(Pinged, "the agent hears %s", from.title)
	}
	if !from.isPush(event) {
		return say(Ignored, "only pushes start a turn, and this is %s", quoted(event))
	}
	text, err := from.payload(header, body)
	if err != nil {
		return say(Malformed, "%s", err)
	}
	pushed, err := from.read(text)
	if err != nil {
		return say(Malformed, "this is no push as %s sends it: %s", from.title, err)
	}
	if why := h.Follow.ignores(pushed); why != "" {
		return say(Ignored, "%s", why)
	}
	if h.memory.seen(time.Now(), proof, body) {
		return say(Repeated, "it was taken before")
	}
	return outcome{Started, h.Start("webhook from " + from.title)}
}

// errNoSecret is that there is nothing to judge a delivery by.
var errNoSecret = errors.New("no secret can be used")

// secrets are those that can be used now.
func (h *Handler) secrets(ctx context.Context) ([][]byte, error) {
	secrets, err := h.Secrets()
	usable := secrets[:0]
	for _, secret := range secrets {
		if wrong := CheckSecret(secret); wrong != nil {
			err = errors.Join(err, wrong)
			clear(secret)
			continue
		}
		usable = append(usable, secret)
	}
	if err != nil {
		if more, speak := h.unreadable.Speak(time.Now()); speak {
			h.Log.ErrorContext(ctx, "secret of webhooks can't be used", slog.Any("error", err), slog.Int("usable", len(usable)), slog.Int("more", more))
		}
	}
	if len(usable) == 0 {
		return nil, errNoSecret
	}
	return usable, nil
}

// minSecret is how long a secret is at least: what is shorter can be guessed.
const minSecret = 16

// CheckSecret tells why a secret must not be used.
func CheckSecret(secret []byte) error {
	if len(secret) < minSecret {
		return fmt.Errorf("a secret of http.webhooks.secrets has %d bytes, and with fewer than %d it can be guessed: `openssl rand -hex 32` makes one", len(secret), minSecret)
	}
	return nil
}

func wipe(secrets [][]byte) {
	for _, secret := range secrets {
		clear(secret)
	}
}

// tell logs what became of a delivery. What strangers send is told once in a while
// only, lest they fill the disk.
func (h *Handler) tell(r *http.Request, from forge, out outcome) {
	ctx, who := r.Context(), []slog.Attr{slog.String("forge", from.name), slog.String("from", r.RemoteAddr)}
	switch out.result {
	case Started:
		h.Log.LogAttrs(ctx, slog.LevelInfo, "webhook taken", append(who, slog.String("turn", out.text))...)
	case Ignored, Pinged, Repeated:
		h.Log.LogAttrs(ctx, slog.LevelDebug, "webhook ignored", append(who, slog.String("why", out.text))...)
	default:
		if more, speak := h.refused.Speak(time.Now()); speak {
			h.Log.LogAttrs(ctx, slog.LevelWarn, "webhook refused",
				append(who, slog.Int("status", out.result.status()), slog.String("why", out.text), slog.Int("more", more))...)
		}
	}
}
