package desired

import "strings"

// Path is where a value stands within a resource, in the manifest's own words:
// "memory.size", "disks.scsi0.size", "tls.routes[.lab.example.com]". A key that
// is not a plain word is written in brackets, with "]" doubled.
type Path string

// Sub is the path of key below p.
func (p Path) Sub(key string) Path {
	if !plainKey(key) {
		return p + Path("["+strings.ReplaceAll(key, "]", "]]")+"]")
	}
	if p == "" {
		return Path(key)
	}
	return p + "." + Path(key)
}

// plainKey tells whether a key needs no brackets.
func plainKey(key string) bool {
	for i := range len(key) {
		switch key[i] {
		case '.', '[', ']', '/', ' ', '*', ':':
			return false
		}
	}
	return key != ""
}

// Within tells whether p is q or stands below it.
func (p Path) Within(q Path) bool {
	rest, ok := strings.CutPrefix(string(p), string(q))
	return ok && (rest == "" || q == "" || rest[0] == '.' || rest[0] == '[')
}

// Keys are the path's parts, brackets removed.
func (p Path) Keys() []string {
	var keys []string
	s := string(p)
	for s != "" {
		var key string
		if s[0] == '[' {
			key, s = bracketed(s[1:])
		} else if end := strings.IndexAny(s, ".["); end < 0 {
			key, s = s, ""
		} else {
			key, s = s[:end], s[end:]
		}
		keys = append(keys, key)
		s = strings.TrimPrefix(s, ".")
	}
	return keys
}

// Host is the host that a field of a playbook is about: "web-1" of "hosts.web-1"; "" for
// any other field.
func (p Path) Host() string {
	if keys := p.Keys(); len(keys) == 2 && keys[0] == "hosts" {
		return keys[1]
	}
	return ""
}

// bracketed reads a key up to its closing bracket.
func bracketed(s string) (key, rest string) {
	var b strings.Builder
	for {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return b.String() + s, ""
		}
		b.WriteString(s[:end])
		if rest, doubled := strings.CutPrefix(s[end:], "]]"); doubled {
			b.WriteByte(']')
			s = rest
			continue
		}
		return b.String(), s[end+1:]
	}
}
