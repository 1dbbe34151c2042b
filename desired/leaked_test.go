package desired

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestLeakedMissesNone holds the cheap look at a value to the whole one: what has the
// form of a secret is found, whatever stands around it.
func TestLeakedMissesNone(t *testing.T) {
	form := strings.NewReplacer(`\b`, "", `[^\s@!'"]`, "[a-z0-9]").Replace(regexpLeaked.String())
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.StringMatching(form).Draw(t, "secret")
		text := rapid.SampledFrom([]string{"", "see ", "a\n"}).Draw(t, "before") + secret + rapid.SampledFrom([]string{"", " there", "\n"}).Draw(t, "after")
		if leaked(text) == "" {
			t.Fatalf("%q is taken for no secret", text)
		}
	})
}
