package conf

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"berth/desired"
)

// The targets that are no place. In nginx's map reject is the empty word.
const (
	reject   = "reject"
	redirect = "redirect"
)

// validName tells whether a name can stand in nginx's map: a name, .name for it
// and all below, or *.name for all below. nginx would take other words for
// something else: a regular expression, a parameter of the map, the end of it.
func validName(name string) error {
	rest := strings.TrimPrefix(strings.TrimPrefix(name, "*"), ".")
	if strings.HasPrefix(name, "*") && !strings.HasPrefix(name, "*.") {
		return fmt.Errorf("%q is no name: the wildcard stands for whole labels, as in *.example.com", name)
	}
	if ownWord(rest) {
		return fmt.Errorf("%q is a word of nginx's own", name)
	}
	if rest == "" || len(rest) > 253 {
		return fmt.Errorf("%q is no name: it has %d characters", name, len(rest))
	}
	if rest == Domain || strings.HasSuffix(rest, "."+Domain) {
		return fmt.Errorf("%q is kept for Berth's own use", name)
	}
	for label := range strings.SplitSeq(rest, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return fmt.Errorf("%q is no name: write lower-case labels of letters, digits and -, with dots between", name)
		}
	}
	return nil
}

// clash is a name in routes beside which *.name can't stand: .name stands for
// the same, and *.name with name is how the file writes .name.
func clash(name string, routes map[string]desired.Target) (other string, found bool) {
	below, wildcard := strings.CutPrefix(name, "*.")
	if !wildcard {
		return "", false
	}
	for _, other := range []string{"." + below, below} {
		if _, found := routes[other]; found {
			return other, true
		}
	}
	return "", false
}

// validAddress tells whether a target is an address with a port. nginx neither
// resolves nor checks what is in a map, not even in its test.
func validAddress(t desired.Target) error {
	if id, _, ok := t.Guest(); ok {
		return fmt.Errorf("the address of %s is not known yet", id)
	}
	ap, err := netip.ParseAddrPort(t.Text)
	if err != nil || ap.Port() == 0 || ap.Addr().Zone() != "" {
		return fmt.Errorf("%q is no address with a port: nginx would find out only when somebody connects", t.Text)
	}
	if ap.String() != t.Text {
		return fmt.Errorf("%q is spelled in a way of its own: write %s", t.Text, ap)
	}
	return nil
}

// ownWord tells whether a word means something else to nginx within a map.
func ownWord(word string) bool {
	return slices.Contains([]string{"default", "hostnames", "include", "volatile"}, word)
}

// writable tells whether a word that stands in the file already can be written
// again as it is, be it what a manifest could ask for or not.
func writable(word string) bool {
	return word != "" && !ownWord(word) && !strings.ContainsFunc(word, func(r rune) bool {
		return r <= ' ' || r == utf8.RuneError || r == 0x7f || strings.ContainsRune("\"'`\\;{}$#", r)
	})
}

// Listens are nginx's words for what a manifest listens on: a port, or an address
// with a port. A bare port is listened on by IPv6, too, where ipv6 says so.
func Listens(all desired.List, ipv6 bool) ([]string, error) {
	var words []string
	for _, one := range all {
		next := []string{one}
		if port, err := strconv.ParseUint(one, 10, 16); err == nil && port > 0 {
			if ipv6 {
				next = append(next, "[::]:"+one)
			}
		} else if ap, err := netip.ParseAddrPort(one); err != nil || ap.Port() == 0 {
			return nil, fmt.Errorf("%q is nothing to listen on: write a port, or an address with a port", one)
		}
		for _, word := range next {
			if slices.Contains(words, word) {
				return nil, fmt.Errorf("%s is listened on twice", word)
			}
			words = append(words, word)
		}
	}
	if len(words) == 0 {
		return nil, errors.New("there is nothing to listen on")
	}
	return words, nil
}

// listened is the reverse of Listens.
func listened(words []string, ipv6 bool) desired.List {
	var all desired.List
	for _, word := range words {
		port, wide := strings.CutPrefix(word, "[::]:")
		if ipv6 && wide && slices.Contains(words, port) {
			continue
		}
		if ipv6 && !strings.Contains(word, ":") && !slices.Contains(words, "[::]:"+word) {
			word = "0.0.0.0:" + word
		}
		all = append(all, word)
	}
	return all
}

// Reachable are addresses with ports under which the machine itself reaches what
// it listens on, from the words that [Listens] gives.
func Reachable(words []string) []string {
	var all []string
	for _, word := range words {
		if !strings.Contains(word, ":") {
			word = "127.0.0.1:" + word
		}
		host, port, err := net.SplitHostPort(word)
		if err != nil {
			continue
		}
		switch host {
		case "0.0.0.0":
			host = "127.0.0.1"
		case "::":
			host = "::1"
		}
		all = append(all, net.JoinHostPort(host, port))
	}
	return all
}
