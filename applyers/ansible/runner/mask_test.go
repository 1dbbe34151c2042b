package runner

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"math/rand/v2"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"berth/desired"
)

func maskOf(values ...string) *mask {
	var secrets []desired.Secret
	for _, v := range values {
		secrets = append(secrets, desired.MakeSecret([]byte(v)))
	}
	return newMask(secrets)
}

func TestMaskForms(t *testing.T) {
	const value = `p@ss/w0rd+"ü'<x>&\&🚢` + "\t=="
	inJSON, _ := json.Marshal(map[string]string{"k": value})
	twice, _ := json.Marshal(string(inJSON))
	inYAML, _ := yaml.Marshal(map[string]string{"k": value})
	long := value + " " + value + " " + value
	for name, text := range map[string]string{
		"itself":             "before " + value + " after",
		"JSON":               string(inJSON),
		"JSON in JSON":       string(twice),
		"JSON of Python":     `{"k": "p@ss/w0rd+\"\u00fc'<x>&\\&\ud83d\udea2\t=="}`,
		"YAML":               string(inYAML),
		"YAML, single":       `k: '` + strings.ReplaceAll(value, "'", "''") + `'`,
		"Go":                 strconv.QuoteToASCII(value),
		"repr":               `{'k': 'p@ss/w0rd+"ü\'<x>&\\&🚢\t=='}`,
		"shell":              `echo '` + strings.ReplaceAll(value, "'", `'"'"'`) + `'`,
		"query":              "https://x/?k=" + url.QueryEscape(value),
		"path":               "https://x/" + url.PathEscape(value),
		"quote of Python":    "p%40ss/w0rd%2B%22%C3%BC%27%3Cx%3E%26%5C%26%F0%9F%9A%A2%09%3D%3D",
		"lower case":         "p%40ss%2fw0rd%2b%22%c3%bc%27%3cx%3e%26%5c%26%f0%9f%9a%a2%09%3d%3d",
		"base64":             base64.StdEncoding.EncodeToString([]byte(value)),
		"base64, one before": base64.StdEncoding.EncodeToString([]byte("u" + value + ":x")),
		"base64, two before": base64.URLEncoding.EncodeToString([]byte("ur" + value + "y")),
		"hex":                hex.EncodeToString([]byte(value)),
		"broken by a line":   value[:7] + "\n      " + value[7:],
		"many times":         long,
	} {
		got := maskOf(value).text(text)
		if !strings.Contains(got, desired.Hidden) {
			t.Errorf("%s: not masked: %s", name, got)
		}
		for _, part := range []string{"w0rd", "p@ss", "p%40", base64.StdEncoding.EncodeToString([]byte(value))[4:16], hex.EncodeToString([]byte(value))[4:16]} {
			if strings.Contains(got, part) {
				t.Errorf("%s: it still shows %q: %s", name, part, got)
			}
		}
	}
}

func TestMask(t *testing.T) {
	for _, test := range []struct {
		name    string
		secrets []string
		text    string
		want    string
	}{
		{"nothing to hide", nil, "a text\n", "a text\n"},
		{"empty and too short", []string{"", "\n", "abc"}, "abc", "abc"},
		{"four bytes", []string{"abcd\n"}, "xabcdx", "x(secret)x"},
		{"short ones are not found apart", []string{"isok"}, "it is ok", "it is ok"},
		{"one in another", []string{"hunter22", "hunter22-and-more"}, "hunter22-and-more hunter22-and", "(secret) (secret)-and"},
		{"one over another", []string{"abcdefgh", "efghijkl"}, "-abcdefghijkl-", "-(secret)-"},
		{"one after another", []string{"abcdefgh"}, "abcdefghabcdefgh", "(secret)"},
		{"its beginning", []string{"abcdefgh"}, "abcdefg abcdefgabcdefgh", "abcdefg abcdefg(secret)"},
		{"each line", []string{"user: bob\n----\npass: tiger\nx"}, "the pass: tiger, ----, x", "the (secret), ----, x"},
		{"lines that are indented", []string{"first line\nsecond line"}, "|\n  first line\n  second line\n", "|\n  (secret)\n"},
		{"at the end", []string{"abcdefgh"}, "to abcd", "to abcd"},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := maskOf(test.secrets...)
			if got := m.text(test.text); got != test.want {
				t.Errorf("it is %q, want %q", got, test.want)
			}
			// However it comes.
			for size := 1; size < 6; size++ {
				var out bytes.Buffer
				w := &masker{mask: m, out: &out}
				for at := 0; at < len(test.text); at += size {
					_, _ = w.Write([]byte(test.text[at:min(at+size, len(test.text))]))
				}
				_ = w.Close()
				if out.String() != test.want {
					t.Errorf("in pieces of %d it is %q, want %q", size, out.String(), test.want)
				}
			}
		})
	}
}

// What is cut off may end in the middle of a secret.
func TestMaskOfACutText(t *testing.T) {
	m := maskOf("correct horse battery staple")
	if got := m.cut("it is correct horse bat"); got != "it is (secret)" {
		t.Errorf("it is %q", got)
	}
	if got := m.cut("it is so"); got != "it is so" {
		t.Errorf("it is %q", got)
	}
}

// The label of an item is cut off by the callback, without a word of it.
func TestMaskOfACutLabel(t *testing.T) {
	w := words{mask: maskOf("correct horse battery staple"), names: strings.NewReplacer()}
	before := strings.Repeat("x", labelled-len("correct horse bat")-1) + " "
	if got := w.label(before + "correct horse bat"); got != before+desired.Hidden {
		t.Errorf("it is %q", got)
	}
	if got := w.label("corr"); got != "corr" {
		t.Errorf("a short one is %q", got)
	}
}

func FuzzMask(f *testing.F) {
	f.Add("hunter22", "say hunter22 ", " twice", uint8(3))
	f.Add("a b\nc d e f", "\x00", "\xff\n", uint8(1))
	f.Fuzz(func(t *testing.T, secret, before, after string, size uint8) {
		if len(strings.Join(strings.Fields(secret), "")) < exact || strings.ContainsAny(secret, "\v\f") || strings.Contains(desired.Hidden, secret) {
			return
		}
		m := maskOf(secret)
		text := before + strings.Trim(secret, "\r\n") + after
		var out bytes.Buffer
		w := &masker{mask: m, out: &out}
		for step, at := int(size)+1, 0; at < len(text); at += step {
			_, _ = w.Write([]byte(text[at:min(at+step, len(text))]))
		}
		_ = w.Close()
		if strings.Contains(out.String(), strings.Trim(secret, "\r\n")) || out.String() != m.text(text) {
			t.Errorf("%q with %q gives %q, in pieces %q", secret, text, m.text(text), out.String())
		}
	})
}

func TestMaskIsFast(t *testing.T) {
	key := make([]byte, 1800)
	for i := range key {
		key[i] = byte(rand.IntN(256))
	}
	m := maskOf("hunter22", base64.StdEncoding.EncodeToString(key), "another one\nof lines")
	text := bytes.Repeat([]byte("TASK [nginx : Install the package] ***** changed: [web-1]\n"), 10<<20/58)
	var out bytes.Buffer
	w := &masker{mask: m, out: &out}
	_, _ = w.Write(text)
	_ = w.Close()
	if !bytes.Equal(out.Bytes(), text) {
		t.Error("a text without secrets was changed")
	}
}
