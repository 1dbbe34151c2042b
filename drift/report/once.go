package report

import (
	"slices"
	"strings"
)

// untold leaves out of why a step failed what stands beside its rows already: "1 of 2
// hosts: web-2: no such package" is "1 of 2 hosts" where web-2's row says the rest.
func untold(b *block, reason string) string {
	for _, r := range b.rows {
		if r.remark.text == "" || r.sign != Failed {
			continue
		}
		about, rest, found := strings.Cut(reason, ": "+r.path+": "+r.remark.text)
		if !found || about == "" {
			continue
		}
		if strings.HasPrefix(rest, " (all: ") {
			rest = "" // Each has a row.
		}
		return about + rest
	}
	return reason
}

// untoldLines leaves out of what a step had to say what stands beside its rows already.
func untoldLines(b *block, lines []string) []string {
	return slices.DeleteFunc(slices.Clone(lines), func(line string) bool {
		text := neutral(line)
		return slices.ContainsFunc(b.rows, func(r row) bool {
			return r.sign == Failed && r.remark.text != "" && strings.Contains(text, r.path) && strings.HasSuffix(text, r.remark.text)
		})
	})
}
