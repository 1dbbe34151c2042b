package desired

import (
	"bytes"
	"cmp"
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// TestReference holds that REFERENCE.md follows from the types, their comments
// and the texts of testdata/reference.
func TestReference(t *testing.T) {
	generated(t, "REFERENCE.md", referenceOf(t, newManual(t)))
}

// referenceOf writes the reference.
func referenceOf(t *testing.T, m *manual) []byte {
	t.Helper()
	var b bytes.Buffer
	b.Write(fixture(t, "head.md"))
	b.WriteString("\n**Kinds**: ")
	for i, s := range m.sections() {
		if i > 0 {
			b.WriteString(" · ")
		}
		fmt.Fprintf(&b, "[%s](#%s)", s.title, strings.ToLower(strings.ReplaceAll(s.title, " ", "-")))
	}
	b.WriteString("\n")
	whole := wholeDocuments(t)
	var later []string
	for _, s := range m.sections() {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", s.title, s.prose())
		for _, kind := range s.kinds {
			fmt.Fprintf(&b, "\n```yaml\n%s```\n", whole[kind])
			delete(whole, kind)
		}
		b.WriteString("\n")
		each(s.words, func(w *word) {
			if w.field.later != "" {
				later = append(later, fmt.Sprintf("- **`%s`** of %s: %s.\n", w.path, strings.Join(titles(w.kinds), " and "), w.field.later))
				return
			}
			for word := range strings.SplitSeq(w.tag.Get("unbuilt"), "|") {
				if word != "" {
					later = append(later, fmt.Sprintf("- **`%s: %s`** of %s: write %s.\n", w.path, word, s.title, oneOf(unbuilt(w))))
				}
			}
			b.WriteString(s.entry(w))
		})
	}
	for kind := range whole {
		t.Errorf("whole.yaml: there is no section for %s", kind)
	}
	b.WriteString("\n")
	b.WriteString(strings.Replace(string(fixture(t, "tail.md")), "CREATED", m.created(), 1))
	b.WriteString("\n## Not built yet\n\nThe language has these, and this version refuses them. What to do instead:\n\n")
	slices.Sort(later)
	b.WriteString(strings.Join(slices.Compact(later), ""))
	return b.Bytes()
}

func fixture(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/reference/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// wholeDocuments are the documents of whole.yaml by kind; of two, the first.
func wholeDocuments(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for part := range strings.SplitSeq(string(fixture(t, "whole.yaml")), "---\n") {
		first, _, _ := strings.Cut(part, "\n")
		if kind := strings.TrimPrefix(first, "kind: "); out[kind] == "" {
			out[kind] = part
		}
	}
	return out
}

// TestWhole holds that the documents which the reference shows are a fleet.
func TestWhole(t *testing.T) {
	_, err := Load(fstest.MapFS{
		"fleet.yaml":           {Data: fixture(t, "whole.yaml")},
		"pve-root-ca.pem":      {Data: []byte("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n")},
		"ansible/base.yml":     {Data: []byte("- hosts: all\n")},
		"ansible/.berthignore": {},
	})
	if err != nil {
		t.Error(err)
	}
}

// created lists, by kind, what is settled when a guest is made.
func (m *manual) created() string {
	var b strings.Builder
	for _, s := range m.sections() {
		for _, kind := range s.kinds {
			var paths []string
			each(s.words, func(w *word) {
				if w.effect[kindOf(kind).short] == string(Create) && guestKind(kindOf(kind).short) {
					paths = append(paths, "`"+w.path+"`")
				}
			})
			if len(paths) > 0 {
				fmt.Fprintf(&b, "\n  - of a %s: %s", kind, strings.Join(slices.Compact(paths), ", "))
			}
		}
	}
	return b.String()
}

// prose is what a section begins with.
func (s section) prose() string {
	text := s.meaning
	for _, kind := range s.kinds {
		for _, name := range []string{kind, specOf(kindOf(kind)).Name()} {
			text = strings.ReplaceAll(text, name+" is the document of kind "+kind+": ", "**"+kind+"**: ")
		}
	}
	switch {
	case len(s.kinds) > 1:
		text += " What only one of the two has is marked with its kind."
	case s.title == "Profile":
		text = "**Profile**: a layer for guests. Beside its own fields it takes any field of a VM or a Container but `hostname`, `count`, `renamedFrom` and `state`."
	case s.title == "Project":
		text = "**Project**: guests multiplied by environments. Each product is an ordinary guest whose `project` and `environment` are set. Any field of a VM or a Container may stand beside these, for all guests; but not `renamedFrom` and `adopt`, which belong to one."
	}
	return text
}

// entry is what the reference says of a word.
func (s section) entry(w *word) string {
	var b strings.Builder
	fmt.Fprintf(&b, "- **`%s`**", w.path)
	if len(s.kinds) > len(w.kinds) {
		fmt.Fprintf(&b, " (%s)", strings.Join(titles(w.kinds), ", "))
	}
	fmt.Fprintf(&b, " · %s", w.typed())
	switch def := w.tag.Get("default"); def {
	case "":
	case "required":
		b.WriteString(" · required")
	default:
		b.WriteString(" · default: " + def)
	}
	b.WriteString("\\\n  " + w.told())
	if changes := w.changes(); changes != "" {
		b.WriteString(" " + changes)
	}
	if note := rightsNotes()[w.path]; note != "" && slices.ContainsFunc(w.kinds, guestKind) {
		b.WriteString(" " + note)
	}
	if example := w.tag.Get("example"); example != "" {
		fmt.Fprintf(&b, "\\\n  `%s: %s`", w.field.word, example)
	}
	b.WriteString("\n")
	return b.String()
}

// titles are the kinds of short ones.
func titles(short []string) []string {
	out := make([]string, len(short))
	for i, s := range short {
		for _, k := range kinds() {
			if k.short == s {
				out[i] = k.word
			}
		}
	}
	return out
}

// rightsNotes are rights beside the one on the guest, by path.
func rightsNotes() map[string]string {
	return map[string]string{
		"startup":              "A phase needs Sys.Modify on / as well.",
		"pool":                 "The right is on /pool/NAME, and VM.Allocate on the guest.",
		"clone":                "Needs VM.Clone on the template.",
		"disks.SLOT.storage":   "Needs Datastore.AllocateSpace on the storage.",
		"disks.SLOT.volume":    "Needs VM.Config.Disk on the holder as well, and Datastore.Audit on its storage.",
		"networks.NET.network": "Needs SDN.Use on the bridge (/sdn/zones/localnetwork/BRIDGE).",
		"options":              "Some options need another privilege, and some are root@pam's.",
	}
}

// typed says what is written.
func (w *word) typed() string {
	text := w.shaped(w.field.shape)
	if w.field.short == "" {
		return text
	}
	if w.field.shape.is == isScalar {
		return text
	}
	return w.inner(w.field.short).typed() + ", or a map"
}

func (w *word) shaped(s *shape) string {
	switch s.is {
	case isMap:
		of := "maps"
		switch s.elem.is {
		case isScalar:
			of = plural(w.shaped(s.elem))
		case isAny:
			of = "anything"
		default:
		}
		return "map of " + of + " by " + cmp.Or(map[string]string{
			"slot": "slot", "nic": "NIC", "var": "variable", "apt": "file name", "path": "path", "range": "address", "kind": "kind", "route": "name",
		}[w.tag.Get("keys")], "name")
	case isList:
		if s.elem.is == isStruct {
			if s.elem.short != "" {
				return "list of names or maps"
			}
			return "list of maps"
		}
		return "list of " + plural(w.shaped(s.elem))
	case isStruct:
		return "map"
	case isCommand:
		return "command"
	case isAny:
		return "anything"
	default:
	}
	if words := unbuilt(w); len(words) > 0 && w.field.shape.is == isScalar {
		return oneOf(words)
	}
	switch s.typ {
	case reflect.TypeFor[Size]():
		return "size"
	case reflect.TypeFor[Rate]():
		return "rate"
	case reflect.TypeFor[Duration]():
		return "length of time"
	case reflect.TypeFor[netip.Addr]():
		return "address"
	case reflect.TypeFor[netip.Prefix]():
		return "subnet"
	case reflect.TypeFor[AddrRange]():
		return "address or range"
	case reflect.TypeFor[IDRange]():
		return "VMID or range"
	case reflect.TypeFor[Target]():
		return "target"
	}
	switch s.typ.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Float64:
		return "number"
	default:
		return "text"
	}
}

// plural is the plural of a type's name.
func plural(one string) string {
	switch one {
	case "address":
		return "addresses"
	case "address or range":
		return "addresses and ranges"
	case "VMID or range":
		return "VMIDs and ranges"
	}
	return one + "s"
}

// told is a word's meaning, as a sentence without the word.
func (w *word) told() string {
	text, ok := strings.CutPrefix(w.meaning, w.name+" ")
	if !ok {
		return w.meaning
	}
	for _, verb := range []string{"is ", "are "} {
		text = strings.TrimPrefix(text, verb)
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// changes says what a difference costs and which privilege it needs; "" for what
// is never compared.
func (w *word) changes() string {
	if len(w.words) > 0 && w.field.short == "" {
		return ""
	}
	var parts []string
	for _, kind := range w.kinds {
		if !guestKind(kind) {
			continue
		}
		effect := effectWords(w.effect[kind])
		if effect == "" {
			continue
		}
		switch priv := w.priv[kind]; {
		case priv == "root@pam":
			effect += ", by root@pam alone"
		case priv != "" && w.effect[kind] != string(Create):
			effect += ", with " + priv
		}
		parts = append(parts, effect)
	}
	switch {
	case len(parts) == 0:
		return ""
	case len(parts) > 1 && parts[0] != parts[1]:
		return fmt.Sprintf("Changes in a %s %s; in a %s %s.", kindWord(w.kinds[0]), parts[0], kindWord(w.kinds[1]), parts[1])
	}
	if len(parts) == 1 && len(w.kinds) == 2 {
		for _, kind := range w.kinds {
			if effectWords(w.effect[kind]) != "" {
				return fmt.Sprintf("Changes in a %s %s.", kindWord(kind), parts[0])
			}
		}
	}
	return "Changes " + parts[0] + "."
}

// effectWords tells people when a change takes place.
func effectWords(effect string) string {
	switch Effect(effect) {
	case Online:
		return "online"
	case Reboot:
		return "at a reboot"
	case Create:
		return "when the guest is made anew"
	case Recreate:
		return "only by making it anew"
	}
	return ""
}
