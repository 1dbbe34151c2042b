package desired

import (
	"regexp"
	"strconv"
	"strings"
)

// Share is a number of hosts, or a share of them as in "25%". "" is none given.
type Share string

// regexpShare is how a Share is written.
var regexpShare = regexp.MustCompile(`^(0|[1-9][0-9]{0,5})$|^(0|[1-9][0-9]?|100)%$`)

// Of is how many of so many hosts are meant; of a share, rounded down. known is
// false for "".
func (s Share) Of(hosts int) (n int, known bool) {
	text, share := strings.CutSuffix(string(s), "%")
	n, err := strconv.Atoi(text)
	switch {
	case err != nil:
		return 0, false
	case share:
		return hosts * n / 100, true
	}
	return min(n, hosts), true
}
