package inventory

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// YAML writes the inventory as Ansible's YAML inventory reads it: its reader is
// one of YAML 1.1, to which yes is a truth and 0755 a number, so whatever is not
// plainly a word stands in quotes.
func (inv Inventory) YAML() ([]byte, error) {
	var out bytes.Buffer
	out.WriteString("all:\n")
	if len(inv.Hosts) > 0 {
		out.WriteString("  hosts:\n")
	}
	for _, name := range inv.names() {
		fmt.Fprintf(&out, "    %s:\n", yamlWord(name))
		if err := yamlMap(&out, shown(inv.Hosts[name]), 6); err != nil {
			return nil, fmt.Errorf("write the variables of %s: %w", name, err)
		}
	}
	if len(inv.Groups) > 0 {
		out.WriteString("  children:\n")
	}
	for _, group := range slices.Sorted(maps.Keys(inv.Groups)) {
		fmt.Fprintf(&out, "    %s:\n", yamlWord(group))
		yamlNames(&out, "hosts", inv.Groups[group])
		yamlNames(&out, "children", inv.Children[group])
	}
	return out.Bytes(), nil
}

func yamlNames(out *bytes.Buffer, word string, names []string) {
	if len(names) == 0 {
		return
	}
	fmt.Fprintf(out, "      %s:\n", word)
	for _, name := range names {
		fmt.Fprintf(out, "        %s:\n", yamlWord(name))
	}
}

// yamlMap writes a map's entries, each on lines of its own.
func yamlMap(out *bytes.Buffer, vars map[string]any, indent int) error {
	for _, key := range slices.Sorted(maps.Keys(vars)) {
		fmt.Fprintf(out, "%*s%s:", indent, "", yamlWord(key))
		if err := yamlValue(out, vars[key], indent); err != nil {
			return err
		}
	}
	return nil
}

// yamlValue writes what follows a key or a dash, and ends the line.
func yamlValue(out *bytes.Buffer, value any, indent int) error {
	switch v := value.(type) {
	case map[string]any:
		if len(v) == 0 {
			out.WriteString(" {}\n")
			return nil
		}
		out.WriteString("\n")
		return yamlMap(out, v, indent+2)
	case []any:
		if len(v) == 0 {
			out.WriteString(" []\n")
			return nil
		}
		out.WriteString("\n")
		for _, one := range v {
			fmt.Fprintf(out, "%*s-", indent+2, "")
			if err := yamlValue(out, one, indent+2); err != nil {
				return err
			}
		}
		return nil
	case string:
		out.WriteString(" " + yamlWord(v) + "\n")
		return nil
	}
	word, err := scalar(value, "null", "true", "false")
	out.WriteString(" " + word + "\n")
	return err
}

// plainWord is what no reader takes for anything but a word, save those below.
var plainWord = regexp.MustCompile(`^[A-Za-z_/][A-Za-z0-9_./-]*$`)

// plain tells whether a text needs no quotes.
func plain(text string) bool {
	switch strings.ToLower(text) {
	case "y", "n", "yes", "no", "on", "off", "true", "false", "null", "none":
		return false
	}
	if addr, err := netip.ParseAddr(text); err == nil {
		return addr.Is4()
	}
	return plainWord.MatchString(text)
}

// yamlWord is a text, in quotes where it needs them.
func yamlWord(text string) string {
	if plain(text) {
		return text
	}
	return quoted(text)
}

// INI writes the inventory as Ansible's INI inventory reads it, where values are
// Python's.
func (inv Inventory) INI() ([]byte, error) {
	var out bytes.Buffer
	for _, name := range inv.names() {
		out.WriteString(name)
		vars := shown(inv.Hosts[name])
		for _, key := range slices.Sorted(maps.Keys(vars)) {
			value, err := python(vars[key])
			if err != nil {
				return nil, fmt.Errorf("write the variables of %s: %w", name, err)
			}
			switch v := vars[key].(type) {
			case string:
				if plain(v) {
					value = v
					break
				}
				value = wrapped(value)
			case map[string]any, []any:
				value = wrapped(value)
			}
			out.WriteString(" " + key + "=" + value)
		}
		out.WriteByte('\n')
	}
	for _, group := range slices.Sorted(maps.Keys(inv.Groups)) {
		fmt.Fprintf(&out, "\n[%s]\n", group)
		for _, host := range inv.Groups[group] {
			out.WriteString(host + "\n")
		}
		if len(inv.Children[group]) == 0 {
			continue
		}
		fmt.Fprintf(&out, "\n[%s:children]\n", group)
		for _, child := range inv.Children[group] {
			out.WriteString(child + "\n")
		}
	}
	return out.Bytes(), nil
}

// wrapped is a value of Python's as one word to INI's reader of lines, which is like
// a shell's.
func wrapped(value string) string { return "'" + strings.ReplaceAll(value, "'", `\x27`) + "'" }

// python writes a value as Python would, on one line.
func python(value any) (string, error) {
	switch v := value.(type) {
	case map[string]any:
		parts := make([]string, 0, len(v))
		for _, key := range slices.Sorted(maps.Keys(v)) {
			one, err := python(v[key])
			if err != nil {
				return "", err
			}
			parts = append(parts, quoted(key)+": "+one)
		}
		return "{" + strings.Join(parts, ", ") + "}", nil
	case []any:
		parts := make([]string, len(v))
		for i := range v {
			var err error
			if parts[i], err = python(v[i]); err != nil {
				return "", err
			}
		}
		return "[" + strings.Join(parts, ", ") + "]", nil
	case string:
		return quoted(v), nil
	}
	return scalar(value, "None", "True", "False")
}

// scalar writes what is no text.
func scalar(value any, null, yes, no string) (string, error) {
	switch v := value.(type) {
	case nil:
		return null, nil
	case bool:
		if v {
			return yes, nil
		}
		return no, nil
	case int:
		return strconv.Itoa(v), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case float64:
		if math.IsInf(v, 0) || math.IsNaN(v) {
			return "", fmt.Errorf("%v is no number that can be written", v)
		}
		// A number without a point is a whole one to every reader.
		text := strconv.FormatFloat(v, 'f', -1, 64)
		if !strings.Contains(text, ".") {
			text += ".0"
		}
		return text, nil
	}
	return "", fmt.Errorf("a value of type %T can't be written", value)
}

// quoted is a text in double quotes, with escapes that YAML and Python share.
func quoted(text string) string {
	var out strings.Builder
	out.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			out.WriteByte('\\')
			out.WriteRune(r)
		case r == '\n':
			out.WriteString(`\n`)
		case r == '\t':
			out.WriteString(`\t`)
		case r < 0x20 || r == 0x7f:
			fmt.Fprintf(&out, `\x%02x`, r)
		case r < 0x7f || r > 0xff && unicode.IsPrint(r) && r < 0xfffe:
			out.WriteRune(r)
		case r <= 0xffff:
			fmt.Fprintf(&out, `\u%04x`, r)
		case unicode.IsPrint(r):
			out.WriteRune(r)
		default:
			fmt.Fprintf(&out, `\U%08x`, r)
		}
	}
	out.WriteByte('"')
	return out.String()
}
