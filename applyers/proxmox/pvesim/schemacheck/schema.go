package schemacheck

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Property is one parameter, or one key of a property string.
type Property struct {
	Type     string // boolean, integer, number, string, array; empty of an alias
	Optional bool
	// Format names a format; Keys are those of a property string.
	Format     string
	Keys       map[string]*Property
	Enum       []string
	Min, Max   *float64
	MinLen     int
	MaxLen     int // zero: no limit
	Pattern    *regexp.Regexp
	DefaultKey bool
	// Alias is the key that this one stands for, KeyAlias the key that takes this
	// one's name: virtio=<mac> is model=virtio,macaddr=<mac>.
	Alias, KeyAlias string
	Requires        string
}

// Method is one method of one path.
type Method struct {
	Name string // POST
	Path string // /nodes/{node}/qemu
	// Params maps names to properties; that of an indexed parameter ends in [n].
	Params map[string]*Property
	// check is the rule of rights, as the file has it.
	check any
	parts []string // of the path
}

// Schema is all of it.
type Schema struct {
	methods []*Method
	formats map[string]map[string]*Property // property strings that have a name
}

// raw is a property as the file has it.
type raw struct {
	Type       string          `json:"type"`
	Optional   any             `json:"optional"`
	Format     json.RawMessage `json:"format"`
	Enum       []any           `json:"enum"`
	Minimum    any             `json:"minimum"`
	Maximum    any             `json:"maximum"`
	MinLength  any             `json:"minLength"`
	MaxLength  any             `json:"maxLength"`
	Pattern    string          `json:"pattern"`
	DefaultKey any             `json:"default_key"`
	Alias      string          `json:"alias"`
	KeyAlias   string          `json:"keyAlias"`
	Requires   string          `json:"requires"`
}

type node struct {
	Path     string `json:"path"`
	Children []node `json:"children"`
	Info     map[string]struct {
		Parameters struct {
			Properties map[string]*raw `json:"properties"`
		} `json:"parameters"`
		Permissions struct {
			Check any    `json:"check"`
			User  string `json:"user"` // "all" may ask, and sees what they may see
		} `json:"permissions"`
	} `json:"info"`
}

// file finds the schema beside the module; "" when it is not there.
func file() string {
	dir, err := filepath.Abs(".")
	if err != nil {
		return ""
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
	}
	name := filepath.Join(dir, "..", "shared", "pve", "apischema.json")
	if _, err := os.Stat(name); err != nil {
		return ""
	}
	return name
}

// load reads the file once in a process, and only when somebody asks.
var load = sync.OnceValues(func() (*Schema, error) {
	name := file()
	if name == "" {
		return nil, nil //nolint:nilnil // absent is a valid answer
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read the schema: %w", err)
	}
	return parse(b)
})

// Load returns the schema; nil without an error where the reference is absent.
func Load() (*Schema, error) { return load() }

func parse(b []byte) (*Schema, error) {
	var roots []node
	if err := json.Unmarshal(b, &roots); err != nil {
		return nil, fmt.Errorf("read the schema: %w", err)
	}
	s := &Schema{formats: named()}
	var walk func(n node) error
	walk = func(n node) error {
		for name, info := range n.Info {
			if info.Permissions.User == "all" {
				info.Permissions.Check = nil
			}
			m := &Method{Name: name, Path: n.Path, Params: map[string]*Property{}, check: info.Permissions.Check, parts: segments(n.Path)}
			for k, r := range info.Parameters.Properties {
				p, err := property(r)
				if err != nil {
					return fmt.Errorf("read the schema: %s %s, %s: %w", name, n.Path, k, err)
				}
				m.Params[k] = p
			}
			s.methods = append(s.methods, m)
		}
		for _, c := range n.Children {
			if err := walk(c); err != nil {
				return err
			}
		}
		return nil
	}
	for _, r := range roots {
		if err := walk(r); err != nil {
			return nil, err
		}
	}
	if m := s.Method("POST", "/nodes/{node}/qemu"); m != nil && m.Params["ide[n]"] != nil {
		s.formats["pve-qm-ide"] = m.Params["ide[n]"].Keys
	}
	return s, nil
}

func property(r *raw) (*Property, error) {
	p := &Property{
		Type: r.Type, Optional: truth(r.Optional), DefaultKey: truth(r.DefaultKey), Alias: r.Alias, KeyAlias: r.KeyAlias, Requires: r.Requires,
		Min: num(r.Minimum), Max: num(r.Maximum),
	}
	if n := num(r.MinLength); n != nil {
		p.MinLen = int(*n)
	}
	if n := num(r.MaxLength); n != nil {
		p.MaxLen = int(*n)
	}
	for _, e := range r.Enum {
		if e != nil {
			p.Enum = append(p.Enum, fmt.Sprint(e))
		}
	}
	if r.Pattern != "" {
		re, err := regexp.Compile("^(?:" + goPattern(r.Pattern) + ")$")
		if err != nil {
			return nil, err
		}
		p.Pattern = re
	}
	if f := bytes.TrimSpace(r.Format); len(f) > 0 && f[0] == '{' {
		var keys map[string]*raw
		if err := json.Unmarshal(f, &keys); err != nil {
			return nil, err
		}
		p.Keys = map[string]*Property{}
		for k, v := range keys {
			sub, err := property(v)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", k, err)
			}
			p.Keys[k] = sub
		}
	} else if len(f) > 0 {
		if err := json.Unmarshal(f, &p.Format); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// goPattern writes Perl's (?^i:…) as Go does. Go counts to 1000 alone, so longer
// repeats have no end; and it knows no {,n}.
func goPattern(p string) string {
	p = longRepeat().ReplaceAllString(p, "{$1,}")
	p = strings.ReplaceAll(p, "{,", "{0,")
	var b strings.Builder
	for {
		before, after, ok := strings.Cut(p, "(?^")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		flags, rest, _ := strings.Cut(after, ":")
		b.WriteString("(?" + strings.Trim(flags, "ul") + ":")
		p = rest
	}
}

var longRepeat = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\{(\d+),\d{4,}\}`) })

func truth(v any) bool {
	switch v := v.(type) {
	case float64:
		return v != 0
	case string:
		return v != "" && v != "0"
	case bool:
		return v
	}
	return false
}

func num(v any) *float64 {
	switch v := v.(type) {
	case float64:
		return &v
	case string:
		if f, err := strconv.ParseFloat(v, 64); err == nil {
			return &f
		}
	}
	return nil
}

// Method returns the method of a path as the schema writes it; nil for none.
func (s *Schema) Method(name, path string) *Method {
	for _, m := range s.methods {
		if m.Name == name && m.Path == path {
			return m
		}
	}
	return nil
}

// route finds the method of a path as a request has it, with the parameters of the
// path. Words win over placeholders.
func (s *Schema) route(name, path string) (*Method, map[string]string) {
	parts := segments(path)
	var best *Method
	var bestVars map[string]string
	for _, m := range s.methods {
		if m.Name != name {
			continue
		}
		vars, ok := m.match(parts)
		if ok && (best == nil || len(vars) < len(bestVars)) {
			best, bestVars = m, vars
		}
	}
	return best, bestVars
}

// rest are the last parameters of paths that may hold slashes.
var rest = []string{"{volume}", "{poolid}"}

func (m *Method) match(parts []string) (map[string]string, bool) {
	n := len(m.parts)
	whole := n == 0 || !slices.Contains(rest, m.parts[n-1])
	if len(parts) < n || whole && len(parts) > n {
		return nil, false
	}
	for i, w := range m.parts {
		if w[0] != '{' && w != parts[i] {
			return nil, false
		}
	}
	vars := map[string]string{}
	for i, w := range m.parts {
		if w[0] == '{' {
			vars[w[1:len(w)-1]] = parts[i]
		}
	}
	if !whole {
		last := m.parts[n-1]
		vars[last[1:len(last)-1]] = strings.Join(parts[n-1:], "/")
	}
	return vars, true
}

func segments(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}

// counts are how many of the indexed parameters there are.
var counts = map[string]int{
	"net": 32, "scsi": 31, "virtio": 16, "sata": 6, "ide": 4, "unused": 256, "mp": 256, "dev": 256, "serial": 4, "parallel": 3, "usb": 14,
	"hostpci": 16, "numa": 8, "ipconfig": 32, "virtiofs": 10, "link": 8, "acmedomain": 6,
}

// Param finds a parameter's property, also that of net3.
func (m *Method) Param(name string) *Property {
	if p := m.Params[name]; p != nil && !strings.HasSuffix(name, "[n]") {
		return p
	}
	base := strings.TrimRight(name, "0123456789")
	digits := name[len(base):]
	if digits == "" || len(digits) > 1 && digits[0] == '0' {
		return nil
	}
	n, err := strconv.Atoi(digits)
	if p := m.Params[base+"[n]"]; p != nil && err == nil && n < counts[base] {
		return p
	}
	return nil
}
