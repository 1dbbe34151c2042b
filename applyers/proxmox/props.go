package proxmox

import (
	"slices"
	"strings"
)

// prop is one part of a property string.
type prop struct{ key, value string }

// props is a property string of Proxmox, taken apart: "virtio=BC:…,bridge=vmbr0",
// or "local:100/vm-100-disk-0.raw,size=32G", whose first part has a key only by
// its schema. What is not understood is kept, in its order.
type props struct {
	// first is the key of a part that stands without one.
	first string
	parts []prop
}

// parseProps takes text apart. A part without "=" belongs to the key first.
func parseProps(first, text string) props {
	p := props{first: first}
	if strings.TrimSpace(text) == "" {
		return p
	}
	for part := range strings.SplitSeq(text, ",") {
		key, value, ok := strings.Cut(part, "=")
		if !ok {
			key, value = first, part
		}
		p.parts = append(p.parts, prop{strings.TrimSpace(key), value})
	}
	return p
}

// value is what stands under key; "" if nothing does.
func (p props) value(key string) string {
	for _, part := range p.parts {
		if part.key == key {
			return part.value
		}
	}
	return ""
}

// or is what stands under key, or otherwise what Proxmox takes without it.
func (p props) or(key, otherwise string) string {
	if v := p.value(key); v != "" {
		return v
	}
	return otherwise
}

// set puts value under key; "" takes the part away.
func (p *props) set(key, value string) {
	at := slices.IndexFunc(p.parts, func(part prop) bool { return part.key == key })
	switch {
	case value == "" && at >= 0:
		p.parts = slices.Delete(p.parts, at, at+1)
	case value == "":
	case at >= 0:
		p.parts[at].value = value
	default:
		p.parts = append(p.parts, prop{key, value})
	}
}

// String writes the parts in their order, the first key folded.
func (p props) String() string {
	var b strings.Builder
	for i, part := range p.parts {
		if i > 0 {
			b.WriteByte(',')
		}
		if part.key != p.first || p.first == "" {
			b.WriteString(part.key + "=")
		}
		b.WriteString(part.value)
	}
	return b.String()
}

// equal tells whether both say the same, in whatever order.
func (p props) equal(other props) bool {
	return slices.Equal(p.sorted(), other.sorted())
}

func (p props) sorted() []prop {
	return slices.SortedFunc(slices.Values(p.parts), func(a, b prop) int {
		return strings.Compare(a.key+"="+a.value, b.key+"="+b.value)
	})
}
