package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"berth/agent/internal/lock"
	"berth/agent/internal/turn"
)

// Unlocked is the answer to an unlock.
type Unlocked struct {
	// Already tells that the agent was unlocked before.
	Already bool `json:"already,omitempty"`
	// Waiting is what waited for it, and goes on now.
	Waiting []turn.Waiting `json:"waiting,omitempty"`
	// Turn is the id of the turn that was started for them.
	Turn string `json:"turn,omitempty"`
}

// Locked is the answer to a lock.
type Locked struct {
	// Already tells that there was nothing to lock.
	Already bool `json:"already,omitempty"`
	// Busy tells that a turn is under way, which ends with the secrets that it has.
	Busy bool `json:"busy,omitempty"`
}

// refusal is the answer to an unlock or a lock that went wrong.
type refusal struct {
	Error string `json:"error"`
	// Wrong tells that it was the passphrase, and Delay how long no other is tried.
	Wrong bool          `json:"wrong,omitempty"`
	Delay time.Duration `json:"delayNanoseconds,omitempty"`
}

var errLong = fmt.Errorf("a passphrase has fewer than %d bytes", lock.MaxPassphrase+1)

// unlockFor bounds an unlock, the delay after wrong ones included.
const unlockFor = 5 * time.Minute

func (a API) handleLock(mux *routes) {
	refuse := func(w http.ResponseWriter, r *http.Request, err error) {
		out, status := refusal{Error: err.Error()}, http.StatusConflict
		if wrong, ok := errors.AsType[*lock.WrongPassphraseError](err); ok {
			out.Wrong, out.Delay, status = true, wrong.Delay, http.StatusForbidden
		}
		answer(w, r, a.Log, status, out)
	}
	mux.HandleFunc("POST /v1/unlock", func(w http.ResponseWriter, r *http.Request) {
		passphrase, err := readPassphrase(http.MaxBytesReader(w, r.Body, lock.MaxPassphrase+1))
		defer clear(passphrase)
		if err != nil {
			answer(w, r, a.Log, http.StatusBadRequest, refusal{Error: err.Error()})
			return
		}
		ctx, stop := context.WithTimeout(r.Context(), unlockFor)
		defer stop()
		out, err := a.Unlock(ctx, passphrase)
		if err != nil {
			refuse(w, r, err)
			return
		}
		answer(w, r, a.Log, http.StatusOK, out)
	})
	mux.HandleFunc("POST /v1/lock", func(w http.ResponseWriter, r *http.Request) {
		out, err := a.Lock(r.Context())
		if err != nil {
			refuse(w, r, err)
			return
		}
		answer(w, r, a.Log, http.StatusOK, out)
	})
}

// readPassphrase reads into memory of its own, which grows nowhere, so that it can be
// wiped as a whole.
func readPassphrase(body io.Reader) ([]byte, error) {
	buffer := make([]byte, lock.MaxPassphrase+1)
	n, err := io.ReadFull(body, buffer)
	switch {
	case errors.Is(err, io.EOF):
		return buffer, errors.New("there is no passphrase")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return buffer[:n], nil
	case err == nil:
		return buffer, errLong
	}
	return buffer, errors.New("the passphrase did not arrive whole")
}

// Unlock hands the passphrase, which it wipes, to the agent. It fails with
// [ErrNoAgent] where none runs.
func (c *Client) Unlock(ctx context.Context, passphrase []byte) (Unlocked, error) {
	defer clear(passphrase)
	var out Unlocked
	if len(passphrase) > lock.MaxPassphrase {
		return out, errLong
	}
	err := c.tell(ctx, "/v1/unlock", bytes.NewReader(passphrase), &out)
	return out, err
}

// Lock has the agent forget its identity. It fails with [ErrNoAgent] where none runs.
func (c *Client) Lock(ctx context.Context) (Locked, error) {
	var out Locked
	err := c.tell(ctx, "/v1/lock", http.NoBody, &out)
	return out, err
}

func (c *Client) tell(ctx context.Context, path string, body io.Reader, out any) error {
	status, text, err := c.do(ctx, http.MethodPost, path, body)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		var no refusal
		if json.Unmarshal(text, &no) != nil || no.Error == "" {
			return strange(status, text)
		}
		return errors.New(no.Error)
	}
	if json.Unmarshal(text, out) != nil {
		return strange(status, text)
	}
	return nil
}

// strange is an answer that this version's agent would not give.
func strange(status int, text []byte) error {
	if status == http.StatusNotFound {
		return errors.New("ask the agent: it does not know this request: restart it, so that it is of this version")
	}
	return fmt.Errorf("ask the agent: it answers %d: %.200s", status, text)
}
