package report

import (
	"slices"
	"strings"

	"berth/drift"
)

// blind tells what could not be read.
func (v *viewer) blind(b drift.Blind) block {
	id := neutral(string(b.ID))
	if id == "" && b.Site != "" {
		id = "site " + neutral(b.Site)
	}
	if id == "" {
		id = "every " + neutral(b.Kind)
	}
	return block{
		class: unknown, sign: Unknown, id: id,
		remarks: []remark{{sign: Unknown, word: "unknown", text: sentence(b.Reason, "nothing is planned there", b.Remedy)}},
	}
}

// foreign tells of what is not ours.
func (v *viewer) foreign(f drift.Foreign) block {
	way := ""
	if f.ID != "" {
		way = "in the way of " + string(f.ID)
	}
	return block{
		class: foreign, sign: Foreign, id: neutral(f.What),
		remarks: []remark{{sign: Foreign, word: "not ours", text: sentence(f.Reason, way, f.Remedy)}},
	}
}

// toldAs tells whether a held change says the same already.
func (v *viewer) toldAs(f drift.Foreign) bool {
	step, planned := v.first[f.ID]
	if f.ID == "" || !planned {
		return false
	}
	for i := range v.report.Plan.Changes {
		if c := &v.report.Plan.Changes[i]; c.ID == f.ID && c.Step == step {
			return strings.Contains(c.Held, f.What) && strings.Contains(c.Held, f.Reason)
		}
	}
	return false
}

func (v *viewer) note(n drift.Note) block {
	if n.Unknown {
		return block{
			class: unknown, sign: Unknown, id: neutral(string(n.ID)), source: neutral(n.Source.String()),
			remarks: []remark{{sign: Unknown, word: "unknown", text: neutral(n.Text)}},
		}
	}
	return block{
		class: notes, sign: Remark, id: neutral(string(n.ID)), source: neutral(n.Source.String()),
		remarks: []remark{{text: neutral(n.Text)}},
	}
}

// sentence joins what is not empty.
func sentence(parts ...string) string {
	parts = slices.DeleteFunc(parts, func(p string) bool { return p == "" })
	return neutral(strings.Join(parts, "; "))
}
