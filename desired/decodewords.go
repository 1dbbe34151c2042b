package desired

import "reflect"

// braced tells whether a map is what YAML makes of an unquoted {word}.
func (t *tree) braced() bool {
	return t.form == mapForm && len(t.entries) == 1 && t.entries[0].value.empty
}

// last is a path's last key.
func last(p Path) string {
	keys := p.Keys()
	if len(keys) == 0 {
		return ""
	}
	return keys[len(keys)-1]
}

// exampleOf shows how a struct is written.
func exampleOf(s *shape) string {
	if len(s.fields) == 0 {
		return "{…}"
	}
	example := "{" + s.fields[0].word + ": …}"
	if s.detachable {
		example += " or absent"
	}
	return example
}

// exampleOfScalar shows how a scalar is written.
func exampleOfScalar(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[Size]():
		return "a size as in 512MiB"
	case reflect.TypeFor[Duration]():
		return "a length of time as in 10m"
	case reflect.TypeFor[Share]():
		return "a number of hosts, or a share as in 25%; steps go into the play itself"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Float64:
		return "a number"
	default:
		return "one word, in quotes if need be"
	}
}
