package report

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// neutral makes foreign text safe to show on a terminal: names, descriptions and
// messages come from machines and people that we do not know, and a control
// sequence in one could move the cursor and rewrite what stands above it.
// Whatever is not printable, directional marks and line ends included, is
// written as an escape; what is printable is left as it is.
func neutral(s string) string {
	if clean(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\u00a0':
			b.WriteByte(' ')
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
		i += size
	}
	return b.String()
}

func clean(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

// wide are the ranges that terminals draw two cells wide: East Asian scripts,
// full-width forms and emoji (Unicode's East Asian Width W and F, in the coarse).
var wide = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x1100, Hi: 0x115f, Stride: 1},
		{Lo: 0x2e80, Hi: 0x303e, Stride: 1},
		{Lo: 0x3041, Hi: 0xa4cf, Stride: 1},
		{Lo: 0xa960, Hi: 0xa97c, Stride: 1},
		{Lo: 0xac00, Hi: 0xd7a3, Stride: 1},
		{Lo: 0xf900, Hi: 0xfaff, Stride: 1},
		{Lo: 0xfe30, Hi: 0xfe6f, Stride: 1},
		{Lo: 0xff01, Hi: 0xff60, Stride: 1},
		{Lo: 0xffe0, Hi: 0xffe6, Stride: 1},
	},
	R32: []unicode.Range32{
		{Lo: 0x17000, Hi: 0x18cff, Stride: 1},
		{Lo: 0x1b000, Hi: 0x1b2ff, Stride: 1},
		{Lo: 0x1f300, Hi: 0x1f64f, Stride: 1},
		{Lo: 0x1f680, Hi: 0x1f6ff, Stride: 1},
		{Lo: 0x1f900, Hi: 0x1f9ff, Stride: 1},
		{Lo: 0x20000, Hi: 0x3fffd, Stride: 1},
	},
}

// Neutral makes foreign text safe to show: what is not printable is written as an
// escape.
func Neutral(s string) string { return neutral(s) }

// Cells is how many columns of a terminal, or places of a monospaced font, s takes.
func Cells(s string) int { return cells(s) }

// cells is how many columns of a terminal s takes; s is neutral.
func cells(s string) int {
	if clean(s) {
		return len(s)
	}
	n := 0
	for _, r := range s {
		switch {
		case unicode.In(r, unicode.Mn, unicode.Me):
		case unicode.Is(wide, r):
			n += 2
		default:
			n++
		}
	}
	return n
}

// pad fills s up with blanks to n columns.
func pad(s string, n int) string {
	if missing := n - cells(s); missing > 0 {
		return s + strings.Repeat(" ", missing)
	}
	return s
}

// cut leaves at most n characters of s, and says how many are gone.
func cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n+20 {
		return s
	}
	runes := []rune(s)
	return strings.TrimRight(string(runes[:n]), " ") + fmt.Sprintf("… (%s more characters)", grouped(len(runes)-n))
}

// Clip leaves the first bytes of a text, whole characters, and says by an ellipsis that
// there were more than most.
func Clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most] + "…"
}

// wrap breaks s at blanks into lines of at most width columns, as far as its
// words allow; a width below 20 does not wrap.
func wrap(s string, width int) []string {
	if width < 20 || cells(s) <= width {
		return []string{s}
	}
	var lines []string
	line, taken := "", 0
	for word := range strings.FieldsSeq(s) {
		n := cells(word)
		if taken > 0 && taken+1+n > width {
			lines, line, taken = append(lines, line), "", 0
		}
		if taken > 0 {
			line, taken = line+" ", taken+1
		}
		line, taken = line+word, taken+n
	}
	return append(lines, line)
}
