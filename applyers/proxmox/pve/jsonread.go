package pve

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-faster/jx"
)

// decodeData reads what stands under "data" of an answer; nil reads past it. The error
// is errMalformed for what is no JSON, and another one for JSON that says something
// else than was asked for.
func decodeData(text []byte, into any) error {
	if into == nil {
		into = ignored{}
	}
	if own, ok := into.(Decoded); ok {
		return decode(text, own)
	}
	answer := struct {
		Data any `json:"data"`
	}{Data: into}
	err := json.Unmarshal(text, &answer)
	if _, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("%w: %w", errMalformed, err)
	}
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return nil
}

// ignored reads past an answer's data.
type ignored struct{}

func (ignored) Decode(d *jx.Decoder) error { return d.Skip() }
