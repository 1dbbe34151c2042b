package desired

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// regexpPlaceholder finds a placeholder, known or not. Two braces are Jinja.
var regexpPlaceholder = regexp.MustCompile(`\{[^{}]*\}`)

// placeholderFields are where {project} and {env} stand for something.
func placeholderFields() []string { return []string{"name", "hostname", "groups", "tags"} }

// filling is what a project's placeholders stand for in one of its products.
type filling struct{ project, env string }

// layer is a layer with its placeholders filled in.
func (f filling) layer(t *tree) *tree {
	if !slices.ContainsFunc(t.entries, func(e entry) bool { return slices.Contains(placeholderFields(), e.key) }) {
		return t
	}
	out := t.without()
	for i, e := range out.entries {
		switch e.key {
		case "name", "hostname", "tags":
			out.entries[i].value = f.fill(e.value, func(word string) string { return word })
		case "groups":
			// A group's name has letters, digits and "_" alone.
			out.entries[i].value = f.fill(e.value, groupWord)
		}
	}
	return out
}

// fill replaces the placeholders of a text, or of a list of texts.
func (f filling) fill(t *tree, word func(string) string) *tree {
	out := *t
	switch t.form {
	case scalarForm:
		out.text = strings.NewReplacer("{project}", word(f.project), "{env}", word(f.env)).Replace(t.text)
	case listForm:
		out.items = make([]*tree, len(t.items))
		for i, item := range t.items {
			out.items[i] = f.fill(item, word)
		}
	default:
	}
	return &out
}

// checkPlaceholders refuses placeholders that nothing is put in for. What is
// Ansible's or cloud-init's to read may hold any braces.
func (l *loader) checkPlaceholders(p *project, at Path, t *tree) {
	for _, e := range t.entries {
		switch e.key {
		case "vars", "cloudInit", "description":
		case "name", "hostname":
			l.knownPlaceholders(p, at.Sub(e.key), e.value, true)
		case "groups", "tags":
			l.knownPlaceholders(p, at.Sub(e.key), e.value, false)
		default:
			l.strayPlaceholders(p, at.Sub(e.key), e.value)
		}
	}
}

func (l *loader) knownPlaceholders(p *project, at Path, t *tree, numbers bool) {
	for _, item := range t.items {
		l.knownPlaceholders(p, at, item, numbers)
	}
	if t.form != scalarForm {
		return
	}
	for _, word := range regexpPlaceholder.FindAllString(t.text, -1) {
		remedy := "no placeholder " + word + ": write {project} or {env}"
		switch {
		case word == "{project}" || word == "{env}" || hasNumber(word) && numbers:
			continue
		case hasNumber(word):
			remedy = word + " stands in name and hostname only: take it out"
		case word == "{environment}" || word == "{stage}":
			remedy = word + ": write {env}"
		}
		l.report(t.src(), p.id, fmt.Sprintf("%s: %s", at, remedy))
		// One mistake is told once.
		t.text = strings.ReplaceAll(t.text, word, "{env}")
	}
}

func (l *loader) strayPlaceholders(p *project, at Path, t *tree) {
	switch t.form {
	case scalarForm:
		if strings.Contains(t.text, "{project}") || strings.Contains(t.text, "{env}") {
			l.report(t.src(), p.id, fmt.Sprintf("%s: {project} and {env} stand for something in name, hostname, groups and tags only: write the value at each environment", at))
			t.form = brokenForm
		}
	case listForm:
		for _, item := range t.items {
			l.strayPlaceholders(p, at, item)
		}
	case mapForm:
		for _, e := range t.entries {
			l.strayPlaceholders(p, at.Sub(e.key), e.value)
		}
	default:
	}
}
