package schemacheck

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// mutate spoils one thing of a request and says what; "" when it found nothing to
// spoil in that way.
func (g *generator) mutate(m *Method, form map[string]string) string {
	ways := []func(*Method, map[string]string) string{
		g.drop, g.unknown, g.mistype, g.outOfRange, g.offEnum, g.misformat, g.misfit, g.tooLong, g.tooShort, g.nested, g.overcount, g.orphan,
	}
	for range 20 {
		if text := pick(g, ways)(m, form); text != "" {
			return text
		}
	}
	return ""
}

// some picks a parameter, besides those of the path, that the condition holds for.
func (g *generator) some(m *Method, ok func(*Property) bool) (string, *Property) {
	var names []string
	for _, k := range slices.Sorted(maps.Keys(m.Params)) {
		if !strings.Contains(m.Path, "{"+k+"}") && ok(m.Params[k]) && k != "tmpfilename" {
			names = append(names, k)
		}
	}
	if len(names) == 0 {
		return "", nil
	}
	k := pick(g, names)
	return g.numbered(k), m.Params[k]
}

func (g *generator) drop(m *Method, form map[string]string) string {
	k, p := g.some(m, func(p *Property) bool { return !p.Optional })
	if p == nil {
		return ""
	}
	delete(form, k)
	return "without " + k
}

func (g *generator) unknown(_ *Method, form map[string]string) string {
	k := pick(g, []string{"colour", "net", "scsi", "Name", "full-", "vm", "cores2"})
	form[k] = "1"
	return "with " + k
}

func (g *generator) mistype(m *Method, form map[string]string) string {
	k, p := g.some(m, func(p *Property) bool { return p.Type == "boolean" || p.Type == "integer" || p.Type == "number" })
	if p == nil {
		return ""
	}
	form[k] = pick(g, []string{"maybe", "1.5x", "", "true", "--1"})
	return k + " of another type"
}

func (g *generator) outOfRange(m *Method, form map[string]string) string {
	k, p := g.some(m, func(p *Property) bool { return p.Min != nil || p.Max != nil })
	if p == nil {
		return ""
	}
	if p.Max != nil && (p.Min == nil || g.r.IntN(2) == 0) {
		form[k] = strconv.Itoa(int(*p.Max) + 1)
	} else {
		form[k] = strconv.Itoa(int(*p.Min) - 1)
	}
	return k + " out of range"
}

func (g *generator) offEnum(m *Method, form map[string]string) string {
	k, p := g.some(m, func(p *Property) bool { return p.Enum != nil })
	if p == nil {
		return ""
	}
	form[k] = pick(g, []string{"nothing", strings.ToUpper(p.Enum[0]) + "X", "scsi99"})
	return k + " off its enumeration"
}

func (g *generator) misformat(m *Method, form map[string]string) string {
	k, p := g.some(m, func(p *Property) bool {
		return p.Format != "" && g.s.formats[p.Format] == nil && (spoilt[p.Format] != nil || spoilt[single(p.Format)] != nil)
	})
	if p == nil {
		return ""
	}
	v := spoilt[p.Format]
	if v == nil {
		v = spoilt[single(p.Format)]
	}
	form[k] = pick(g, v)
	return k + " of no " + p.Format
}

func single(format string) string {
	return strings.TrimSuffix(strings.TrimSuffix(format, "-list"), "-opt")
}

func (g *generator) misfit(m *Method, form map[string]string) string {
	k, p := g.some(m, func(p *Property) bool { return p.Pattern != nil })
	if p == nil {
		return ""
	}
	for range misfits {
		if v := pick(g, misfits); g.s.Value(p, v) != "" {
			form[k] = v
			return k + " off its pattern"
		}
	}
	return ""
}

func (g *generator) tooLong(m *Method, form map[string]string) string {
	k, p := g.some(m, func(p *Property) bool { return p.MaxLen > 0 && p.Format == "" && p.Keys == nil })
	if p == nil {
		return ""
	}
	form[k] = strings.Repeat("a", p.MaxLen+1)
	return k + " too long"
}

func (g *generator) tooShort(m *Method, form map[string]string) string {
	k, p := g.some(m, func(p *Property) bool { return p.MinLen > 1 })
	if p == nil {
		return ""
	}
	form[k] = strings.Repeat("a", p.MinLen-1)
	return k + " too short"
}

// overcount uses the first number that an indexed parameter does not have.
func (g *generator) overcount(m *Method, form map[string]string) string {
	var names []string
	for _, k := range slices.Sorted(maps.Keys(m.Params)) {
		if strings.HasSuffix(k, "[n]") {
			names = append(names, k)
		}
	}
	if len(names) == 0 {
		return ""
	}
	k := pick(g, names)
	base := strings.TrimSuffix(k, "[n]")
	form[base+strconv.Itoa(counts[base])] = g.value(k, m.Params[k])
	return base + " beyond the last"
}

// orphan gives a parameter without the one that it needs.
func (g *generator) orphan(m *Method, form map[string]string) string {
	k, p := g.some(m, func(p *Property) bool { return p.Requires != "" })
	if p == nil {
		return ""
	}
	form[k] = g.value(k, p)
	delete(form, p.Requires)
	return k + " without " + p.Requires
}

// nested spoils a property string.
func (g *generator) nested(m *Method, form map[string]string) string {
	keysOf := func(p *Property) map[string]*Property {
		if p.Keys != nil {
			return p.Keys
		}
		return g.s.formats[p.Format]
	}
	k, p := g.some(m, func(p *Property) bool { return keysOf(p) != nil })
	if p == nil {
		return ""
	}
	keys := keysOf(p)
	v := g.properties(keys)
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(keys)), func(x string) bool { return keys[x].Alias != "" })
	one := pick(g, names)
	sub := keys[one]
	switch g.r.IntN(6) {
	case 0:
		form[k] = v + ",colour=red"
	case 1:
		form[k] = v + "," + one + "="
	case 2:
		form[k] = v + "," + one + "=" + g.value(one, sub) + "," + one + "=" + g.value(one, sub)
	case 3:
		if form[k] = v + ",,=x"; defaultKey(keys) != "" {
			form[k] = v + ",x,y"
		}
	case 4:
		bad := "§"
		switch {
		case sub.Type == "integer" && sub.Min != nil:
			bad = strconv.Itoa(int(*sub.Min) - 1)
		case sub.Type == "integer" && sub.Max != nil:
			bad = strconv.Itoa(int(*sub.Max) + 1)
		case sub.Type == "" || sub.Type == "string" && sub.Format == "" && sub.Enum == nil && sub.Pattern == nil:
			return ""
		case spoilt[sub.Format] != nil:
			bad = pick(g, spoilt[sub.Format])
		}
		if strings.ContainsAny(bad, ",=") {
			return ""
		}
		form[k] = one + "=" + bad
		for _, x := range names {
			if x != one && !keys[x].Optional {
				if y := g.value(x, keys[x]); !strings.ContainsAny(y, ",=") {
					form[k] += "," + x + "=" + y
				}
			}
		}
	default:
		// Without what is required.
		var parts []string
		for _, x := range names {
			if y := g.value(x, keys[x]); keys[x].Optional && g.r.IntN(3) == 0 && !strings.ContainsAny(y, ",=") && keys[x].Requires == "" {
				parts = append(parts, x+"="+y)
			}
		}
		if len(parts) == 0 {
			return ""
		}
		form[k] = strings.Join(parts, ",")
	}
	return "a spoilt " + k
}
