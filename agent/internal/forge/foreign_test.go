package forge_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"berth/agent/internal/forge"
)

// A token that may not tell whose it is takes no comment for its own: who copied the
// marker could change afterwards what is said there.
func TestCommentOfNobodyKnown(t *testing.T) {
	c, s := client(t, forge.GitHub, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/user"):
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `{"message":"Resource not accessible by integration"}`)
		case r.Method == http.MethodGet:
			_, _ = io.WriteString(w, talk(forge.GitHub, [3]string{"11", "eve", "a copy <!--m-->"}))
		default:
			_, _ = io.WriteString(w, `{"id":12}`)
		}
	})
	id, err := c.Comment(t.Context(), 7, "", "<!--m-->", "new <!--m-->")
	if last := s.seen[len(s.seen)-1]; err != nil || id != "12" || !strings.HasPrefix(last, "POST ") {
		t.Errorf("%v: comment %q by %s", err, id, last)
	}
}
