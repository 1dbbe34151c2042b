package pve

import (
	"encoding/json"
	"fmt"
)

// decodeData reads what stands under "data" of an answer.
func decodeData(text []byte, into any) error {
	answer := struct {
		Data any `json:"data"`
	}{Data: into}
	if err := json.Unmarshal(text, &answer); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return nil
}
