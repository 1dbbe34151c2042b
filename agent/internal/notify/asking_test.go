package notify_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestWhatIsNotAsExpected answers 200 in forms that the service does not use: what is said
// tells which form that was, and holds nothing of the answer, which may be a token.
func TestWhatIsNotAsExpected(t *testing.T) {
	for _, c := range []struct{ service, kind, answer, want string }{
		{"ntfy", "", "", "with nothing in place"},
		{"gotify", "text/html; charset=utf-8", "<html>" + planted24, "with other text (text/html) in place"},
		{"matrix", "application/json", "[]", "with JSON of another form in place"},
		{"slack bot", "application/json", `{"token":"` + planted24 + `"}`, "with other fields in place"},
		{"slack", "a b " + planted24, "<html>", "with text of another form in place"},
		{"slack", "text/" + planted24, "<html>", "with other text (text/…) in place"},
	} {
		s := newStandIn(t)
		s.answer = func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", c.kind)
			_, _ = io.WriteString(w, c.answer)
		}
		err := serviceOf(s, services[c.service].url).Send(t.Context(), event())
		if err == nil || !strings.HasPrefix(err.Error(), "it answers 200 OK, but "+c.want) || hasSecret(err.Error()) {
			t.Errorf("%s, %q: got %v, want %q", c.service, c.answer, err, c.want)
		}
	}
}
