package desired

import (
	"strconv"
	"strings"
)

// What most of a manifest's words are checked against. They are read by hand and
// not by regular expressions, since a large fleet has hundreds of thousands of
// them; a test holds them to the expressions.

// letters tells which bytes may stand somewhere.
type letters func(c byte) bool

func lower(c byte) bool    { return c >= 'a' && c <= 'z' }
func digit(c byte) bool    { return c >= '0' && c <= '9' }
func lowerNum(c byte) bool { return lower(c) || digit(c) }
func alnum(c byte) bool    { return lowerNum(c) || c >= 'A' && c <= 'Z' }

// spelled tells whether a text has one letter at least, and of some letters alone:
// those that it may begin with, that may stand inside, and that it may end with.
func spelled(text string, first, inside, last letters) bool {
	if text == "" || !first(text[0]) || !last(text[len(text)-1]) {
		return false
	}
	for i := 1; i < len(text)-1; i++ {
		if !inside(text[i]) {
			return false
		}
	}
	return true
}

// longestLabel is how long a name may be, as DNS has it.
const longestLabel = 63

// isName tells whether a text is the name of a document: [a-z0-9], inside also -.
func isName(text string) bool {
	return len(text) <= longestLabel && spelled(text, lowerNum, func(c byte) bool { return lowerNum(c) || c == '-' }, lowerNum)
}

// isDotted tells the same of kinds whose names may have . and _ inside as well.
func isDotted(text string) bool {
	return len(text) <= longestLabel && spelled(text, lowerNum, func(c byte) bool { return lowerNum(c) || c == '.' || c == '_' || c == '-' }, lowerNum)
}

// isLabel tells whether a text is one part of a DNS name.
func isLabel(text string) bool {
	return len(text) <= longestLabel && spelled(text, alnum, func(c byte) bool { return alnum(c) || c == '-' }, alnum)
}

// isTag tells whether Proxmox takes a text as a tag.
func isTag(text string) bool {
	rest := func(c byte) bool { return lowerNum(c) || c == '_' || c == '.' || c == '+' || c == '-' }
	first := func(c byte) bool { return lowerNum(c) || c == '_' }
	if len(text) == 1 {
		rest = first
	}
	return spelled(text, first, rest, rest)
}

// isGroup tells whether Ansible takes a text as the name of a group, whatever its
// first letter.
func isGroup(text string) bool {
	word := func(c byte) bool { return lowerNum(c) || c == '_' }
	return spelled(text, word, word, word)
}

// isStore tells whether Proxmox takes a text as the name of a storage, a node or a
// bridge.
func isStore(text string) bool {
	rest := func(c byte) bool { return alnum(c) || c == '.' || c == '_' || c == '-' }
	if len(text) == 1 {
		rest = alnum
	}
	return spelled(text, alnum, rest, rest)
}

// isRoute tells whether a text is a DNS name in lower case.
func isRoute(text string) bool {
	for label := range strings.SplitSeq(text, ".") {
		if !isName(label) {
			return false
		}
	}
	return true
}

// whole tells whether a text is a whole number as people write them: no 0x10, no
// 1_000, no 010.
func whole(text string) bool {
	text = strings.TrimPrefix(text, "-")
	return text == "0" || text != "" && text[0] != '0' && spelled(text, digit, digit, digit)
}

// decimal tells whether a text is a number, which may have a fraction.
func decimal(text string) bool {
	number, fraction, dotted := strings.Cut(text, ".")
	return whole(number) && (!dotted || spelled(fraction, digit, digit, digit))
}

// slot parts "scsi12" into its bus and number.
func slot(key string) (bus string, number int, ok bool) {
	at := 0
	for at < len(key) && lower(key[at]) {
		at++
	}
	if at == 0 || at == len(key) || key[at] == '0' && at+1 < len(key) {
		return key, 0, false
	}
	if !spelled(key[at:], digit, digit, digit) {
		return key, 0, false
	}
	number, err := strconv.Atoi(key[at:])
	return key[:at], number, err == nil
}

// hasNumber tells whether a text holds the place of a guest's number.
func hasNumber(text string) bool {
	return strings.Contains(text, "{n") && regexpNumber.MatchString(text)
}
