package nginx

import (
	"strings"

	"berth/applyers/nginx/conf"
)

// explain takes what was edited in the managed files: what no field shows is a
// difference of its own, by its place, and the rest explains fields.
func (st *state) explain(notes []conf.Note) {
	for _, n := range notes {
		if n.Shown || st.base == nil {
			st.notes = append(st.notes, n)
			continue
		}
		if st.base.Edits == nil {
			st.base.Edits = make(map[string]string)
		}
		text := n.Text
		if before, twice := st.base.Edits[n.Place()]; twice {
			text = before + "; " + text
		}
		st.base.Edits[n.Place()] = text
	}
}

// edited tells whether a change undoes what was edited in the file of a side, or in one
// that it includes: of those it is not known which side does.
func (c *changing) edited(side int) bool {
	for path := range c.made {
		if path.Within(editsPath) && !inFile(path.Keys()[1], c.files[1-side].path) {
			return true
		}
	}
	return false
}

// inFile tells whether a place is in a file.
func inFile(place, file string) bool {
	rest, found := strings.CutPrefix(place, file)
	return found && (rest == "" || rest[0] == ':')
}
