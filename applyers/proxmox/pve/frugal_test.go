package pve

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"berth/desired"
)

// heard is a server that remembers the headers that it was sent.
type heard struct {
	saying
	sent *[]http.Header
}

func (h heard) RoundTrip(r *http.Request) (*http.Response, error) {
	*h.sent = append(*h.sent, r.Header)
	return h.saying.RoundTrip(r)
}

var pendingAnswer = saying{status: 200, body: []byte(`{"data":[{"key":"memory","value":"512"},{"key":"cores","value":2},{"key":"name","value":"web"},{"key":"digest","value":"ab"}]}`)}

// TestEachTurnsTokenIsSent holds that what the reads of a turn share is the turn's own,
// and that a write says what it holds.
func TestEachTurnsTokenIsSent(t *testing.T) {
	var sent []http.Header
	c := clientAt(t, heard{saying: pendingAnswer, sent: &sent}, "https://pve1.test:8006")
	for _, token := range []string{"u@pve!a=1", "u@pve!b=2"} {
		c.Begin(token)
		for range 2 {
			if err := c.Get(t.Context(), "/version", nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Write(t.Context(), http.MethodPut, "/nodes/pve1/lxc/101/config", Params{"cores": "2"}, nil); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, h := range sent {
		if h.Get("User-Agent") != "berth" || h.Get("Accept") == "" {
			t.Errorf("sent %q", h)
		}
		got = append(got, strings.TrimPrefix(h.Get("Authorization"), "PVEAPIToken=")+" "+h.Get("Content-Type"))
	}
	want := []string{
		"u@pve!a=1 ", "u@pve!a=1 ", "u@pve!a=1 application/json",
		"u@pve!b=2 ", "u@pve!b=2 ", "u@pve!b=2 application/json",
	}
	if !slices.Equal(got, want) {
		t.Errorf("sent %q, want %q", got, want)
	}
}

// mostOfARead is how many objects reading a small configuration may make, beside those
// that the transport of net/http makes: a look at a thousand guests does it a thousand
// times. Raise it only for something that is worth that to everybody.
const mostOfARead = 56

func TestReadingAConfigurationIsFrugal(t *testing.T) {
	c := clientAt(t, pendingAnswer, "https://pve1.test:8006")
	made := testing.AllocsPerRun(200, func() {
		if _, err := c.ReadConfig(t.Context(), desired.KindVM, "pve1", 101); err != nil {
			t.Fatal(err)
		}
	})
	if made > mostOfARead {
		t.Errorf("a read makes %.0f objects, at most %d are allowed", made, mostOfARead)
	}
	t.Logf("%.0f objects", made)
}

func BenchmarkReadConfig(b *testing.B) {
	c, err := New("home", pendingAnswer, []string{"https://pve1.test:8006"}, &Counter{}, time.Now, FirstPoll)
	if err != nil {
		b.Fatal(err)
	}
	c.Begin("u@pve!id=s3cr3t")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.ReadConfig(b.Context(), desired.KindVM, "pve1", 101); err != nil {
			b.Fatal(err)
		}
	}
}
