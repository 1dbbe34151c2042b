package report

import (
	"berth/drift"
)

// maxRows is how many of a resource's fields are listed that say no more than from
// what to what: an edge may have thousands of names.
const maxRows = 60

// shown are the fields of a change that are worth a row. Of an upstream that comes or
// goes as a whole, what is as usual is not: its servers tell of it.
func (v *viewer) shown(c *drift.Change) []*drift.Field {
	var all []*drift.Field
	for i := range c.Fields {
		f := &c.Fields[i]
		made := c.Step == drift.Create || c.Step == drift.Fetch
		if !v.verbose && f.Held == "" && (made || usual(f)) {
			continue
		}
		all = append(all, f)
	}
	return all
}

// usual tells whether a field is an option of an upstream that comes or goes, and is
// what it is unless anything is written.
func usual(f *drift.Field) bool {
	keys := f.Path.Keys()
	if len(keys) != 3 || keys[0] != "upstreams" || f.Before != (drift.Value{}) && f.After != (drift.Value{}) {
		return false
	}
	value := f.Before.Text + f.After.Text
	return value == usualOption(keys[2])
}

// usualOption is an upstream's option where nothing is written; a test compares it
// with the language.
func usualOption(name string) string {
	switch name {
	case "proxyProtocol":
		return "false"
	case "keepalive":
		return "0"
	case "connect":
		return "5s"
	case "idle":
		return "10m"
	default:
		return ""
	}
}

// bound takes rows out of a block that has more than anybody reads. What goes, is held
// or has something to say stays; of what failed as much as anybody reads.
func (v *viewer) bound(b *block) {
	if v.verbose || len(b.rows) <= maxRows {
		return
	}
	var rows []row
	plain, left, failed, hidden := 0, 0, 0, 0
	for _, r := range b.rows {
		if r.remark.word == string(drift.Failed) {
			if failed++; failed > maxRows {
				hidden++
				continue
			}
		}
		if r.remark.word == "" && r.sign != Goes && r.sign != Held {
			if plain++; plain > maxRows {
				left++
				continue
			}
		}
		rows = append(rows, r)
	}
	b.rows = rows
	fold := func(n int, what string) {
		if n > 0 {
			more := remark{text: "… " + grouped(n) + what + "; --verbose lists them"}
			b.remarks = append([]remark{more}, b.remarks...)
		}
	}
	fold(left, " more like these")
	fold(hidden, " more that failed, each with its reason")
}
