package config

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"unicode"

	"gopkg.in/yaml.v3"
)

var (
	atLine   = regexp.MustCompile(`(?s)^(?:yaml: )?line (\d+): (.*)$`)
	unknown  = regexp.MustCompile(`^field (\S+) not found in type config\.(\w+)$`)
	unfit    = regexp.MustCompile("(?s)^cannot unmarshal \\S+(?: `(.*)`)? into (.*)$")
	ofFields = map[string]reflect.Type{
		"Settings": reflect.TypeFor[Settings](), "Repository": reflect.TypeFor[Repository](), "SSH": reflect.TypeFor[SSH](), "Log": reflect.TypeFor[Log](), "SweepAt": reflect.TypeFor[SweepAt](),
		"Hooks": reflect.TypeFor[Hooks](), "HTTP": reflect.TypeFor[HTTP](), "TLS": reflect.TypeFor[TLS](), "Token": reflect.TypeFor[Token](), "Notify": reflect.TypeFor[Notify](),
		"Journal":   reflect.TypeFor[Journal](),
		"Heartbeat": reflect.TypeFor[Heartbeat](),
		"Forge":     reflect.TypeFor[Forge](),
		"Webhooks":  reflect.TypeFor[Webhooks](),
		"Verify":    reflect.TypeFor[Verify](),
	}
)

// mistakes puts what yaml says of a file into words that need no Go: a line each,
// with its place and its remedy.
func mistakes(file string, err error) error {
	lines := []string{err.Error()}
	if all, ok := errors.AsType[*yaml.TypeError](err); ok {
		lines = all.Errors
	}
	var said []error
	for _, line := range lines {
		place, text := file, strings.TrimPrefix(line, "yaml: ")
		if m := atLine.FindStringSubmatch(line); m != nil {
			place, text = file+":"+m[1], m[2]
		}
		if m := unknown.FindStringSubmatch(text); m != nil {
			text = fmt.Sprintf("unknown field %q: write one of %s", m[1], strings.Join(fields(ofFields[m[2]]), ", "))
		} else if m := unfit.FindStringSubmatch(text); m != nil {
			text = fmt.Sprintf("%q does not fit here: %s", m[1], shape(m[2]))
		}
		said = append(said, fmt.Errorf("%s: %s", place, oneLine(text)))
	}
	return errors.Join(said...)
}

// oneLine is a text without what would end its line or reach a terminal.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}

// fields are the words that a map of the settings may hold.
func fields(t reflect.Type) []string {
	var words []string
	if t == nil {
		return words
	}
	for field := range t.Fields() {
		if word := field.Tag.Get("yaml"); word != "" && word != "-" {
			words = append(words, word)
		}
	}
	return words
}

// shape says what should stand in the place of a value.
func shape(goType string) string {
	name := strings.TrimPrefix(goType, "config.")
	switch {
	case ofFields[name] != nil:
		return "write a map of " + strings.Join(fields(ofFields[name]), ", ")
	case strings.HasPrefix(name, "[]config.") && ofFields[strings.TrimPrefix(name, "[]config.")] != nil:
		return "write a list, each a map of " + strings.Join(fields(ofFields[strings.TrimPrefix(name, "[]config.")]), ", ")
	case strings.HasPrefix(goType, "map["):
		return "write a map, as in {pve: /etc/berth/pve-token}"
	case goType == "bool":
		return "write true or false"
	}
	return "write one value"
}
