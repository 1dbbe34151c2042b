package pve

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"berth/desired"
)

// Where Proxmox is unkind to whoever asks it: testdata/rules of the applyer names
// each of these tests beside the rule that it watches.

func TestAContainersDescriptionIsReadAsItWasSent(t *testing.T) {
	t.Parallel()
	c := clientAt(t, roundTrip(func(*http.Request) (*http.Response, error) {
		return answer(200, "OK", `{"data":[{"key":"description","value":"Some words.\n"},{"key":"digest","value":"ab"}]}`), nil
	}), "https://a")
	conf, err := c.ReadConfig(t.Context(), "ct", "pve1", 104)
	if err != nil || conf.Values["description"] != "Some words." {
		t.Errorf("%+v, %v", conf, err)
	}
}

func TestAConfigurationWithoutADigestIsNone(t *testing.T) {
	t.Parallel()
	c := clientAt(t, roundTrip(func(*http.Request) (*http.Response, error) {
		return answer(200, "OK", `{"data":[{"key":"cores","value":2}]}`), nil
	}), "https://a")
	if conf, err := c.ReadConfig(t.Context(), "vm", "pve1", 104); err == nil || !strings.Contains(err.Error(), "has no digest") {
		t.Errorf("%+v, %v", conf, err)
	}
}

func TestIdleConnectionsEndBeforeTheServerEndsThem(t *testing.T) {
	t.Parallel()
	const server = 5 * time.Second
	base, err := SystemTransport(&desired.Site{Name: "home"})
	if err != nil {
		t.Fatal(err)
	}
	if own := base.(*http.Transport).IdleConnTimeout; own <= 0 || own >= server {
		t.Errorf("an idle connection is kept for %s, and the server closes it after %s", own, server)
	}
}

const someTask = "UPID:pve1:0001:0002:0003:qmstart:100:u@pve!id:"

func TestATaskThatNobodyKnowsIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		c := clientAt(t, roundTrip(func(*http.Request) (*http.Response, error) {
			asked++
			return answer(400, "Parameter verification failed.", `{"errors":{"upid":"no such task"}}`), nil
		}), "https://a")
		if _, err := c.Follow(t.Context(), someTask, time.Hour); err == nil || asked != 1 {
			t.Errorf("asked %d times: %v", asked, err)
		}
	})
}

func TestTheLogTellsWhichParameterWasWrong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := clientAt(t, roundTrip(func(r *http.Request) (*http.Response, error) {
			if strings.HasSuffix(r.URL.Path, "/log") {
				return answer(200, "OK", `{"data":[{"n":1,"t":"begin"},{"n":2,"t":"TASK ERROR: Parameter verification failed."},{"n":3,"t":"net0: invalid format"}]}`), nil
			}
			return answer(200, "OK", `{"data":{"status":"stopped","exitstatus":"Parameter verification failed."}}`), nil
		}), "https://a")
		const want = "Parameter verification failed.; net0: invalid format"
		if _, err := c.Follow(t.Context(), someTask, time.Hour); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	})
}

// TestTheServerGivesUpFirst: what it says then is worth more than silence.
func TestTheServerGivesUpFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := clientAt(t, roundTrip(func(r *http.Request) (*http.Response, error) {
			select {
			case <-time.After(30 * time.Second):
				return answer(596, "Connection timed out", ""), nil
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
		}), "https://a")
		if err := c.Write(t.Context(), http.MethodPut, "/x", Params{}, nil); Status(err) != 596 || !Unanswered(err) {
			t.Errorf("%v", err)
		}
	})
}

func TestAFilesChecksumIsNoLostRace(t *testing.T) {
	t.Parallel()
	err := &TaskError{exit: "checksum mismatch: got 'ab' != expect 'cd'"}
	if sum, ok := GotSum(err); Stale(err) || !ok || sum != "ab" {
		t.Errorf("%v: stale %v, sum %q", err, Stale(err), sum)
	}
}
