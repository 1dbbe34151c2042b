// Package conf is the text of an edge: it writes the files that nginx includes,
// one for its stream block and one for its http block, and reads them back, as
// people may have left them, into the manifest's words.
//
// It is pure: it touches no file and asks nobody. Whatever nginx's own test does
// not look at (the values of a map, ports, names that resolve to nothing) is
// refused here, since nginx would find out only when somebody connects.
package conf

import (
	"bytes"
	"fmt"
	"strings"

	"berth/desired"
)

// Domain is a domain that nobody can own (RFC 6761). A file leads one random name
// below it to the agent, so that the agent can tell which file the workers really
// run, and closes all others.
const Domain = "berth.invalid"

// Files are an edge's managed files. nil is a file that is not there, or that the
// edge has nothing for.
type Files struct {
	// Stream is included by nginx's stream block: TLS by name, further ports.
	Stream []byte
	// HTTP is included by nginx's http block: the twin of port 80.
	HTTP []byte
}

// Mark is what makes a file ours: the fleet, by name and random id, and the edge.
type Mark struct {
	Fleet, UID string
	ID         desired.ID
}

// prefix begins the first line of a file that is ours.
func (m Mark) prefix() string {
	text := "# berth: " + m.Fleet + "/" + string(m.ID)
	if m.UID != "" {
		text += " " + m.UID
	}
	return text + ";"
}

// Owns tells whether the first line of a file is m's.
func (m Mark) Owns(content []byte) bool { return bytes.HasPrefix(content, []byte(m.prefix())) }

// Blank is a file of m's that says nothing: for a path that nginx includes by its
// full name, which has to be there. [Parse] takes it for a file that is not there.
func (m Mark) Blank() []byte { return []byte(m.firstLine() + "\n") }

// firstLine is the whole of a file's first line.
func (m Mark) firstLine() string {
	return m.prefix() + " do not edit: it is made from Git, and the next turn undoes what is changed here."
}

// upstream is an upstream's name in nginx, which can't clash with what else stands
// in its configuration.
func (m Mark) upstream(name string) string { return "berth_" + m.ID.Name() + "_" + name }

// variable is a variable of the edge's own.
func (m Mark) variable(word string) string {
	return "$berth_" + strings.ReplaceAll(m.ID.Name(), "-", "_") + "_" + word
}

// Witness is a random name below [Domain] and where it leads while the agent waits
// for nginx's new workers. The zero Witness is none.
type Witness struct {
	// Name is the name, as in "5b1f.berth.invalid".
	Name string
	// Stream is the address with a port that the name leads to by SNI, with
	// whatever the edge's upstreams get before it (a PROXY header); "" is nowhere.
	Stream string
	// HTTP is the address with a port that the name leads to by Host; "" is nowhere.
	HTTP string
}

// Options are what a file says besides the edge.
type Options struct {
	// Mark is whose the files are.
	Mark Mark
	// IPv6 tells whether a bare port is listened on by IPv6, too. A kernel without
	// IPv6 makes nginx refuse the whole configuration.
	IPv6 bool
	// Witness is the name that leads to the agent.
	Witness Witness
	// Live is the edge as it was read from the files that stand there; nil is none.
	// What it has and the new edge has as well is written again as it is, even if it
	// could not be written newly: a route that somebody broke by hand keeps no other
	// from being changed. What would end an entry is refused in any case.
	Live *desired.Edge
}

// Sources are where files that are parsed come from, and what is known of the
// machine they stand on.
type Sources struct {
	// Mark is whose the files must be.
	Mark Mark
	// IPv6 is as in [Options].
	IPv6 bool
	// Stream and HTTP are the files' paths, for errors and notes.
	Stream, HTTP string
	// Include reads what an include within a map stands for: pattern is the
	// directive's word, relative to the directory of nginx's main file unless it is
	// absolute, and may have wildcards. nil finds nothing.
	Include func(pattern string) ([]Included, error)
}

// Included is a file that another includes.
type Included struct {
	Path    string
	Content []byte
}

// Live is what files say.
type Live struct {
	// Edge is what they say, in the manifest's words; nil if there is no file. Its
	// targets are addresses, names of upstreams, reject or redirect; what people
	// wrote by hand instead stands as it is.
	Edge *desired.Edge
	// Witness is the name that leads to the agent, if any does.
	Witness Witness
	// Notes are about lines that were edited.
	Notes []Note
}

// Note is about a line of a managed file.
type Note struct {
	File string
	// Line counts from 1; 0 is the whole file.
	Line int
	Text string
	// Shown tells that fields of the edge show it, too: the note explains them. What
	// no field shows differs all the same from what Render writes.
	Shown bool
}

// Place is the file with the line.
func (n Note) Place() string {
	if n.Line == 0 {
		return n.File
	}
	return fmt.Sprintf("%s:%d", n.File, n.Line)
}

// String is the note with its place.
func (n Note) String() string { return n.Place() + ": " + n.Text }

// DamagedError is the error of files of ours that have nothing of an edge any
// more, whatever nginx thinks of them.
type DamagedError struct {
	File, Reason string
}

// Error tells the file and what it lacks.
func (e *DamagedError) Error() string { return e.File + ": " + e.Reason }

// ForeignError is the error of a file that is not ours.
type ForeignError struct {
	File, Reason string
}

// Error tells the file and whose it is.
func (e *ForeignError) Error() string { return e.File + ": " + e.Reason }

// Fault is why something of an edge can't be rendered.
type Fault struct {
	Path   desired.Path
	Reason string
}

// UnfitError is the error of an edge that can't be rendered.
type UnfitError struct {
	// Faults has at least one, sorted by path.
	Faults []Fault
}

// Error is the first fault, and how many there are.
func (e *UnfitError) Error() string {
	text := fmt.Sprintf("%s: %s", e.Faults[0].Path, e.Faults[0].Reason)
	if more := len(e.Faults) - 1; more > 0 {
		text += fmt.Sprintf(" (and %d more)", more)
	}
	return text
}
