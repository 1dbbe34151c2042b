package desired

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Size is a number of bytes. Manifests write it as a whole number with KiB,
// MiB, GiB or TiB and no blank.
type Size int64

// The units of Size.
const (
	KiB Size = 1 << (10 * (iota + 1))
	MiB
	GiB
	TiB
)

// String writes s in the largest unit that divides it: "1536MiB", "2GiB".
func (s Size) String() string {
	for _, u := range []struct {
		unit Size
		name string
	}{{TiB, "TiB"}, {GiB, "GiB"}, {MiB, "MiB"}, {KiB, "KiB"}} {
		if s != 0 && s%u.unit == 0 {
			return strconv.FormatInt(int64(s/u.unit), 10) + u.name
		}
	}
	if s == 0 {
		return "0MiB"
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}

// Rate is a number of bytes a second. Manifests write "100MiB/s".
type Rate int64

// String writes r as manifests do.
func (r Rate) String() string { return Size(r).String() + "/s" }

// Duration is a length of time. Manifests write it with s, m, h, d and w.
type Duration time.Duration

// String writes d as manifests do: "7d", "1h30m", "0s".
func (d Duration) String() string {
	if d == 0 {
		return "0s"
	}
	rest := time.Duration(d)
	var b strings.Builder
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
		if rest >= u.unit {
			fmt.Fprintf(&b, "%d%s", rest/u.unit, u.name)
			rest %= u.unit
		}
	}
	if rest != 0 {
		b.WriteString(rest.String())
	}
	return b.String()
}

// Words is a set of words: order means nothing, doubles do not count.
// Nil and empty are the same set.
type Words []string

// Equal tells whether both hold the same words.
func (w Words) Equal(other Words) bool { return slices.Equal(w.sorted(), other.sorted()) }

func (w Words) sorted() []string {
	out := slices.Clone([]string(w))
	slices.Sort(out)
	return slices.Compact(out)
}

// String lists the words in order of the alphabet.
func (w Words) String() string { return strings.Join(w.sorted(), " ") }

// List is a list of words whose order matters. Nil and empty are the same list.
type List []string

// Equal tells whether both hold the same words in the same order.
func (l List) Equal(other List) bool { return slices.Equal(l, other) }

// String lists the words in their order.
func (l List) String() string { return strings.Join(l, " ") }
