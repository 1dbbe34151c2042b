package desired

import (
	"regexp"
	"strconv"
	"strings"
)

var (
	// regexpBraces finds a value that begins with an unquoted {word}, regexpStar
	// an unquoted *.
	regexpBraces = regexp.MustCompile(`(?:^|[\s,{-])([A-Za-z][A-Za-z0-9]*): +\{[^{}]*\}[^\s,}\]#]`)
	regexpStar   = regexp.MustCompile(`(?:^[\s-]*|[{,:\[]\s*)(\*)(\.[A-Za-z0-9.-]+|[\s:,]|$)`)
	// regexpColons finds a second colon in an unquoted value, regexpValued a key
	// with a value, regexpStart what no unquoted value may begin with.
	regexpColons = regexp.MustCompile("^ *(?:- +)*([A-Za-z][A-Za-z0-9_.-]*): +([^ \"'#\\[{|>&*!%@`][^#]*?):(?: |$)")
	regexpValued = regexp.MustCompile(`^ *(?:- +)*[^ #:]+: +[^ #]`)
	regexpStart  = regexp.MustCompile("(?:: +|- +|[\\[,{] *)([%@`])")
	regexpKind   = regexp.MustCompile(`(?m)(?:^|^\{ ?|, )kind: *["']?([A-Za-z0-9._-]+)`)
	regexpNamed  = regexp.MustCompile(`(?m)(?:^|^\{ ?|, )name: *["']?([A-Za-z0-9._-]+)`)
)

// What is searched at most for the line that the reader stumbles over: lines and
// bytes of a document, and documents of a file.
const (
	maxSearchedLines = 300
	maxSearchedBytes = 16 << 10
	maxSearched      = 20
)

// syntax reports why a chunk is no YAML. The reader's own words are given only
// where no mistake that people often make explains them.
func (p *parser) syntax(c chunk, err error) {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 1
	if rest, ok := strings.CutPrefix(text, "line "); ok {
		if number, what, ok := strings.Cut(rest, ": "); ok {
			if n, err := strconv.Atoi(number); err == nil {
				line, text = n, what
			}
		}
	}
	lines := strings.Split(c.text, "\n")
	for i, text := range lines {
		if strings.HasPrefix(text, "%") {
			p.complain(i+1+p.line, 1, "YAML directives are not read in manifests: leave the line out")
			return
		}
	}
	if name, ok := strings.CutPrefix(text, "unknown anchor '"); ok {
		name, _, _ = strings.Cut(name, "'")
		p.anchor(lines, name)
		return
	}
	line = min(max(line, 1), len(lines))
	if p.searched++; p.searched <= maxSearched && len(lines) <= maxSearchedLines && len(c.text) <= maxSearchedBytes {
		line = stumbles(lines)
	}
	if at, col, remedy := commonMistake(lines, line); remedy != "" {
		p.complain(at+p.line, col, remedy)
		return
	}
	if col, remedy := readersWords(lines, line, text); remedy != "" {
		p.complain(line+p.line, col, remedy)
		return
	}
	col := 1 + len(lines[line-1]) - len(strings.TrimLeft(lines[line-1], " "))
	p.complain(line+p.line, col, text+": look at this line and the one above it")
}

// stumbles finds the line at which lines stop being YAML: without it and all
// that follows they are. The reader itself often names a line far above.
func stumbles(lines []string) int {
	at := len(lines)
	for at > 1 {
		if _, err := (chunk{text: strings.Join(lines[:at-1], "\n")}).nodes(); err == nil {
			break
		}
		at--
	}
	return at
}

// anchor reports an alias of which there is no anchor, for which the reader
// names no line.
func (p *parser) anchor(lines []string, name string) {
	for i, text := range lines {
		if col := strings.Index(text, "*"+name); col >= 0 {
			if at, col, remedy := commonMistake(lines[:i+1], i+1); remedy != "" && at == i+1 {
				p.complain(at+p.line, col, remedy)
				return
			}
			p.complain(i+1+p.line, col+1, "*"+name+" stands for nothing, there is no &"+name+" in this document: write it out, or put it in quotes")
			return
		}
	}
	p.complain(1, 1, "*"+name+" stands for nothing: write it out")
}

// commonMistake looks around the line that the reader stopped at.
func commonMistake(lines []string, stopped int) (line, col int, remedy string) {
	for _, at := range []int{stopped, stopped - 1, stopped + 1} {
		if at < 1 || at > len(lines) {
			continue
		}
		text := lines[at-1]
		if tab := strings.IndexByte(text, '\t'); tab >= 0 && strings.Trim(text[:tab], " ") == "" {
			return at, tab + 1, "a tab: YAML is indented with blanks only"
		}
		if m := regexpBraces.FindStringSubmatchIndex(text); m != nil {
			value := m[3] + strings.IndexByte(text[m[3]:], '{')
			return at, value + 1, text[m[2]:m[3]] + ` begins with "{", which YAML reads as a map: put it in quotes`
		}
		if m := regexpStar.FindStringSubmatchIndex(text); m != nil {
			return at, m[2] + 1, starRemedy(lines, at, text[m[4]:m[5]])
		}
	}
	return 0, 0, ""
}

// readersWords explains what the reader says about a line, where one mistake is
// its usual reason.
func readersWords(lines []string, line int, said string) (col int, remedy string) {
	text := lines[line-1]
	switch {
	case strings.Contains(said, "mapping values are not allowed"):
		if m := regexpColons.FindStringSubmatchIndex(text); m != nil {
			return m[4] + 1, text[m[2]:m[3]] + ": a second colon stands in this line: put the text in quotes"
		}
		indent := len(text) - len(strings.TrimLeft(text, " "))
		if line > 1 && regexpValued.MatchString(lines[line-2]) && indent > len(lines[line-2])-len(strings.TrimLeft(lines[line-2], " ")) {
			return indent + 1, "this line stands deeper than the one above it, which has its value already: write both at the same depth"
		}
	case strings.Contains(said, "cannot start any token"):
		if m := regexpStart.FindStringSubmatchIndex(text); m != nil {
			return m[2] + 1, "a text can't begin with " + text[m[2]:m[3]] + ": put it in quotes"
		}
	}
	return 0, ""
}

// starRemedy is for an unquoted "*", which YAML reads as an alias.
func starRemedy(lines []string, at int, after string) string {
	where := ""
	for i := at; i >= 1; i-- {
		if strings.Contains(lines[i-1], "routes:") {
			where = "routes: "
			break
		}
	}
	if !strings.HasPrefix(after, ".") {
		return where + `"*" needs quotes`
	}
	below := strings.TrimSuffix(after, ":")
	return where + `"*" needs quotes: write "*` + below + `"; for the name and all below it write ` + below
}

// says guesses a document's kind and name from its text alone.
func (c chunk) says() (kind, name string) {
	if m := regexpKind.FindStringSubmatch(c.text); m != nil {
		kind = m[1]
	}
	if m := regexpNamed.FindStringSubmatch(c.text); m != nil {
		name = m[1]
	}
	return kind, name
}

// guessID is the id that a document of that kind and name would have.
func guessID(kindWord, name string) ID {
	k := kindOf(kindWord)
	if k == nil || name == "" {
		return ""
	}
	return MakeID(k.short, name)
}
