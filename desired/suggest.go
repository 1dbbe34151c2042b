package desired

import (
	"slices"
	"strings"
)

// Nearest lists what of the candidates somebody may have meant who wrote word, the
// nearest first; nil if nothing is near.
func Nearest(word string, candidates []string) []string { return nearest(word, candidates) }

// nearest finds the candidates that word was perhaps meant to be: at most two,
// the nearest first.
func nearest(word string, candidates []string) []string {
	type match struct {
		word string
		far  int
	}
	var matches []match
	limit := max(1, len(word)/3)
	for _, c := range candidates {
		if c == word {
			continue
		}
		switch far := distance(strings.ToLower(word), strings.ToLower(c), limit); {
		case far <= limit:
			matches = append(matches, match{c, far})
		case len(word) > 2 && strings.HasSuffix(c, "_"+word):
			matches = append(matches, match{c, limit})
		}
	}
	slices.SortFunc(matches, func(a, b match) int {
		if a.far != b.far {
			return a.far - b.far
		}
		return strings.Compare(a.word, b.word)
	})
	var out []string
	for _, m := range matches {
		if len(out) == 2 || len(out) == 1 && m.far > matches[0].far {
			break
		}
		out = append(out, m.word)
	}
	return out
}

// distance counts the letters to change, add, drop or swap; anything above
// limit may be reported as limit+1.
func distance(a, b string, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit {
		return limit + 1
	}
	before, row := make([]int, len(b)+1), make([]int, len(b)+1)
	older := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		older, before, row = before, row, older
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(before[j]+1, row[j-1]+1, before[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], older[j-2]+1)
			}
		}
	}
	return row[len(b)]
}

// oneOf lists words as a choice: "a, b or c".
func oneOf(words []string) string {
	switch len(words) {
	case 0:
		return ""
	case 1:
		return words[0]
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}
