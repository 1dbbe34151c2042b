package pvesim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// read takes the parameters from the body.
func (q *call) read(r *http.Request) error {
	q.params = map[string]any{}
	defer func() {
		// Parameters of the query win over those of the body (FACTS 1).
		for k, v := range q.query {
			q.params[k] = single(v)
		}
	}()
	if r.Body == nil {
		return nil
	}
	limit := int64(bodyLimit)
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	kind = strings.TrimSpace(strings.ToLower(kind))
	if kind == "multipart/form-data" {
		limit = 16 << 30
	}
	var text bytes.Buffer
	if r.ContentLength > 0 {
		text.Grow(int(min(r.ContentLength+bytes.MinRead, 2<<20))) // Who sends less than it says costs no more.
	}
	_, err := text.ReadFrom(io.LimitReader(r.Body, limit+1))
	_ = r.Body.Close()
	body := text.Bytes()
	if err != nil {
		return &apiError{status: 400, message: "Bad Request", empty: true}
	}
	q.body = body
	if len(body) == 0 {
		return nil
	}
	switch {
	case q.method == http.MethodGet || q.method == http.MethodDelete:
		return &apiError{status: 501, message: fmt.Sprintf("Unexpected content for method '%s'", q.method), plain: true}
	case int64(len(body)) > limit:
		return &apiError{status: 501, message: "for data too large", plain: true}
	case kind == "multipart/form-data":
		// What is wrong with it storage/upload tells, should it be asked.
		q.sent, q.file, q.partsErr = q.parts()
		return nil
	case kind == "application/json":
		return q.readJSON(body)
	case kind == "application/x-www-form-urlencoded" || kind == "":
		q.readForm(string(body))
		return nil
	default:
		return &apiError{status: 506, message: fmt.Sprintf("upload 'Content-Type '%s' not implemented", kind), plain: true}
	}
}

func (q *call) readForm(body string) {
	for _, part := range strings.FieldsFunc(body, func(r rune) bool { return r == '&' || r == ';' }) {
		k, v, _ := strings.Cut(part, "=")
		k, v = unescape(k), unescape(v)
		if old, ok := q.params[k]; ok {
			q.params[k] = append(asList(old), v)
			continue
		}
		q.params[k] = v
	}
}

// unescape decodes a form value. Invalid UTF-8 becomes U+FFFD without an error
// (FACTS 1), and a broken escape stays as it is.
func unescape(s string) string {
	s = strings.ReplaceAll(s, "+", " ")
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if v, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(v))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return strings.ToValidUTF8(b.String(), "\uFFFD")
}

func (q *call) readJSON(body []byte) error {
	var m map[string]any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&m); err != nil {
		return &apiError{status: 500, message: jsonText(body) + " at /usr/share/perl5/PVE/APIServer/AnyEvent.pm line 917.\n", plain: true}
	}
	for k, v := range m {
		switch v := v.(type) {
		case nil:
			q.params[k] = nil
		case bool:
			q.params[k] = "0"
			if v {
				q.params[k] = "1"
			}
		case string:
			q.params[k] = v
		case []any:
			items := make([]string, 0, len(v))
			for _, e := range v {
				items = append(items, fmt.Sprint(e))
			}
			q.params[k] = items
		default:
			q.params[k] = fmt.Sprint(v)
		}
	}
	return nil
}

// jsonText is what the server's parser says of the two commonest mistakes.
func jsonText(body []byte) string {
	text := string(body)
	if rest, ok := strings.CutPrefix(text, "{"); ok {
		return fmt.Sprintf("'\"' expected, at character offset 1 (before \"%s\")", rest)
	}
	return fmt.Sprintf("malformed JSON string, neither tag, array, object, number, string or atom, at character offset 0 (before \"%s\")", text)
}

func single(v []string) any {
	if len(v) == 1 {
		return strings.ToValidUTF8(v[0], "\uFFFD")
	}
	return v
}

func asList(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []string:
		return slices.Clone(v)
	}
	return []string{}
}

func cloneValues(v url.Values) url.Values {
	out := url.Values{}
	for k, s := range v {
		out[k] = slices.Clone(s)
	}
	return out
}
