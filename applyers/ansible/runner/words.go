package runner

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// Names and messages are lines of a report.
	nameLimit    = 300
	messageLimit = 600
	diffLimit    = 8 << 10
	diffLines    = 200
)

// words puts foreign texts into words for people: without secrets, with the
// manifests' paths, in one line where they are to be one.
type words struct {
	mask *mask
	// names turns paths of the run's directory into the manifests' own.
	names *strings.Replacer
	// run is the run's directory.
	run string
}

func (w words) short(text string) string {
	return clean(w.names.Replace(w.mask.text(text)), nameLimit)
}

// labelled is at how many characters the callback cuts an item's label.
const labelled = 200

// label is what an item of a loop is called. A long one may end within a secret.
func (w words) label(text string) string {
	if utf8.RuneCountInString(text) >= labelled {
		text = w.mask.cut(text)
	}
	return w.short(text)
}

// message is what a task says, and what to do about it where that is known.
func (w words) message(text string, cut bool) string {
	if cut {
		text = w.mask.cut(text)
	} else {
		text = w.mask.text(text)
	}
	if text == "" {
		return ""
	}
	return advised(clean(w.names.Replace(unquoted(text)), messageLimit), text)
}

// unquoted takes away what Ansible quotes of the playbook, since it only guesses
// what is wrong there.
func unquoted(text string) string {
	for _, from := range []string{"\n\nThe offending line appears to be:", ", but may\nbe elsewhere in the file", ", but may be elsewhere in the file"} {
		text, _, _ = strings.Cut(text, from)
	}
	return text
}

// diff keeps its lines.
func (w words) diff(text string, cut bool) string {
	if cut {
		text = w.mask.cut(text)
	} else {
		text = w.mask.text(text)
	}
	lines := strings.Split(strings.TrimRight(w.names.Replace(text), "\n"), "\n")
	size := 0
	for i, line := range lines {
		if strings.HasPrefix(line, "+++ after: "+w.run) {
			line = "+++ after" // A file of the run's own, which means nothing.
		}
		line = strings.Map(printable, strings.ToValidUTF8(strings.ReplaceAll(line, "\t", "    "), "?"))
		if len(line) > messageLimit {
			line = strings.ToValidUTF8(line[:messageLimit], "") + "…"
		}
		size += len(line)
		if i == diffLines || size > diffLimit {
			return strings.Join(append(lines[:i], "… and more, which is left out"), "\n")
		}
		lines[i] = strings.TrimRight(line, " ")
	}
	if cut {
		lines = append(lines, "… and more, which is left out")
	}
	return strings.Join(lines, "\n")
}

func printable(r rune) rune {
	if !unicode.IsPrint(r) {
		return -1
	}
	return r
}

// clean makes a foreign text one printable line of at most limit bytes.
func clean(text string, limit int) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		return printable(r)
	}, strings.ToValidUTF8(text, "?"))
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "") + "…"
	}
	return text
}

// advice says what to do about what Ansible says.
var advice = []struct{ says, do string }{
	{"no vault secrets found", "name the password of the file's vault id under vaults"},
	{"no vault secrets were found that could decrypt", "the password under vaults is not the one that it was encrypted with, or that of its vault id is missing"},
	{"you probably need to set the interpreter", "is Python on the host? Install python3 there, or say where it is by the variable ansible_python_interpreter"},
	{"No space left on device", "a disk is full: the host's own, or the agent's in-memory directory for runs"},
	{"to use the 'ssh' connection type with passwords", "install sshpass on the agent's host, or log in with a key"},
	{"Missing sudo password", "let the user run sudo without a password on the host, or give ansible_become_password as a secret among vars"},
}

// advised adds what to do to a line that was made of text.
func advised(line, text string) string {
	for _, a := range advice {
		if strings.Contains(text, a.says) {
			return line + " (" + a.do + ")"
		}
	}
	return line
}
