package desired

import (
	"fmt"
	"strings"
)

// Problem is one mistake in the manifests, or one remark about them.
type Problem struct {
	Source Source
	// ID is the resource or document concerned; "" if none is known yet.
	ID ID
	// Text says what is wrong and what to do.
	Text string
}

// String is "file:line:col: id: text".
func (p Problem) String() string {
	var b strings.Builder
	if p.Source.File != "" {
		fmt.Fprintf(&b, "%s:%d:%d: ", p.Source.File, p.Source.Line, p.Source.Col)
	}
	if p.ID != "" {
		b.WriteString(string(p.ID) + ": ")
	}
	b.WriteString(p.Text)
	return b.String()
}

// Problems is every mistake of a load, sorted by place. It is the error that
// [Load] returns.
type Problems []Problem

// Error lists the mistakes, a line each.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, one := range p {
		lines[i] = one.String()
	}
	return strings.Join(lines, "\n")
}
