package desired

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// digest is the SHA-256 of a value's JSON, whose maps are sorted. Values that
// the loader makes can always be written as JSON.
func digest(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		text = fmt.Append(nil, v)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
