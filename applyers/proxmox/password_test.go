package proxmox

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"berth/applyers/proxmox/pvesim"
	"berth/desired"
	"berth/drift"
)

const hidden = "correct-horse-battery"

const secretiveYAML = cacheYAML + "password: {secret: ct-root, key: cache.root}\n"

func TestAPasswordIsReadForTheCreationAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, secretiveYAML)
		var asked []desired.SecretRef
		b.a.opts.Secret = func(_ context.Context, ref desired.SecretRef) ([]byte, error) {
			asked = append(asked, ref)
			return []byte(hidden + "\n"), nil
		}
		told := &events{}
		b.turnIn(t.Context(), told)
		sent := 0
		for _, r := range b.sim.Requests() {
			if got := r.Form.Get("password"); got != "" {
				sent++
				if got != hidden || r.Method != "POST" || !strings.HasSuffix(r.Path, "/lxc") {
					t.Errorf("%s %s has password %q", r.Method, r.Path, got)
				}
			}
		}
		if sent != 1 || len(asked) != 1 || asked[0].Secret != "ct-root" || asked[0].Key != "cache.root" {
			t.Errorf("sent %d times, asked for %v", sent, asked)
		}
		if text := fmt.Sprint(told, b.plan()); strings.Contains(text, hidden) {
			t.Errorf("told: %s", text)
		}
		// A guest that is there needs it no more.
		b.manifests(edited(secretiveYAML, "memory: 512MiB", "memory: 256MiB"))
		b.apply()
		if len(asked) != 1 {
			t.Errorf("asked for %v", asked)
		}
		b.settled()
	})
}

func TestNothingIsMadeWithoutItsPassword(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		secret func(context.Context, desired.SecretRef) ([]byte, error)
		want   string
	}{
		"missing":   {func(context.Context, desired.SecretRef) ([]byte, error) { return nil, errors.New("no such file") }, "read the password of root: no such file"},
		"short":     {func(context.Context, desired.SecretRef) ([]byte, error) { return []byte("four"), nil }, "secret ct-root is shorter than the 5 characters"},
		"two lines": {func(context.Context, desired.SecretRef) ([]byte, error) { return []byte("first\nsecond"), nil }, "secret ct-root has several lines"},
		"no way":    {nil, "no way to secret ct-root is set up"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, secretiveYAML)
				b.a.opts.Secret = c.secret
				out := told(b.turn())
				if !strings.Contains(out, c.want) || strings.Contains(out, "four") || strings.Contains(out, "second") {
					t.Errorf("told:\n%s", out)
				}
				if _, there := b.sim.Guest(4002); there {
					t.Error("it was made")
				}
			})
		})
	}
}

func TestALockedPasswordIsWaitedForInThePlan(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, secretiveYAML+"ready: {port: 22}\n")
		locked := &desired.LockedError{Secret: "ct-root"}
		b.a.opts.Locked = func(_ context.Context, ref desired.SecretRef) *desired.LockedError {
			if ref.Secret != "ct-root" || ref.Key != "cache.root" {
				t.Errorf("asked about %v", ref)
			}
			return locked
		}
		b.a.opts.Secret = func(context.Context, desired.SecretRef) ([]byte, error) {
			if locked != nil {
				t.Error("it was read although it is locked")
			}
			return []byte(hidden), nil
		}
		create := drift.Key{ID: "ct/cache", Step: drift.Create}
		plan := b.plan()
		if c := plan.Change(create); c == nil || c.Held != locked.Error() {
			t.Errorf("planned %+v", c)
		}
		// What comes after it waits for the same.
		ready := drift.Key{ID: "ct/cache", Step: drift.Ready}
		if c := plan.Change(ready); c == nil || c.Held != "waits for ct/cache create, which is held: "+locked.Error() {
			t.Errorf("planned %+v", c)
		}
		b.turn()
		if _, there := b.sim.Guest(4002); there {
			t.Error("it was made without its password")
		}
		locked = nil
		b.apply()
		if _, there := b.sim.Guest(4002); !there {
			t.Error("it was not made once nothing was locked any more")
		}
		b.settled()
	})
}

// echo refuses creations in words that repeat what was sent.
type echo struct{ inner http.RoundTripper }

func (e echo) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/lxc") {
		w := httptest.NewRecorder()
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.WriteString(`{"data":null,"message":"Parameter verification failed.\n","errors":{"password":"'` + hidden + `' is no good"}}`)
		return w.Result(), nil
	}
	return e.inner.RoundTrip(r)
}

func TestAPasswordIsInNoError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := benchOn(t, pvesim.New(pvesim.Options{}), secretiveYAML)
		b.a.opts.Secret = func(context.Context, desired.SecretRef) ([]byte, error) { return []byte(hidden), nil }
		b.over = echo{b.sim.Transport()}
		for _, o := range b.turn() {
			if o.Step == drift.Create && o.Status != drift.Failed || strings.Contains(o.Reason, hidden) {
				t.Errorf("%s: %s: %s", o.Key, o.Status, o.Reason)
			}
		}
	})
}
