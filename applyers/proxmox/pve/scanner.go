package pve

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"
)

// Scanned reads itself from an answer's data. It may be asked to more than once, and
// begins anew each time.
type Scanned interface{ Scan(s *Scanner) }

// Scanner reads JSON from front to back, once. encoding/json looks at every byte
// three times and makes values by reflection, which for the configurations of a
// thousand guests was a tenth of what a look cost. It is as strict as encoding/json;
// a value of another kind than the one that is asked for is passed over.
type Scanner struct {
	text  []byte
	at    int
	depth int
	bad   bool
}

var errMalformed = errors.New("the answer is not well-formed JSON")

// maxDepth is how deep values may be nested.
const maxDepth = 200

// scanData reads what stands under "data" of an answer.
func scanData(text []byte, into Scanned) error {
	s := &Scanner{text: text}
	given := false
	s.Object(func(name []byte) {
		if string(name) != "data" {
			s.Skip()
			return
		}
		given = true
		into.Scan(s)
	})
	s.space()
	if s.bad || s.at != len(s.text) {
		return errMalformed
	}
	if !given {
		into.Scan(&Scanner{text: []byte("null")})
	}
	return nil
}

// Object reads an object: field is called for each of its fields, and must read the
// value. The name is good until then.
func (s *Scanner) Object(field func(name []byte)) {
	if !s.enter('{') {
		return
	}
	for first := true; s.more('}', first); first = false {
		name := s.name()
		s.expect(':')
		if s.bad {
			return
		}
		field(name)
	}
	s.depth--
}

// Array reads an array: item is called for each value, and must read it.
func (s *Scanner) Array(item func()) {
	if !s.enter('[') {
		return
	}
	for first := true; s.more(']', first); first = false {
		item()
	}
	s.depth--
}

// Text reads text, and numbers, booleans and null as [Scalar] has them. Of a list or
// an object it is the JSON.
func (s *Scanner) Text() string {
	text, _ := s.Value()
	return text
}

// Scalar reads as Text does.
func (s *Scanner) Scalar() Scalar { return Scalar(s.Text()) }

// Value reads as Text does, and tells whether it is something else than null.
func (s *Scanner) Value() (text string, there bool) {
	from, simple := s.value()
	raw := s.text[from:s.at]
	switch {
	case s.bad || string(raw) == "null":
		return "", false
	case simple:
		return string(raw[1 : len(raw)-1]), true
	case raw[0] == '"':
		if err := json.Unmarshal(raw, &text); err != nil {
			s.bad = true
		}
		return text, !s.bad
	case string(raw) == "true":
		return "1", true
	case string(raw) == "false":
		return "0", true
	}
	return string(raw), true
}

// Raw reads any value and gives its JSON, which is good for as long as the answer is.
func (s *Scanner) Raw() []byte {
	from, _ := s.value()
	return s.text[from:s.at]
}

// Skip reads past a value.
func (s *Scanner) Skip() { s.value() }

// enter goes into an object or a list; what is neither is passed over.
func (s *Scanner) enter(open byte) bool {
	s.space()
	if s.peek() != open {
		s.Skip()
		return false
	}
	s.at++
	if s.depth++; s.depth > maxDepth {
		s.bad = true
	}
	return !s.bad
}

// more goes to the next entry, or past the end.
func (s *Scanner) more(end byte, first bool) bool {
	if s.bad {
		return false
	}
	s.space()
	if s.peek() == end {
		s.at++
		return false
	}
	if !first {
		s.expect(',')
	}
	return !s.bad
}

func (s *Scanner) name() []byte {
	s.space()
	if s.peek() != '"' {
		s.bad = true
		return nil
	}
	from := s.at
	if s.string() {
		return s.text[from+1 : s.at-1]
	}
	var text string
	if !s.bad && json.Unmarshal(s.text[from:s.at], &text) != nil {
		s.bad = true
	}
	return []byte(text)
}

func (s *Scanner) expect(c byte) {
	s.space()
	if s.peek() != c {
		s.bad = true
		return
	}
	s.at++
}

func (s *Scanner) space() {
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ' ', '\t', '\r', '\n':
			s.at++
		default:
			return
		}
	}
}

// peek is the next byte; 0 at the end, which no JSON has.
func (s *Scanner) peek() byte {
	if s.bad || s.at >= len(s.text) {
		return 0
	}
	return s.text[s.at]
}

// value reads past any value, and tells where it began and whether it is text that
// says itself.
func (s *Scanner) value() (from int, simple bool) {
	s.space()
	from = s.at
	switch c := s.peek(); {
	case c == '"':
		simple = s.string()
	case c == '{':
		s.Object(func([]byte) { s.Skip() })
	case c == '[':
		s.Array(s.Skip)
	case c == '-' || c >= '0' && c <= '9':
		s.number()
	default:
		s.word()
	}
	return from, simple
}

// string reads past text, and tells whether it says itself, with nothing escaped and
// nothing to mend.
func (s *Scanner) string() (simple bool) {
	from := s.at + 1
	simple = true
	for s.at = from; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; {
		case c == '"':
			s.at++
			return simple && utf8.Valid(s.text[from:s.at-1])
		case c == '\\':
			simple = false
			s.escape()
		case c < ' ':
			s.bad = true
			return false
		}
	}
	s.bad = true
	return false
}

// escape reads past the first byte of what is escaped, and the digits of a code.
func (s *Scanner) escape() {
	s.at++
	switch {
	case s.at >= len(s.text):
		s.bad = true
	case s.text[s.at] == 'u':
		for range 4 {
			s.at++
			if s.at >= len(s.text) || bytes.IndexByte([]byte("0123456789abcdefABCDEF"), s.text[s.at]) < 0 {
				s.bad = true
				return
			}
		}
	case bytes.IndexByte([]byte(`"\/bfnrt`), s.text[s.at]) < 0:
		s.bad = true
	}
}

func (s *Scanner) number() {
	if s.peek() == '-' {
		s.at++
	}
	if s.peek() == '0' {
		s.at++
	} else {
		s.digits()
	}
	if s.peek() == '.' {
		s.at++
		s.digits()
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.at++
		if c := s.peek(); c == '+' || c == '-' {
			s.at++
		}
		s.digits()
	}
}

// digits reads past one digit or more.
func (s *Scanner) digits() {
	from := s.at
	for c := s.peek(); c >= '0' && c <= '9'; c = s.peek() {
		s.at++
	}
	if s.at == from {
		s.bad = true
	}
}

func (s *Scanner) word() {
	for _, word := range []string{"null", "true", "false"} {
		if bytes.HasPrefix(s.text[s.at:], []byte(word)) {
			s.at += len(word)
			return
		}
	}
	s.bad = true
}
