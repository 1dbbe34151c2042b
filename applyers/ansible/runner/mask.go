package runner

import (
	"io"
	"slices"
	"strings"

	"berth/desired"
)

// shortest is the length in bytes below which a secret is not masked: shorter ones
// occur by chance in every text, and masking them would ruin it without hiding them.
const shortest = 4

// mask finds secrets in texts, in all the forms in which programs write values
// down, and puts [desired.Hidden] in their place. It looks past blanks, since
// Ansible breaks and indents long texts.
//
// It is the automaton of Aho and Corasick: one state for each beginning of a form,
// so that a text is read once, however many secrets there are.
type mask struct {
	// next leads from a state (its upper bits) by a byte to a state; first does so
	// from the state of the empty beginning.
	next  map[int]int32
	first [256]int32
	// fail is the state of the longest end of a state's text that is a beginning too.
	fail []int32
	// depth is how long a state's text is; longest how long the longest form is that
	// ends there, 0 for none.
	depth, longest []int32
}

// newMask makes a mask of secrets; the empty and the very short ones are left out.
func newMask(secrets []desired.Secret) *mask {
	m := &mask{next: make(map[int]int32), fail: []int32{0}, depth: []int32{0}, longest: []int32{0}}
	for _, s := range secrets {
		for _, form := range forms(s.Reveal()) {
			m.add(form)
		}
	}
	m.link()
	return m
}

func (m *mask) add(form []byte) {
	state := int32(0)
	for _, b := range form {
		to, ok := m.next[key(state, b)]
		if !ok {
			to = int32(len(m.fail)) //nolint:gosec // Secrets have not two billion bytes.
			m.next[key(state, b)] = to
			m.fail, m.longest = append(m.fail, 0), append(m.longest, 0)
			m.depth = append(m.depth, m.depth[state]+1)
		}
		state = to
	}
	m.longest[state] = m.depth[state]
}

func key(state int32, b byte) int { return int(state)<<8 | int(b) }

// link sets where each state goes on, in order of depth.
func (m *mask) link() {
	edges := make([]int, 0, len(m.next))
	for k := range m.next {
		edges = append(edges, k)
	}
	slices.SortFunc(edges, func(a, b int) int { return int(m.depth[a>>8] - m.depth[b>>8]) })
	for _, k := range edges {
		from, b, to := int32(k>>8), byte(k), m.next[k] //nolint:gosec // As key made it.
		if from == 0 {
			m.first[b] = to
			continue
		}
		m.fail[to] = m.step(m.fail[from], b)
		m.longest[to] = max(m.longest[to], m.longest[m.fail[to]])
	}
}

func (m *mask) step(state int32, b byte) int32 {
	for state != 0 {
		if to, ok := m.next[key(state, b)]; ok {
			return to
		}
		state = m.fail[state]
	}
	return m.first[b]
}

// Hide gives what puts [desired.Hidden] in the place of secrets in a text, in whatever
// form they stand there, and of the beginning of one where the text ends.
func Hide(secrets []desired.Secret) func(text string) string { return newMask(secrets).cut }

// text masks a whole text.
func (m *mask) text(s string) string {
	var out strings.Builder
	w := &masker{mask: m, out: &out}
	_, _ = w.Write([]byte(s))
	_ = w.Close()
	return out.String()
}

// cut masks a text of which the end is missing, where the beginning of a secret
// may be left.
func (m *mask) cut(s string) string {
	var out strings.Builder
	w := &masker{mask: m, out: &out}
	_, _ = w.Write([]byte(s))
	if depth := int(m.depth[w.state]); depth >= shortest {
		w.hide(depth)
	}
	_ = w.Close()
	return out.String()
}

// masker is a writer that masks what goes through it, whatever the pieces. What
// might be the beginning of a secret is held back until it is known or closed.
type masker struct {
	mask  *mask
	out   io.Writer
	state int32
	// held are the bytes that are not written yet, secret tells which of them are
	// part of one, and solid are the places of those that are not blank.
	held   []byte
	secret []bool
	solid  []int
	// hidden tells that what was written last stands for a secret.
	hidden bool
	err    error
}

// exact is the length from which on a secret is found with blanks in it; short
// words with blanks in them occur by chance.
const exact = 8

// Write takes all, and tells of an error of the writer behind it.
func (w *masker) Write(p []byte) (int, error) {
	for _, b := range p {
		w.held, w.secret = append(w.held, b), append(w.secret, false)
		if blank(b) {
			continue
		}
		w.solid = append(w.solid, len(w.held)-1)
		w.state = w.mask.step(w.state, b)
		if n := int(w.mask.longest[w.state]); n > 0 {
			w.hide(n)
		}
		if len(w.held) > 4096 {
			w.flush(int(w.mask.depth[w.state]))
		}
	}
	w.flush(int(w.mask.depth[w.state]))
	return len(p), w.err
}

// Close writes what was held back.
func (w *masker) Close() error {
	w.flush(0)
	return w.err
}

// hide marks the last n bytes that are not blank, and the blanks between them.
func (w *masker) hide(n int) {
	from := w.solid[len(w.solid)-n]
	if n < exact && len(w.held)-from != n {
		return
	}
	for i := from; i < len(w.held); i++ {
		w.secret[i] = true
	}
}

// flush writes all but what the last keep bytes that are not blank begin with.
func (w *masker) flush(keep int) {
	end := len(w.held)
	if keep > 0 {
		end = w.solid[len(w.solid)-keep]
	}
	for at := 0; at < end && w.err == nil; {
		to := at + 1
		for to < end && w.secret[to] == w.secret[at] {
			to++
		}
		switch {
		case !w.secret[at]:
			_, w.err = w.out.Write(w.held[at:to])
		case !w.hidden:
			_, w.err = io.WriteString(w.out, desired.Hidden)
		}
		w.hidden, at = w.secret[at], to
	}
	w.held = append(w.held[:0], w.held[end:]...)
	w.secret = append(w.secret[:0], w.secret[end:]...)
	w.solid = append(w.solid[:0], w.solid[len(w.solid)-keep:]...)
	for i := range w.solid {
		w.solid[i] -= end
	}
}

func blank(b byte) bool { return b == ' ' || b == '\t' || b == '\n' || b == '\r' }
