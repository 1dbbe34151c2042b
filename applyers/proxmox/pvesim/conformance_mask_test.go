package pvesim

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// What differs between any two runs of the same server is masked: the numbers in
// UPIDs (not their type, id and user), times, digests, generated MAC addresses
// and UUIDs. Nothing else is.
var (
	upidRE   = regexp.MustCompile(`UPID:([^:\s]+):[0-9A-F]{8}:[0-9A-F]{8,9}:[0-9A-F]{8}:([^:\s]*):([^:\s]*):([^:\s]+?):`)
	uuidRE   = regexp.MustCompile(`[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|<uuid>`)
	macRE    = regexp.MustCompile(`BC:24:11(:[0-9A-F]{2}){3}`)
	digestRE = regexp.MustCompile(`^[0-9a-f]{40}$`)
	ctimeRE  = regexp.MustCompile(`ctime=\d+`)
	tmpRE    = regexp.MustCompile(`pveupload-[0-9a-f]{32}`) // the digest of a random number
	clockRE  = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`)
	secretRE = regexp.MustCompile(`^(PVE:[^:]+:)[0-9A-F]{8}::.*$`)
)

// times are the fields that hold points in time, or the seconds since one.
var times = []string{"starttime", "endtime", "ctime", "snaptime", "time", "uptime", "next-run"}

// unordered are the keys by which the rows of a list are told apart; the server
// writes such lists in the random order of its hashes.
var unordered = []string{"key", "volid", "id", "vmid", "storage", "poolid", "tokenid", "iface", "path", "roleid", "name"}

func (r *replay) maskText(key, s string, recorded bool) string {
	s = upidRE.ReplaceAllString(s, "UPID:$1:…:$2:$3:$4:")
	s = uuidRE.ReplaceAllString(s, "<uuid>")
	s = ctimeRE.ReplaceAllString(s, "ctime=…")
	s = tmpRE.ReplaceAllString(s, "pveupload-<digest>")
	s = clockRE.ReplaceAllString(s, "<time>")
	if m := secretRE.FindStringSubmatch(s); m != nil {
		s = m[1] + "…" // a ticket holds its time and a signature
	}
	if key == "CSRFPreventionToken" {
		s = "<csrf>" // scrubbed from the recording
	}
	if digestRE.MatchString(s) {
		s = "<digest>"
	}
	if recorded {
		s = macRE.ReplaceAllStringFunc(s, func(m string) string { return cmp.Or(r.macs[m], m) })
		for from, to := range r.texts {
			s = strings.ReplaceAll(s, from, to)
		}
	}
	return s
}

// mask makes two answers comparable.
func (r *replay) mask(key string, v any, recorded bool) any {
	switch v := v.(type) {
	case string:
		if key == "content" && strings.Contains(v, ",") {
			// A set, written in the random order of a hash.
			parts := strings.Split(v, ",")
			slices.Sort(parts)
			return strings.Join(parts, ",")
		}
		return r.maskText(key, v, recorded)
	case float64:
		if slices.Contains(times, key) {
			return "<time>"
		}
		return v
	case map[string]any:
		out := map[string]any{}
		_, isTask := v["upid"]
		for k, e := range v {
			if isTask && (k == "pid" || k == "pstart") {
				out[k] = "<upid>" // these are the UPID's own numbers
				continue
			}
			out[k] = r.mask(k, e, recorded)
		}
		return out
	case []any:
		out := make([]any, 0, len(v))
		for _, e := range v {
			out = append(out, r.mask(key, e, recorded))
		}
		if rows := asRows(out); rows != nil {
			slices.SortStableFunc(out, func(a, b any) int { return cmp.Compare(text(a), text(b)) })
		}
		return out
	}
	return v
}

// asRows tells a list whose order says nothing.
func asRows(list []any) []any {
	for _, e := range list {
		m, ok := e.(map[string]any)
		if !ok {
			return nil
		}
		if _, isTask := m["upid"]; isTask || m["uid"] != nil || m["pos"] != nil {
			return nil
		}
		if !slices.ContainsFunc(unordered, func(k string) bool { return m[k] != nil }) {
			return nil
		}
	}
	return list
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}

// learnMACs pairs the addresses that the recorded server made up with ours, where
// two texts are the same but for them. One that was given in a request is its own
// partner from the start.
func (r *replay) learnMACs(want, got any) {
	switch w := want.(type) {
	case string:
		g, ok := got.(string)
		if !ok {
			return
		}
		a, b := macRE.FindAllString(w, -1), macRE.FindAllString(g, -1)
		if len(a) != len(b) {
			return
		}
		for i := range a {
			if r.macs[a[i]] == "" && !r.taken[b[i]] {
				r.macs[a[i]], r.taken[b[i]] = b[i], true
			}
		}
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return
		}
		for _, k := range slices.Sorted(maps.Keys(w)) {
			r.learnMACs(w[k], g[k])
		}
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return
		}
		byKey := func(list []any) map[string]any {
			m := map[string]any{}
			for _, e := range list {
				if row, ok := e.(map[string]any); ok {
					if k, ok := row["key"].(string); ok {
						m[k] = row
					}
				}
			}
			return m
		}
		ours := byKey(g)
		for k, e := range byKey(w) {
			r.learnMACs(e, ours[k])
		}
	}
}
