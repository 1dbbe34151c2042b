package desired

import (
	"regexp"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

// TestSpellingIsAsTheExpressionsSay holds what is read by hand to the expressions
// that it stands for.
func TestSpellingIsAsTheExpressionsSay(t *testing.T) {
	for name, c := range map[string]struct {
		read func(string) bool
		want string
	}{
		"name":    {isName, `^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`},
		"dotted":  {isDotted, `^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$`},
		"label":   {isLabel, `^[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?$`},
		"tag":     {isTag, `^[a-z0-9_][a-z0-9_.+-]*$`},
		"group":   {isGroup, `^[a-z0-9_]+$`},
		"store":   {isStore, `^[A-Za-z0-9][A-Za-z0-9._-]*$`},
		"route":   {isRoute, `^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$`},
		"whole":   {whole, `^-?(0|[1-9][0-9]*)$`},
		"decimal": {decimal, `^-?(0|[1-9][0-9]*)(\.[0-9]+)?$`},
		"number":  {hasNumber, regexpNumber.String()},
	} {
		t.Run(name, func(t *testing.T) {
			want := regexp.MustCompile(c.want)
			rapid.Check(t, func(t *rapid.T) {
				text := rapid.OneOf(
					rapid.StringMatching(`[a-zA-Z0-9._+{}:n-]{0,4}`), rapid.StringMatching(`-?[0-9]{0,3}\.?[0-9]{0,3}`),
					rapid.StringMatching(`[a-z0-9-]{61,65}`), rapid.StringMatching(`([a-z-]{0,3}\.){0,3}[a-z]{0,2}`),
					rapid.StringMatching(`x?\{n(:0[0-9])?\}?`), rapid.String(),
				).Draw(t, "text")
				if c.read(text) != want.MatchString(text) {
					t.Errorf("%q: got %t", text, c.read(text))
				}
			})
		})
	}
}

func TestSlotIsAsTheExpressionSays(t *testing.T) {
	want := regexp.MustCompile(`^([a-z]+)(0|[1-9][0-9]*)$`)
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.OneOf(rapid.StringMatching(`[a-z]{0,6}[0-9]{0,20}`), rapid.StringMatching(`[a-zA-Z0-9_-]{0,6}`)).Draw(t, "key")
		bus, number, ok := slot(key)
		m := want.FindStringSubmatch(key)
		var n int
		var err error
		if m == nil {
			m, err = []string{"", key, ""}, strconv.ErrSyntax
		} else {
			n, err = strconv.Atoi(m[2])
		}
		if bus != m[1] || number != n || ok != (err == nil) {
			t.Errorf("%q: got %q, %d, %t", key, bus, number, ok)
		}
	})
}
