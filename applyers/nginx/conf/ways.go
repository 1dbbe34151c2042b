package conf

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"berth/desired"
)

// A way is how servers are spoken to. nginx has it for each server block, not for
// each entry of a map.
type way struct {
	proxy         bool
	connect, idle desired.Duration
}

// plainWay is how addresses are spoken to that are no upstream.
func plainWay() way {
	return way{connect: desired.Duration(5 * time.Second), idle: desired.Duration(10 * time.Minute)}
}

// wayOf is how an upstream's servers are spoken to; what is not set is as for
// plain addresses.
func wayOf(u desired.Upstream) way {
	return way{
		proxy:   u.ProxyProtocol,
		connect: cmp.Or(u.Connect, plainWay().connect),
		idle:    cmp.Or(u.Idle, plainWay().idle),
	}
}

func (w way) compare(v way) int {
	if w.proxy != v.proxy {
		if v.proxy {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(w.connect, v.connect), cmp.Compare(w.idle, v.idle))
}

// String is the way in the manifest's words.
func (w way) String() string {
	text := "connect " + w.connect.String() + ", idle " + w.idle.String()
	if w.proxy {
		text += ", a PROXY header"
	}
	return text
}

// paths say by which server block each target of a listener goes out.
type paths struct {
	// outer is how the listener itself speaks.
	outer way
	// inner are the ways that need a server block of their own, in the order of
	// their numbers, which count from 1.
	inner []way
}

// plan lays out the ways of a listener's upstreams. Where they differ, the listener
// is silent for as long as the most patient one, and speaks PROXY where it is headed,
// so that inner servers know who asks.
func plan(ways []way, plain, headed bool) paths {
	if plain || len(ways) == 0 {
		ways = append(ways, plainWay())
	}
	slices.SortFunc(ways, way.compare)
	ways = slices.Compact(ways)
	p := paths{outer: ways[0]}
	if len(ways) == 1 {
		return p
	}
	p.outer = plainWay()
	p.outer.proxy = headed
	for _, w := range ways {
		p.outer.idle = max(p.outer.idle, w.idle)
	}
	for i, w := range ways {
		if w.proxy == p.outer.proxy && w.idle == p.outer.idle {
			p.outer = w
			ways = slices.Delete(ways, i, i+1)
			break
		}
	}
	p.inner = ways
	return p
}

// number is the inner server block of a way; 0 is the listener itself.
func (p paths) number(w way) int { return slices.Index(p.inner, w) + 1 }

// portOf is the port of a word to listen on.
func portOf(word string) string { return word[strings.LastIndexByte(word, ':')+1:] }

// span writes a length of time as nginx reads it.
func span(d desired.Duration) string {
	t := time.Duration(d)
	switch {
	case t%time.Hour == 0:
		return strconv.FormatInt(int64(t/time.Hour), 10) + "h"
	case t%time.Minute == 0:
		return strconv.FormatInt(int64(t/time.Minute), 10) + "m"
	case t%time.Second == 0:
		return strconv.FormatInt(int64(t/time.Second), 10) + "s"
	default:
		return strconv.FormatInt(int64(t/time.Millisecond), 10) + "ms"
	}
}

// maxSpan is the longest time that an edge waits; nginx would take more, and reckon
// wrongly with it.
const maxSpan = desired.Duration(365 * 24 * time.Hour)

// validSpan tells whether nginx can wait for a time; 0 is not set.
func validSpan(d desired.Duration) error {
	if d < 0 || time.Duration(d)%time.Millisecond != 0 {
		return fmt.Errorf("%s can't be waited for: write seconds, minutes or hours", d)
	}
	if d > maxSpan {
		return fmt.Errorf("%s is too long: write no more than %s", d, maxSpan)
	}
	return nil
}

// errSpan is the error of what is no length of time.
var errSpan = errors.New("no length of time")

// parseSpan reads a length of time as nginx does: "90", "1h30m", "500ms".
func parseSpan(text string) (desired.Duration, error) {
	var sum time.Duration
	rest := strings.ReplaceAll(text, " ", "")
	if rest == "" {
		return 0, errSpan
	}
	for rest != "" {
		end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
		digits, unit := rest, ""
		if end >= 0 {
			digits, unit = rest[:end], rest[end:]
		}
		if end = strings.IndexAny(unit, "0123456789"); end >= 0 {
			unit, rest = unit[:end], unit[end:]
		} else {
			rest = ""
		}
		n, err := strconv.ParseInt(digits, 10, 64)
		size := unitOf(unit)
		if err != nil || size == 0 || n > int64(10*maxSpan)/int64(size) {
			return 0, errSpan
		}
		sum += time.Duration(n) * size
	}
	return desired.Duration(sum), nil
}

func unitOf(unit string) time.Duration {
	const day = 24 * time.Hour
	switch unit {
	case "ms":
		return time.Millisecond
	case "", "s":
		return time.Second
	case "m":
		return time.Minute
	case "h":
		return time.Hour
	case "d":
		return day
	case "w":
		return 7 * day
	case "M":
		return 30 * day
	case "y":
		return 365 * day
	default:
		return 0
	}
}
