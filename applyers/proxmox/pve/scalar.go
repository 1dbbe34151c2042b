package pve

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Scalar is a value that Proxmox answers now as text, now as a number.
type Scalar string

// UnmarshalJSON takes text, numbers, booleans and null.
func (s *Scalar) UnmarshalJSON(b []byte) error {
	text := string(b)
	switch {
	case text == "null":
		*s = ""
	case simple(text):
		*s = Scalar(text[1 : len(text)-1])
	case strings.HasPrefix(text, `"`):
		var plain string
		if err := json.Unmarshal(b, &plain); err != nil {
			return err
		}
		*s = Scalar(plain)
	case text == "true":
		*s = "1"
	case text == "false":
		*s = "0"
	default:
		*s = Scalar(text)
	}
	return nil
}

// simple tells whether JSON is a text that says itself, with nothing escaped.
func simple(text string) bool {
	if len(text) < 2 || text[0] != '"' {
		return false
	}
	for i := 1; i < len(text)-1; i++ {
		if c := text[i]; c == '\\' || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// Int is the number; 0 for what is none.
func (s Scalar) Int() int {
	if s == "" {
		return 0
	}
	n, err := strconv.Atoi(string(s))
	if err != nil {
		return 0
	}
	return n
}

// Yes tells whether it is 1, or true.
func (s Scalar) Yes() bool { return s == "1" }
