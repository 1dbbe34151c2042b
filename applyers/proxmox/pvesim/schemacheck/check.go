package schemacheck

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Check returns what the server would say of a request's parameters: what is wrong
// by the name of the parameter, and under "" that there is no such method. The path
// is that below /api2/json, form the parameters of body and query together.
func (s *Schema) Check(method, path string, form url.Values) map[string]string {
	m, vars := s.route(method, path)
	if m == nil {
		return map[string]string{"": "there is no " + method + " " + path}
	}
	wrong := map[string]string{}
	given := map[string]bool{}
	for k, v := range vars {
		given[k] = true
		if p := m.Param(k); p != nil {
			s.value(wrong, k, p, v)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(form)) {
		if given[k] {
			if len(form[k]) != 1 || form[k][0] != vars[k] {
				wrong[k] = "differs from what the path says"
			}
			continue
		}
		given[k] = true
		p := m.Param(k)
		switch {
		case p == nil:
			wrong[k] = "is no parameter of " + method + " " + m.Path
		case len(form[k]) > 1 && !strings.HasSuffix(p.Format, "-list") && p.Type != "array":
			wrong[k] = "is given more than once"
		default:
			for _, v := range form[k] {
				s.value(wrong, k, p, v)
			}
		}
	}
	for k, p := range m.Params {
		if !p.Optional && !given[k] && !strings.HasSuffix(k, "[n]") {
			wrong[k] = "is missing"
		}
		if p.Requires != "" && given[k] && !given[p.Requires] {
			wrong[p.Requires] = "is missing, since " + k + " needs it"
		}
	}
	return wrong
}

func (s *Schema) value(wrong map[string]string, k string, p *Property, v string) {
	if text := s.Value(p, v); text != "" {
		wrong[k] = fmt.Sprintf("%s, got %q", text, v)
	}
}

// Value returns what is wrong with a value, or "". Formats come first, as on the
// server: of a value that has one, neither its length nor its range is looked at.
func (s *Schema) Value(p *Property, v string) string {
	switch p.Type {
	case "boolean":
		if v != "0" && v != "1" {
			return "must be 0 or 1"
		}
		return ""
	case "integer":
		if !integer(v) {
			return "must be an integer"
		}
	case "number":
		if _, err := strconv.ParseFloat(v, 64); err != nil {
			return "must be a number"
		}
	}
	keys := p.Keys
	if keys == nil {
		keys = s.formats[p.Format]
	}
	if keys != nil {
		return s.properties(keys, v)
	}
	if p.Format != "" {
		if text := format(p.Format, v); text != "" {
			return text
		}
	}
	return p.bounds(v)
}

// bounds are what a value must keep to beside its type and format.
func (p *Property) bounds(v string) string {
	n := utf8.RuneCountInString(v)
	switch {
	case p.Pattern != nil && !p.Pattern.MatchString(v):
		return "must match " + p.Pattern.String()
	case p.MaxLen > 0 && n > p.MaxLen:
		return fmt.Sprintf("may have %d characters", p.MaxLen)
	case n < p.MinLen:
		return fmt.Sprintf("must have %d characters", p.MinLen)
	case p.Enum != nil && !slices.Contains(p.Enum, v):
		return "must be one of " + strings.Join(p.Enum, ", ")
	}
	if f, err := strconv.ParseFloat(v, 64); err == nil && (p.Type == "integer" || p.Type == "number") {
		if p.Min != nil && f < *p.Min {
			return fmt.Sprintf("must be at least %v", *p.Min)
		}
		if p.Max != nil && f > *p.Max {
			return fmt.Sprintf("must be at most %v", *p.Max)
		}
	}
	return ""
}

func integer(v string) bool {
	d := strings.TrimPrefix(strings.TrimPrefix(v, "-"), "+")
	return d != "" && strings.Trim(d, "0123456789") == ""
}

// properties judges a property string such as "virtio=BC:…,bridge=vmbr0".
func (s *Schema) properties(keys map[string]*Property, value string) string {
	got := map[string]string{}
	for part := range strings.SplitSeq(value, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		k, v, ok := strings.Cut(part, "=")
		if ok && (k == "" || v == "") {
			return fmt.Sprintf("has a part %q without key or value", part)
		}
		if !ok {
			if k, v = defaultKey(keys), part; k == "" {
				return fmt.Sprintf("has a part %q without a key", part)
			}
		}
		p := keys[k]
		if p != nil && p.Alias != "" {
			if p.KeyAlias != "" {
				if _, dup := got[p.KeyAlias]; dup {
					return "has " + p.KeyAlias + " twice"
				}
				got[p.KeyAlias] = k
			}
			k = p.Alias
			p = keys[k]
		}
		if p == nil {
			return "has no key " + k
		}
		if _, dup := got[k]; dup {
			return "has " + k + " twice"
		}
		if p.Type == "boolean" {
			v = loose(v)
		}
		if text := s.Value(p, v); text != "" {
			return k + " " + text
		}
		got[k] = v
	}
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		_, have := got[k]
		if p := keys[k]; !have && !p.Optional && p.Alias == "" {
			return "lacks " + k
		}
		if r := keys[k].Requires; r != "" && have && got[r] == "" {
			return "lacks " + r + ", which " + k + " needs"
		}
	}
	return ""
}

func defaultKey(keys map[string]*Property) string {
	for k, p := range keys {
		if p.DefaultKey {
			return k
		}
	}
	return ""
}

// loose takes the spellings of a boolean that property strings allow.
func loose(v string) string {
	switch strings.ToLower(v) {
	case "1", "on", "yes", "true":
		return "1"
	case "0", "off", "no", "false":
		return "0"
	}
	return v
}
