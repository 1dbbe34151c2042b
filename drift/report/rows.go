package report

import (
	"fmt"
	"strings"

	"berth/desired"
	"berth/drift"
)

// row makes the line of one field.
func (v *viewer) row(res *resource, c *drift.Change, field *drift.Field) row {
	f := field
	if res.fate(c, f).status == drift.Done {
		// What was waited for is known by now.
		known := *field
		known.After.From = ""
		f = &known
	}
	r := row{path: neutral(string(f.Path)), origin: neutral(origin(f, v.verbose))}
	switch name := routed(f); {
	case name != "":
		r.path = neutral(name)
		v.route(&r, f)
	case f.Path.Within("edits") && len(f.Path.Keys()) == 2:
		// A line that people changed in what Berth wrote: it is written anew.
		r.path, r.sign, r.value = neutral(f.Path.Keys()[1]), Differs, v.value(f.Before, f)
	case c.Step == drift.Run && f.Path.Within("hosts"):
		if keys := f.Path.Keys(); len(keys) == 2 {
			r.path = neutral(keys[1])
		}
		v.host(&r, f, res.fate(c, f).status == drift.Done)
	case f.Before == drift.Value{}:
		r.value = "→ " + v.value(f.After, f)
	default:
		r.value = v.difference(f)
	}
	whole := res.fate(c, nil)
	switch end := res.fate(c, f); {
	case end.status == drift.Failed || end.status == drift.Skipped || end.status == drift.Left:
		r.sign, _ = signOf(end.status)
		if end != whole {
			r.remark = remark{sign: r.sign, word: string(end.status), text: neutral(end.reason)}
		}
	case f.Held != "":
		r.sign, r.remark = Held, heldRemark("held", f.Held)
	case c.Held != "" || end.status == drift.Held:
		r.sign = Held
	case end.status == drift.Done && c.Step != drift.Pending:
		// What is done takes effect no more.
	default:
		r.effect = res.effect(c, f)
	}
	if v.verbose || res.fate(c, f).status != drift.Done {
		r.lines = v.lines(f)
	}
	return r
}

// heldRemark tells why something is held: what waits for an unlock by a word of its own.
func heldRemark(word, reason string) remark {
	if text, waits := strings.CutPrefix(reason, desired.WaitingForUnlock+": "); waits {
		return remark{sign: Held, word: desired.WaitingForUnlock, text: neutral(text)}
	}
	return remark{sign: Held, word: word, text: neutral(reason)}
}

// rowLines is how much of what a difference consists of is shown.
const rowLines = 20

// lines show what a difference consists of.
func (v *viewer) lines(f *drift.Field) []string {
	lines := make([]string, 0, len(f.Lines))
	for i, line := range f.Lines {
		if !v.verbose && i == rowLines {
			return append(lines, fmt.Sprintf("… %s more; --verbose lists them", count(len(f.Lines)-i, "line")))
		}
		lines = append(lines, indented(line))
	}
	return lines
}

// indented is a line made neutral, which begins as far to the right as it did.
func indented(line string) string {
	text := strings.TrimLeft(line, " ")
	return line[:len(line)-len(text)] + neutral(text)
}

// route tells where a name goes.
func (v *viewer) route(r *row, f *drift.Field) {
	switch {
	case f.After == drift.Value{}:
		r.sign, r.value = Goes, "was "+v.value(f.Before, f)
	case f.Before == drift.Value{}:
		r.sign, r.value = Comes, "→ "+v.value(f.After, f)
	default:
		r.sign, r.value = Differs, v.difference(f)
	}
}

// host tells why a playbook runs on a host: digests mean nothing to people.
func (v *viewer) host(r *row, f *drift.Field, done bool) {
	switch {
	case done && f.Reason != "":
		r.value = "ran: " + neutral(f.Reason)
	case done:
		r.value = "ran"
	case f.Reason != "":
		r.value = neutral(f.Reason)
	case f.After.From != "":
		r.value = "after " + v.source(f.After, f)
	case f.Before == drift.Value{}:
		r.value = "has not run here"
	case f.Origin == drift.FromLive:
		// The manifests ask for what they asked for then.
		r.value = "a secret, another repository or the guest itself is new since its last run"
	default:
		r.value = "playbook, variables or guest are new since its last run"
		return
	}
	// Which side moved is said already, and it is neither where somebody asks.
	r.origin = ""
}
