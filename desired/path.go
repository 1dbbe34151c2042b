package desired

import "strings"

// Path is where a value stands within a resource, in the manifest's own words:
// "memory.size", "disks.scsi0.size", "tls.routes[.lab.example.com]". A key that
// is not a plain word is written in brackets.
type Path string

// Sub is the path of key below p.
func (p Path) Sub(key string) Path {
	if strings.ContainsAny(key, ".[]/ *:") || key == "" {
		return p + Path("["+key+"]")
	}
	if p == "" {
		return Path(key)
	}
	return p + "." + Path(key)
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
		if s[0] == '[' {
			end := strings.IndexByte(s, ']')
			if end < 0 {
				return append(keys, s[1:])
			}
			keys = append(keys, s[1:end])
			s = strings.TrimPrefix(s[end+1:], ".")
			continue
		}
		end := strings.IndexAny(s, ".[")
		if end < 0 {
			return append(keys, s)
		}
		keys = append(keys, s[:end])
		s = strings.TrimPrefix(s[end:], ".")
	}
	return keys
}
