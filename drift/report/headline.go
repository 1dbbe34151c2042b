package report

import (
	"slices"
	"strings"

	"berth/desired"
	"berth/drift"
)

// headline says in a few words what happens to a resource beyond its fields.
func (v *viewer) headline(res *resource) string {
	var words []string
	if making := res.steps[drift.Create]; making != nil && (making.Held == "" || v.verbose) {
		words = append(words, v.essentials(making))
	}
	var steps, reasons []string
	for _, c := range res.changes {
		done := res.fate(c, nil).status == drift.Done
		if plain(c) && c.Held == "" || done && c.Step != drift.Route && c.Step != drift.Early && c.Step != drift.Drain {
			if name := stepWord(c.Step, done); name != "" && !slices.Contains(steps, name) {
				steps = append(steps, name)
			}
		}
		if reason := why(c); (!done || c.Step.Destructive()) && reason != "" && !slices.Contains(reasons, reason) {
			reasons = append(reasons, reason)
		}
	}
	doing, reason := strings.Join(steps, ", "), strings.Join(reasons, "; ")
	switch {
	case reason == "":
		words = append(words, doing)
	case doing == "" || res.steps[drift.Create] != nil || res.steps[drift.Run] != nil:
		words = append(words, reason, doing)
	default:
		words = append(words, doing+": "+reason)
	}
	words = slices.DeleteFunc(words, func(s string) bool { return s == "" })
	return strings.Join(words, " · ")
}

// why is a change's reason, without what stands beside it already: that the
// resource is new or gone, and when a pending field takes effect.
func why(c *drift.Change) string {
	reason := neutral(c.Reason)
	if c.Step == drift.Pending || c.Step == drift.Create && reason == newInGit {
		return ""
	}
	if c.Source.File == "" {
		reason = strings.TrimPrefix(strings.TrimLeft(strings.TrimPrefix(reason, goneFromGit), ",: "), "and ")
	}
	return reason
}

// plain tells whether a change is told by its step's name alone.
func plain(c *drift.Change) bool {
	switch c.Step {
	case drift.Create, drift.Online, drift.Pending, drift.Route, drift.Early, drift.Drain, drift.Run:
		return false
	default:
		return true
	}
}

// Past is how people call a step that was done: "archived".
func Past(s drift.Step) string { return stepWord(s, true) }

// Headline is the summary in one line: "1 created, 2 changed, 1 held", or "no
// differences".
func (r *Report) Headline() string { return r.line() }

// stepWord is how people call a step that is planned, or that was done.
func stepWord(s drift.Step, done bool) string {
	if !done {
		if s == drift.Ready {
			return ""
		}
		return neutral(string(s))
	}
	past := map[drift.Step]string{
		drift.Fetch: "fetched", drift.Create: "created", drift.Restore: "restored", drift.Online: "changed",
		drift.Pending: "changed", drift.Reboot: "rebooted", drift.Start: "started", drift.Stop: "stopped",
		drift.Ready: "ready", drift.Run: "ran", drift.Route: "routed", drift.Early: "routed", drift.Drain: "drained",
		drift.Archive: "archived", drift.Delete: "deleted", drift.Adopt: "adopted", drift.Release: "released",
		drift.Migrate: "migrated", drift.Detach: "detached", drift.Attach: "attached",
	}
	if word := past[s]; word != "" {
		return word
	}
	return neutral(string(s)) + " done"
}

// essentials are what people look for in something that is made: where, which
// number, which address, how large.
func (v *viewer) essentials(c *drift.Change) string {
	value := make(map[desired.Path]string)
	var disks []string
	address := ""
	for i := range c.Fields {
		f := &c.Fields[i]
		text := neutral(f.After.Text)
		if f.After.Secret || f.After.From != "" {
			text = ""
		}
		value[f.Path] = text
		keys := f.Path.Keys()
		if len(keys) != 3 || text == "" {
			continue
		}
		switch {
		case keys[0] == "disks" && keys[2] == "size":
			disks = append(disks, neutral(keys[1]))
		case keys[0] == "networks" && keys[2] == "address" && address == "" && text != "none":
			address, _, _ = strings.Cut(text, "/")
		}
	}
	var where []string
	for _, lane := range c.Lanes {
		if node, ok := strings.CutPrefix(lane, "node:"); ok {
			where = append(where, "on "+neutral(node[strings.LastIndexByte(node, '/')+1:]))
			break
		}
	}
	if len(where) == 0 && c.Site != "" {
		where = append(where, "on "+neutral(c.Site))
	}
	for _, one := range []string{value["id"], address} {
		if one != "" {
			where = append(where, one)
		}
	}
	var size []string
	if template := value["clone.template"]; template != "" {
		size = append(size, "clone of "+template)
	}
	if cores := value["cpu.cores"]; cores != "" {
		size = append(size, cores+" CPU")
	}
	for _, path := range []desired.Path{"memory.size", "memory"} {
		if value[path] != "" {
			size = append(size, value[path])
		}
	}
	for _, slot := range disks {
		disk := desired.Path("disks").Sub(slot)
		text := slot + " " + value[disk+".size"]
		if s := value[disk+".storage"]; s != "" {
			text += " on " + s
		}
		if s := value[disk+".image"]; s != "" {
			text += " from " + s
		}
		size = append(size, text)
	}
	return cut(strings.TrimSuffix(strings.Join(where, ", ")+" · "+strings.Join(size, ", "), " · "), 200)
}
