package pvesim

import (
	"maps"
	"slices"
	"strings"
)

// parseProps reads a property string such as "virtio=BC:…,bridge=vmbr0". The text
// tells what is wrong, in the server's words; it is empty when all is well.
func (s *schema) parseProps(path, value string) (map[string]string, string) {
	res := map[string]string{}
	for part := range strings.SplitSeq(value, ",") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		k, v, ok := strings.Cut(part, "=")
		if ok && (k == "" || v == "") {
			return nil, "missing key in comma-separated list property\n"
		}
		if !ok {
			v = part
			if k = s.defaultKey(); k == "" {
				return nil, "value without key, but schema does not define a default key\n"
			}
		} else if sp, known := s.specs[k]; known && sp.alias != "" {
			// virtio=<mac> is model=virtio,macaddr=<mac>; volume=… is file=….
			if sp.kind == "alias" {
				res["model"] = k
			}
			k = sp.alias
		}
		if _, dup := res[k]; dup {
			return nil, "duplicate key in comma-separated list property: " + k + "\n"
		}
		if s.specs[k].kind == "bool" {
			v = looseBool(v)
		}
		res[k] = v
	}
	var lines []string
	for _, k := range slices.Sorted(maps.Keys(res)) {
		sp, ok := s.specs[k]
		if !ok || sp.alias != "" {
			lines = append(lines, path+"."+k+": "+notInSchema+"\n")
			continue
		}
		if text := sp.check(path+"."+k, res[k]); text != "" {
			lines = append(lines, path+"."+k+": "+text+"\n")
		}
	}
	for _, k := range s.order {
		if need := s.specs[k].needs; need != "" && res[k] != "" && res[need] == "" {
			lines = append(lines, path+"."+need+": missing property - '"+path+"."+k+"' requires this property\n")
		}
		if _, ok := res[k]; !ok && s.specs[k].required {
			lines = append(lines, path+"."+k+": property is missing and it is not optional\n")
		}
	}
	if lines != nil {
		return nil, "format error\n" + strings.Join(lines, "")
	}
	return res, ""
}

// looseBool takes the spellings that property strings allow, unlike parameters.
func looseBool(v string) string {
	switch strings.ToLower(v) {
	case "1", "on", "yes", "true":
		return "1"
	case "0", "off", "no", "false":
		return "0"
	}
	return v
}

func (s *schema) defaultKey() string {
	for _, k := range s.order {
		if s.specs[k].key {
			return k
		}
	}
	return ""
}

// printProps writes a property string: the default key first, then what is
// required, then the rest by name.
func (s *schema) printProps(p map[string]string) string {
	var first, required, rest []string
	for _, k := range slices.Sorted(maps.Keys(p)) {
		switch sp := s.specs[k]; {
		case sp.key && k == "model":
			// The model takes the address along.
			if mac, ok := p["macaddr"]; ok {
				first = append(first, p[k]+"="+mac)
			} else {
				first = append(first, p[k])
			}
		case sp.key:
			first = append(first, p[k])
		case k == "macaddr" && p["model"] != "":
		case sp.required:
			required = append(required, k+"="+p[k])
		default:
			rest = append(rest, k+"="+p[k])
		}
	}
	return strings.Join(slices.Concat(first, required, rest), ",")
}
