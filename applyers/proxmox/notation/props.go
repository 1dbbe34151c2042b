package notation

import (
	"iter"
	"slices"
	"strings"
)

// Part is one part of a property string.
type Part struct{ Key, Value string }

// Props is a property string of Proxmox, taken apart: "virtio=BC:…,bridge=vmbr0",
// or "local:100/vm-100-disk-0.raw,size=32G", whose first part has a key only by
// its schema. What is not understood is kept, in its order.
type Props struct {
	// First is the key of a part that stands without one.
	First string
	Parts []Part
}

// Parse takes text apart. A part without "=" belongs to the key first.
func Parse(first, text string) Props {
	p := Props{First: first}
	for part := range parts(first, text) {
		if p.Parts == nil {
			p.Parts = make([]Part, 0, strings.Count(text, ",")+1)
		}
		p.Parts = append(p.Parts, part)
	}
	return p
}

// Lookup is what stands under one key of text, as [Parse] and [Props.Value] have it,
// without all the others.
func Lookup(first, text, key string) string {
	for part := range parts(first, text) {
		if part.Key == key {
			return part.Value
		}
	}
	return ""
}

// parts goes through the parts of text.
func parts(first, text string) iter.Seq[Part] {
	return func(yield func(Part) bool) {
		if strings.TrimSpace(text) == "" {
			return
		}
		for part := range strings.SplitSeq(text, ",") {
			key, value, ok := strings.Cut(part, "=")
			if !ok {
				key, value = first, part
			}
			if !yield(Part{strings.TrimSpace(key), value}) {
				return
			}
		}
	}
}

// Value is what stands under key; "" if nothing does.
func (p Props) Value(key string) string {
	for _, part := range p.Parts {
		if part.Key == key {
			return part.Value
		}
	}
	return ""
}

// Or is what stands under key, or otherwise what Proxmox takes without it.
func (p Props) Or(key, otherwise string) string {
	if v := p.Value(key); v != "" {
		return v
	}
	return otherwise
}

// Set puts value under key; "" takes the part away.
func (p *Props) Set(key, value string) {
	at := slices.IndexFunc(p.Parts, func(part Part) bool { return part.Key == key })
	switch {
	case value == "" && at >= 0:
		p.Parts = slices.Delete(p.Parts, at, at+1)
	case value == "":
	case at >= 0:
		p.Parts[at].Value = value
	default:
		p.Parts = append(p.Parts, Part{key, value})
	}
}

// String writes the parts in their order, the first key folded where its value can't
// be taken for another part.
func (p Props) String() string {
	var b strings.Builder
	for i, part := range p.Parts {
		if i > 0 {
			b.WriteByte(',')
		}
		if part.Key != p.First || p.First == "" || strings.Contains(part.Value, "=") {
			b.WriteString(part.Key + "=")
		}
		b.WriteString(part.Value)
	}
	return b.String()
}

// Equal tells whether both say the same, in whatever order.
func (p Props) Equal(other Props) bool {
	return slices.Equal(p.Parts, other.Parts) || slices.Equal(p.Sorted(), other.Sorted())
}

// Sorted are the parts in the order of their keys.
func (p Props) Sorted() []Part {
	all := slices.Clone(p.Parts)
	slices.SortFunc(all, func(a, b Part) int {
		return strings.Compare(a.Key+"="+a.Value, b.Key+"="+b.Value)
	})
	return all
}
