package pve

import (
	"net/http"
	"testing"
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
