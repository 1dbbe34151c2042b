package secrets

import (
	"strings"
	"testing"
	"time"
)

func TestKeysWithin(t *testing.T) {
	const text = `
a: {b: {c: s3cret}}
tls:
  example.org: {cert: "s3cret\ntwo\n", key: s3cret}
  example: {com: short}
dotted.name: s3cret
both: {a: {x: short}, a.b: {y: s3cret}}
list: [s3cret]
none:
tilde: ~
words: null
quoted: "null"
number: 0755
date: 2026-11-21
like: &x {db: s3cret}
same: *x
block: |
  s3cret
  two
`
	for key, want := range map[string]string{
		"a.b.c": "s3cret", "tls.example.org.cert": "s3cret\ntwo\n", "tls.example.org.key": "s3cret", "tls.example.com": "short",
		"dotted.name": "s3cret", "both.a.b.y": "s3cret", "both.a.x": "short", "none": "", "tilde": "", "words": "", "quoted": "null",
		"number": "0755", "date": "2026-11-21", "same.db": "s3cret", "block": "s3cret\ntwo\n",
	} {
		if got, err := within([]byte(text), key); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v, want %q", key, got, err, want)
		}
	}
	for key, want := range map[string]string{
		"a.b": "several values", "list": "several values", "a.b.c.d": "no map above it", "list.0": "no map above it",
		"a.x": "not there", "": "not there", ".": "not there", "a..b": "not there", strings.Repeat("a.", 100): "dots",
	} {
		if got, err := within([]byte(text), key); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %q, %v, want %q", key, got, err, want)
		}
	}
	for _, text := range []string{"", "s3cret", "- s3cret", "a: s3cret: {", "\x00", "# nothing"} {
		if got, err := within([]byte(text), "a"); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("in %q: %q, %v", text, got, err)
		}
	}
}

// TestKeysWithinEndSoon follows a map that contains itself by many ways.
func TestKeysWithinEndSoon(t *testing.T) {
	began := time.Now()
	text := "a: &m\n  a: *m\n  a.a: *m\n  a.a.a: *m\n"
	_, err := within([]byte(text), strings.Repeat("a.", maxSegments-2)+"b")
	if err == nil || time.Since(began) > 5*time.Second {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
}

func FuzzWithin(f *testing.F) {
	f.Add([]byte("a: {b: s3cret}"), "a.b")
	f.Add([]byte("a: &m\n  a: *m\n  a.a: *m\n"), "a.a.a.b")
	f.Add([]byte("a: [1, {b: !x y}]"), "a")
	f.Fuzz(func(t *testing.T, text []byte, key string) {
		value, err := within(text, key)
		if err == nil {
			return
		}
		if value != nil {
			t.Errorf("%q and %v", value, err)
		}
		const about = "there is no map above it is not there it holds several values: name one of them it is not a YAML map it has more dots than any map is deep"
		if !strings.Contains(about, err.Error()) {
			t.Errorf("an error that may hold the secret: %v", err)
		}
	})
}
