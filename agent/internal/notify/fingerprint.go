package notify

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"
)

var (
	// numbered are numbers, times, addresses, task ids: words with a digit, and those that
	// are joined to them.
	numbered = regexp.MustCompile(`[0-9A-Za-z]*[0-9][0-9A-Za-z]*(?:[.:+/,-][0-9A-Za-z]*[0-9][0-9A-Za-z]*)*`)
	// dated are the words of a date.
	dated = regexp.MustCompile(`\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun|Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\b,?`)
	// several is what one number has and another has not: "1 minute", "2 minutes".
	several = regexp.MustCompile(`# ([A-Za-z]+?)s\b`)
)

// fingerprint is the same for reasons that say the same: those of which numbers and
// times alone differ.
func fingerprint(parts ...string) string {
	text := strings.Join(parts, "\x00")
	text = numbered.ReplaceAllString(text, "#")
	text = dated.ReplaceAllString(text, "#")
	text = several.ReplaceAllString(text, "# $1")
	for strings.Contains(text, "# #") {
		text = strings.ReplaceAll(text, "# #", "#")
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:6])
}
