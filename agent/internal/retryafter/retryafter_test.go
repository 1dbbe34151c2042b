package retryafter_test

import (
	"net/http"
	"testing"
	"time"

	"berth/agent/internal/retryafter"
)

func TestRead(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"":                              0,
		"soon":                          0,
		"120":                           2 * time.Minute,
		" 120 ":                         2 * time.Minute,
		"0.5":                           500 * time.Millisecond,
		"0":                             0,
		"-5":                            0,
		"NaN":                           0,
		"-Inf":                          0,
		"31536000":                      retryafter.Longest,
		"1e300":                         retryafter.Longest,
		"Sun, 01 Mar 2026 12:10:00 GMT": 10 * time.Minute,
		"Sun, 01 Mar 2026 11:00:00 GMT": 0,
		"Mon, 01 Mar 2027 12:00:00 GMT": retryafter.Longest,
	} {
		if got := retryafter.Read(http.Header{"Retry-After": {text}}, now); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
	if got := retryafter.Read(nil, now); got != 0 {
		t.Errorf("no header: %v", got)
	}
}
