package desired

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A choice is what a pattern comes to.
type choice struct {
	// named are the members that it names, by name.
	named []member
	// unknown are words that name nothing, idle wildcards and expressions that name
	// nothing now.
	unknown, idle []string
	// strange are words that are no pattern.
	strange []strangeWord
}

// A strangeWord is a word that is no pattern, and why.
type strangeWord struct{ word, why string }

// regexpSubscript is a word that ends in a place, or in a range of places.
var regexpSubscript = regexp.MustCompile(`^(.+)\[(?:(-?[0-9]{1,6})|([0-9]{1,6})[:-]([0-9]{0,6}))\]$`)

// match finds what an Ansible pattern chooses. Like Ansible it takes unions
// first, then intersections, then exclusions, wherever they stand.
func (c *crowd) match(pattern string) choice {
	var out choice
	in := make([]bool, len(c.members))
	var both, not [][]int
	regular := false
	for _, word := range patternWords(pattern) {
		bare := strings.TrimLeft(word, "!&")
		if bare == "" || len(word)-len(bare) > 1 {
			out.strange = append(out.strange, strangeWord{word, "one of ! and & stands before a name, as in !web-1"})
			continue
		}
		found, err := c.find(bare)
		// A name of both means the host by itself, and the group after ! and &, as to Ansible.
		if places, group := c.groups[bare]; group && bare != word {
			found, err = places, nil
		}
		switch {
		case errors.Is(err, errUnknown):
			out.unknown = append(out.unknown, bare)
			continue
		case err != nil:
			out.strange = append(out.strange, strangeWord{word, err.Error()})
			continue
		case len(found) == 0 && wild(bare):
			out.idle = append(out.idle, bare)
		}
		switch word[0] {
		case '!':
			not = append(not, found)
		case '&':
			both = append(both, found)
		default:
			regular = true
			for _, i := range found {
				in[i] = true
			}
		}
	}
	if !regular {
		for _, i := range c.all {
			in[i] = true
		}
	}
	for _, found := range both {
		kept := make([]bool, len(in))
		for _, i := range found {
			kept[i] = in[i]
		}
		in = kept
	}
	for _, found := range not {
		for _, i := range found {
			in[i] = false
		}
	}
	out.named = make([]member, 0, len(in))
	for i, m := range c.members {
		if in[i] {
			out.named = append(out.named, m)
		}
	}
	return out
}

// patternWords parts a pattern at : and , but not within brackets.
func patternWords(pattern string) []string {
	var words []string
	from, depth := 0, 0
	cut := func(to int) {
		if word := strings.TrimSpace(pattern[from:to]); word != "" {
			words = append(words, word)
		}
		from = to + 1
	}
	for i := range len(pattern) {
		switch pattern[i] {
		case '[':
			depth++
		case ']':
			depth = max(0, depth-1)
		case ':', ',':
			if depth == 0 {
				cut(i)
			}
		}
	}
	cut(len(pattern))
	return words
}

// wild tells whether a word means whatever fits it.
func wild(word string) bool { return strings.HasPrefix(word, "~") || strings.ContainsAny(word, "*?[") }

// errUnknown is that a word names nothing.
var errUnknown = errors.New("no such guest or group")

// find is who a word of a pattern names, as places, sorted.
func (c *crowd) find(word string) ([]int, error) {
	if strings.HasPrefix(word, "~") {
		expression, err := regexp.Compile("^(?:" + word[1:] + ")")
		if err != nil {
			return nil, errors.New("what follows ~ is no regular expression: correct it, as in ~web-[0-9]+$")
		}
		return c.fitting(expression), nil
	}
	if strings.ContainsAny(word, " \t{}~") {
		return nil, errors.New("names are parted by :, and :& and :! choose among them, as in vm:&env_prod:!web-1")
	}
	if parts := regexpSubscript.FindStringSubmatch(word); parts != nil {
		found, err := c.find(parts[1])
		if errors.Is(err, errUnknown) {
			return nil, fmt.Errorf("a number in brackets is a place in a group, as in vm[0], and there is no group %q: for names write an expression, as in ~web-[12]$", parts[1])
		} else if err != nil {
			return nil, err
		}
		return placesOf(found, parts[2], parts[3], parts[4]), nil
	}
	if wild(word) {
		expression, err := globbed(word)
		if err != nil {
			return nil, err
		}
		return c.fitting(expression), nil
	}
	if word == "all" {
		return c.all, nil
	}
	if i, ok := c.hosts[word]; ok {
		return []int{i}, nil
	}
	if places, ok := c.groups[word]; ok {
		return places, nil
	}
	return nil, errUnknown
}

// placesOf are those at a place, or from one to another, both included; without an
// end, to the last.
func placesOf(found []int, at, from, to string) []int {
	if at != "" {
		i, _ := strconv.Atoi(at)
		if i < 0 {
			i += len(found)
		}
		if i < 0 || i >= len(found) {
			return nil
		}
		return found[i : i+1]
	}
	first, _ := strconv.Atoi(from)
	last := len(found) - 1
	if to != "" {
		last, _ = strconv.Atoi(to)
	}
	last = min(last, len(found)-1)
	if first > last {
		return nil
	}
	return found[first : last+1]
}

// globbed makes an expression of a word with wildcards: * is anything, ? one
// character, [ab] one of these, [!ab] one of all others.
func globbed(word string) (*regexp.Regexp, error) {
	var b strings.Builder
	b.WriteString("^")
	for i := 0; i < len(word); i++ {
		switch word[i] {
		case '*':
			b.WriteString(".*")
		case '?':
			b.WriteString(".")
		case '[':
			end := strings.IndexByte(word[i:], ']')
			if end < 2 {
				return nil, errBracket
			}
			set := word[i+1 : i+end]
			if rest, not := strings.CutPrefix(set, "!"); not {
				set = "^" + rest
			}
			b.WriteString("[" + strings.NewReplacer(`\`, `\\`, `[`, `\[`).Replace(set) + "]")
			i += end
		default:
			b.WriteString(regexp.QuoteMeta(word[i : i+1]))
		}
	}
	expression, err := regexp.Compile(b.String() + "$")
	if err != nil {
		return nil, errBracket
	}
	return expression, nil
}

var errBracket = errors.New("brackets hold a place, as in web[0], a range of places, as in web[1:3], or letters, as in web-[ab]")

// fitting are those whose names, or whose groups' names, fit an expression.
func (c *crowd) fitting(expression *regexp.Regexp) []int {
	in := make([]bool, len(c.members))
	for name, i := range c.hosts {
		in[i] = expression.MatchString(name)
	}
	for group, places := range c.groups {
		if len(places) > 0 && expression.MatchString(group) {
			for _, i := range places {
				in[i] = true
			}
		}
	}
	if expression.MatchString("all") {
		for _, i := range c.all {
			in[i] = true
		}
	}
	var found []int
	for i, is := range in {
		// Nothing but its own name means a guest that shall be absent.
		if is && (c.members[i].guest == nil || c.members[i].guest.State != Absent) {
			found = append(found, i)
		}
	}
	return slices.Clip(found)
}
