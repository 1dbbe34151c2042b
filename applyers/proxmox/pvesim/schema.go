package pvesim

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

const notInSchema = "property is not defined in schema and the schema does not allow additional properties"

// spec says what a parameter may hold.
type spec struct {
	kind     string // bool, int, num, str, prop
	min, max *float64
	enum     []string
	maxLen   int
	format   string
	prop     *schema // of a property string
	required bool
	key      bool   // the default key of a property string
	pattern  string // the name of one, see patterns
	minLen   int
	needs    string // a parameter that must be given as well
	alias    string // the key that this one stands for
	count    int    // of an indexed parameter: 0 … count-1
}

// schema maps names to specs. Indexed parameters stand under their name without digits.
type schema struct {
	order   []string
	specs   map[string]spec
	indexed map[string]spec
}

// parseSchema reads a table: one parameter a line, as "name kind option…". A name
// such as net[32] is indexed. Options: req, key, min=, max=, len=, minlen=, fmt=,
// pat=<pattern>, enum=a|b or enum=@<kind of slots>, prop=<format>, needs=<parameter>, alias=<key>.
func parseSchema(table string, props map[string]*schema) *schema {
	s := &schema{specs: map[string]spec{}, indexed: map[string]spec{}}
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		sp := spec{kind: f[1]}
		for _, o := range f[2:] {
			k, v, _ := strings.Cut(o, "=")
			switch k {
			case "req":
				sp.required = true
			case "key":
				sp.key = true
			case "min":
				sp.min = number(v)
			case "max":
				sp.max = number(v)
			case "len":
				sp.maxLen = atoi(v)
			case "minlen":
				sp.minLen = atoi(v)
			case "fmt":
				sp.format = v
			case "pat":
				sp.pattern = v
			case "needs":
				sp.needs = v
			case "enum":
				sp.enum = strings.Split(v, "|")
				if names, ok := strings.CutPrefix(v, "@"); ok {
					sp.enum = slotNames()[names]
				}
			case "alias":
				sp.alias = v
			case "prop":
				sp.prop = props[v]
			}
		}
		name := f[0]
		if base, rest, ok := strings.Cut(name, "["); ok {
			sp.count = atoi(strings.TrimSuffix(rest, "]"))
			s.indexed[base] = sp
			continue
		}
		s.order = append(s.order, name)
		s.specs[name] = sp
	}
	return s
}

// with returns a schema that has the lines of the table as well.
func (s *schema) with(table string) *schema {
	more := parseSchema(table, nil)
	out := &schema{specs: map[string]spec{}, indexed: s.indexed}
	for _, from := range []*schema{s, more} {
		for _, n := range from.order {
			if _, ok := out.specs[n]; !ok {
				out.order = append(out.order, n)
			}
			out.specs[n] = from.specs[n]
		}
	}
	return out
}

func number(s string) *float64 {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return nil
	}
	return &v
}

func (s *schema) lookup(name string) (spec, bool) {
	if sp, ok := s.specs[name]; ok {
		return sp, true
	}
	base, n := splitIndex(name)
	if n < 0 {
		return spec{}, false
	}
	sp, ok := s.indexed[base]
	return sp, ok && n < sp.count
}

// splitIndex takes "net12" apart; the index is -1 when there is none.
func splitIndex(name string) (string, int) {
	base := strings.TrimRight(name, "0123456789")
	digits := name[len(base):]
	if digits == "" || len(digits) > 1 && digits[0] == '0' || len(digits) > 6 {
		return name, -1
	}
	return base, atoi(digits)
}

// check verifies one value and returns what is wrong with it, or "".
func (sp spec) check(name, v string) string {
	switch sp.kind {
	case "bool":
		if v != "0" && v != "1" {
			return fmt.Sprintf("type check ('boolean') failed - got '%s'", v)
		}
	case "int":
		if !isInteger(v) {
			return fmt.Sprintf("type check ('integer') failed - got '%s'", v)
		}
	case "num":
		if _, err := strconv.ParseFloat(v, 64); err != nil {
			return fmt.Sprintf("type check ('number') failed - got '%s'", v)
		}
	}
	if sp.prop != nil {
		if _, text := sp.prop.parseProps(name, v); text != "" {
			return "invalid format - " + text
		}
	}
	if sp.format != "" {
		if text := checkFormat(sp.format, v); text != "" {
			return "invalid format - " + text + "\n"
		}
	}
	if sp.pattern != "" && !matches(sp.pattern, v) {
		return "value does not match the regex pattern"
	}
	if n := len([]rune(v)); n < sp.minLen {
		return fmt.Sprintf("value must be at least %d characters long", sp.minLen)
	}
	if sp.maxLen > 0 && len([]rune(v)) > sp.maxLen {
		return fmt.Sprintf("value may only be %d characters long", sp.maxLen)
	}
	if sp.enum != nil && !slices.Contains(sp.enum, v) {
		return fmt.Sprintf("value '%s' does not have a value in the enumeration '%s'", v, strings.Join(sp.enum, ", "))
	}
	if sp.kind == "int" || sp.kind == "num" {
		n, _ := strconv.ParseFloat(v, 64)
		if sp.min != nil && n < *sp.min {
			return "value must have a minimum value of " + trimFloat(*sp.min)
		}
		if sp.max != nil && n > *sp.max {
			return "value must have a maximum value of " + trimFloat(*sp.max)
		}
	}
	return ""
}

func isInteger(v string) bool {
	d := strings.TrimPrefix(strings.TrimPrefix(v, "-"), "+")
	return d != "" && strings.Trim(d, "0123456789") == ""
}

func trimFloat(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// collect merges the parameters of the path with those of query and body.
func (q *call) collect(vars map[string]string) error {
	for k, v := range vars {
		if p, ok := q.params[k]; ok {
			if s, isString := p.(string); !isString || s != v {
				return badParam(k, "duplicate parameter (already defined in URI) with conflicting values!")
			}
		}
	}
	q.args = map[string]string{}
	for k, v := range q.params {
		if s, ok := v.(string); ok {
			q.args[k] = s
		}
	}
	maps.Copy(q.args, vars)
	return nil
}

// verify checks the parameters; all that are wrong are told at once.
func (q *call) verify(vars map[string]string) error {
	wrong := map[string]string{}
	s := q.ep.schema
	for k, v := range q.params {
		if _, ok := vars[k]; ok {
			continue
		}
		sp, ok := s.lookup(k)
		switch v := v.(type) {
		case nil:
			return fail("unable to parse value of '%s' - got undefined value", k)
		case []string:
			switch {
			case !ok:
				wrong[k] = notInSchema
			case strings.HasSuffix(sp.format, "-list"):
				q.args[k] = strings.Join(v, ",")
			default:
				wrong[k] = fmt.Sprintf("type check ('%s') failed - got ARRAY", longKind(sp.kind))
			}
		case string:
			if !ok {
				wrong[k] = notInSchema
			} else if text := sp.check(k, v); text != "" {
				wrong[k] = text
			}
		}
	}
	for k, v := range vars {
		if k == "vmid" {
			if !isInteger(v) {
				wrong[k] = fmt.Sprintf("type check ('integer') failed - got '%s'", v)
			} else if text := checkFormat("vmid", v); text != "" {
				wrong[k] = "invalid format - " + text + "\n"
			}
		}
	}
	for _, k := range s.order {
		_, ok := q.params[k]
		if _, inPath := vars[k]; !ok && s.specs[k].required && !inPath {
			wrong[k] = "property is missing and it is not optional"
		}
		if need := s.specs[k].needs; ok && need != "" && q.params[need] == nil {
			wrong[need] = fmt.Sprintf("missing property - '%s' requires this property", k)
		}
	}
	if len(wrong) > 0 {
		return paramError(wrong)
	}
	return nil
}

// checkAll verifies parameters that are there as texts; none of them is unknown.
func (s *schema) checkAll(params map[string]string) map[string]string {
	wrong := map[string]string{}
	for _, k := range s.order {
		sp := s.specs[k]
		v, ok := params[k]
		switch {
		case !ok && sp.required:
			wrong[k] = "property is missing and it is not optional"
		case ok:
			if text := sp.check(k, v); text != "" {
				wrong[k] = text
			}
		}
		if _, have := params[sp.needs]; ok && sp.needs != "" && !have {
			wrong[sp.needs] = fmt.Sprintf("missing property - '%s' requires this property", k)
		}
	}
	return wrong
}

func longKind(k string) string {
	switch k {
	case "int":
		return "integer"
	case "num":
		return "number"
	case "bool":
		return "boolean"
	}
	return "string"
}

func atoi(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}
