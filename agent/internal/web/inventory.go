package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"syscall"
	"time"

	"berth/agent/internal/turn"
	"berth/applyers/ansible/inventory"
)

// Inventory is the fleet as Ansible sees it, written out.
type Inventory struct {
	// Text is in the form that was asked for.
	Text string `json:"text"`
	// Fleet and Commit are which fleet it is, At when its hosts were looked at; zero
	// where nobody looked.
	Fleet  string    `json:"fleet"`
	Commit string    `json:"commit,omitempty"`
	At     time.Time `json:"at,omitzero"`
	// Unreached are the hosts of which no address is known.
	Unreached []string `json:"unreached,omitempty"`
	// Resources are what a request may name; see [turn.Request].
	Resources []string `json:"resources,omitempty"`
}

// MakeInventory writes what is known in one of [inventory.Forms], or the variables of
// one host, if a host is named.
func MakeInventory(known *turn.Known, form, host string) (*Inventory, error) {
	inv := inventory.Make(known.Fleet, known.Fact)
	out := &Inventory{Fleet: known.Fleet.Spec.Name, Commit: known.Commit, At: known.At, Unreached: inv.Unreached(), Resources: known.Resources()}
	text, err := []byte(nil), error(nil)
	if host != "" {
		text, err = inv.Host(host)
	} else {
		text, err = inv.Write(form)
	}
	out.Text = string(text)
	return out, err
}

// inventoryReply is the answer to a request for the inventory.
type inventoryReply struct {
	*Inventory

	Error string `json:"error,omitempty"`
}

// handleInventory serves GET /v1/inventory?form=FORM&host=HOST from what the last turn has
// learnt, so that it can be asked often.
func (a API) handleInventory(routes *routes) {
	routes.HandleFunc("GET /v1/inventory", func(w http.ResponseWriter, r *http.Request) {
		known := a.Known()
		if known == nil {
			w.Header().Set("Retry-After", "10")
			fail(w, r, a.Log, http.StatusServiceUnavailable, "the agent has not looked at the fleet yet: its first turn is on its way, or has failed, as its log tells")
			return
		}
		asked := r.URL.Query()
		out, status := inventoryReply{}, http.StatusOK
		made, err := MakeInventory(known, asked.Get("form"), asked.Get("host"))
		if err != nil {
			status, out.Error = http.StatusBadRequest, err.Error()
		}
		out.Inventory = made
		answer(w, r, a.Log, status, out)
	})
}

// Inventory asks for the inventory as of the agent's last turn. It fails with
// [ErrNoAgent] where none runs.
func (c *Client) Inventory(ctx context.Context, form, host string) (*Inventory, error) {
	query := url.Values{"form": {form}, "host": {host}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://agent/v1/inventory?"+query.Encode(), http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("ask the agent: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
			return nil, ErrNoAgent
		}
		return nil, fmt.Errorf("ask the agent: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("ask the agent: %w", err)
	}
	var out struct {
		Inventory
		Error string `json:"error"`
	}
	switch err := json.Unmarshal(text, &out); {
	case err != nil && resp.StatusCode == http.StatusNotFound:
		return nil, errors.New("ask the agent: it knows no inventory: restart it, so that it is of this version")
	case err != nil:
		return nil, fmt.Errorf("ask the agent: it answers %s: %.200s", resp.Status, text)
	case out.Error != "":
		return nil, errors.New(out.Error)
	}
	return &out.Inventory, nil
}
