package pve

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/go-faster/jx"
)

// Decoded reads itself from an answer's data, from front to back: encoding/json looks
// at every byte three times and makes values by reflection, which for the
// configurations of a thousand guests was a tenth of what a look cost. It may be asked
// to more than once, and begins anew each time. The decoder's bytes are used again for
// the next answer: what is to last is copied.
type Decoded interface{ Decode(d *jx.Decoder) error }

var errMalformed = errors.New("the answer is not well-formed JSON")

// decode reads what stands under "data" of an answer; null where nothing does.
func decode(text []byte, into Decoded) error {
	d := jx.DecodeBytes(text)
	given := false
	err := Object(d, func(name []byte) error {
		if string(name) != "data" {
			return d.Skip()
		}
		given = true
		return into.Decode(d)
	})
	if err == nil {
		if d.Skip() != io.EOF { //nolint:errorlint // Wrapped, it is that of a value that broke off.
			err = errors.New("something follows it")
		}
	}
	if err == nil && !given {
		err = into.Decode(jx.DecodeStr("null"))
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errMalformed, err)
	}
	return nil
}

// Object reads an object: field is called for each of its fields, and must read the
// value. The name is good until then. What is no object is passed over.
func Object(d *jx.Decoder, field func(name []byte) error) error {
	if d.Next() != jx.Object {
		return d.Skip()
	}
	return d.ObjBytes(func(_ *jx.Decoder, name []byte) error {
		if !utf8.Valid(name) {
			// Each byte that is none is one sign, as in encoding/json.
			name = []byte(string([]rune(string(name))))
		}
		return field(name)
	})
}

// Array reads an array: item is called for each value, and must read it. What is no
// array is passed over.
func Array(d *jx.Decoder, item func() error) error {
	if d.Next() != jx.Array {
		return d.Skip()
	}
	return d.Arr(func(*jx.Decoder) error { return item() })
}

// InPlace reads text, and numbers, booleans and null as [Scalar] has them. Of a list or
// an object it is the JSON. It is good for as long as the answer is, and nil for null
// alone.
func InPlace(d *jx.Decoder) ([]byte, error) {
	raw, err := d.Raw()
	if err != nil {
		return nil, err
	}
	switch raw[0] {
	case 'n':
		return nil, nil
	case 't':
		return []byte("1"), nil
	case 'f':
		return []byte("0"), nil
	case '"':
		if bytes.IndexByte(raw, '\\') < 0 && utf8.Valid(raw) {
			return raw[1 : len(raw)-1], nil
		}
		// jx leaves bytes that are no text as they are.
		var text string
		err := json.Unmarshal(raw, &text)
		return append([]byte{}, text...), err
	}
	return raw, nil
}

// Text reads as InPlace does, and lasts.
func Text(d *jx.Decoder) (string, error) {
	text, _, err := Value(d)
	return text, err
}

// Value reads as Text does, and tells whether it is something else than null.
func Value(d *jx.Decoder) (text string, there bool, err error) {
	plain, err := InPlace(d)
	return string(plain), plain != nil, err
}

// Decode reads as [Text] does.
func (s *Scalar) Decode(d *jx.Decoder) error {
	text, err := Text(d)
	*s = Scalar(text)
	return err
}

// Int reads a number; 0 for what is none.
func Int(d *jx.Decoder) (int, error) {
	var s Scalar
	err := s.Decode(d)
	return s.Int(), err
}
