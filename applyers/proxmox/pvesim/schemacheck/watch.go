package schemacheck

import (
	"maps"
	"slices"
	"testing"

	"berth/applyers/proxmox/pvesim"
)

// Watch fails the test, when it is over, for every request in the cluster's log
// that the schema does not allow. It does nothing where the schema is absent.
func Watch(tb testing.TB, c *pvesim.Cluster) {
	tb.Helper()
	s, err := Load()
	if err != nil {
		tb.Fatal(err)
	}
	if s == nil {
		return
	}
	tb.Cleanup(func() {
		tb.Helper()
		for _, f := range s.faults(c.Requests()) {
			tb.Errorf("the schema of Proxmox VE refuses %s", f)
		}
	})
}

// faults lists what is wrong with requests, each fault once.
func (s *Schema) faults(requests []pvesim.Request) []string {
	seen := map[string]bool{}
	var out []string
	for _, r := range requests {
		wrong := s.Check(r.Method, r.Path, r.Form)
		for _, k := range slices.Sorted(maps.Keys(wrong)) {
			text := r.Method + " " + r.Path + ": " + wrong[k]
			if k != "" {
				text = r.Method + " " + r.Path + ": " + k + " " + wrong[k]
			}
			if !seen[text] {
				seen[text] = true
				out = append(out, text)
			}
		}
	}
	return out
}
