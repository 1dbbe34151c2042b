package deploy_test

import (
	"fmt"
	"slices"
	"sort"
	"strings"
)

// modulePath is the module's name in go.mod.
const modulePath = "berth"

// row is one package of the repository and the packages of the module that it
// may import. A directory without a row is refused, so that a new package is a
// decision that somebody writes down here.
type row struct {
	dir     string
	imports []string // What any file may import; "x/..." stands for x and all below it.
	tests   []string // What only its _test.go files may import besides.
}

// below lists what stands under the agent: everything that it wires together.
var below = []string{
	"desired", "drift", "drift/explain", "drift/routes", "drift/report", "drift/report/diagram",
	"applyers", "applyers/proxmox", "applyers/proxmox/pvesim", "applyers/proxmox/pvesim/lxc", "applyers/nginx", "applyers/nginx/conf", "applyers/nginx/probe", "applyers/ansible", "applyers/ansible/inventory", "applyers/ansible/runner", "applyers/machine",
	"examples",
}

// insideAgent is what the agent's own packages may import: each other, and what
// stands below, but never the command itself.
var insideAgent = append([]string{"agent/internal/..."}, below...)

// watched are what only the tests of those import that run a whole agent.
var watched = []string{"applyers/applyertest", "applyers/proxmox/pvesim/aftermath", "applyers/proxmox/pvesim/schemacheck"}

// layout is the table of the repository's packages. Imports run one way:
// agent → applyers/* → applyers → drift → desired, and drift/report → drift.
// The same rules stand in .golangci.yml, where editors show them.
var layout = []row{
	{dir: "desired"},
	{dir: "drift", imports: []string{"desired"}},
	{dir: "drift/routes", imports: []string{"desired", "drift"}},
	{dir: "drift/explain", imports: []string{"desired", "drift", "drift/routes"}},
	{dir: "drift/report", imports: []string{"desired", "drift", "drift/explain", "drift/routes"}},
	{dir: "drift/report/diagram", imports: []string{"desired", "drift/report", "drift/routes"}},

	{dir: "applyers", imports: []string{"desired", "drift"}, tests: []string{"applyers/applyertest"}},
	{dir: "applyers/applyertest", imports: []string{"desired", "drift", "applyers"}},
	{
		dir:     "applyers/proxmox",
		imports: []string{"desired", "drift", "applyers", "applyers/proxmox/notation", "applyers/proxmox/pve", "applyers/proxmox/seed", "applyers/proxmox/stamp"},
		tests:   []string{"applyers/applyertest", "applyers/proxmox/pvesim", "applyers/proxmox/pvesim/schemacheck"},
	},
	{dir: "applyers/proxmox/pvesim"},
	{dir: "applyers/proxmox/pvesim/lxc", imports: []string{"applyers/proxmox/pvesim"}},
	{dir: "applyers/proxmox/pvesim/aftermath", imports: []string{"applyers/proxmox/pvesim"}},
	{dir: "applyers/proxmox/pvesim/schemacheck", imports: []string{"applyers/proxmox/pvesim"}},
	{dir: "applyers/proxmox/seed", imports: []string{"desired"}},
	{dir: "applyers/proxmox/notation", imports: []string{"desired"}},
	{dir: "applyers/proxmox/pve", imports: []string{"desired", "applyers"}},
	{dir: "applyers/proxmox/stamp", imports: []string{"desired"}},
	{dir: "applyers/machine", imports: []string{"desired"}},
	{dir: "applyers/nginx", imports: []string{"desired", "drift", "applyers", "applyers/machine", "applyers/nginx/conf", "applyers/nginx/probe"}, tests: []string{"applyers/applyertest"}},
	{dir: "applyers/nginx/conf", imports: []string{"desired"}},
	{dir: "applyers/nginx/probe"},
	{dir: "applyers/ansible", imports: []string{"desired", "drift", "applyers", "applyers/machine", "applyers/ansible/inventory", "applyers/ansible/runner"}, tests: []string{"applyers/applyertest"}},
	{dir: "applyers/ansible/inventory", imports: []string{"desired"}},
	{dir: "applyers/ansible/runner", imports: []string{"desired"}},

	{dir: "agent", imports: insideAgent, tests: watched},
	{dir: "agent/internal/config", imports: insideAgent, tests: []string{"applyers/applyertest"}},
	{dir: "agent/internal/checkout", imports: insideAgent, tests: []string{"applyers/applyertest"}},
	{dir: "agent/internal/turn", imports: insideAgent, tests: watched},
	{dir: "agent/internal/trigger", imports: insideAgent, tests: []string{"applyers/applyertest"}},
	{dir: "agent/internal/journal", imports: insideAgent, tests: []string{"applyers/applyertest"}},
	{dir: "agent/internal/history", imports: insideAgent},
	{dir: "agent/internal/durable"},
	{dir: "agent/internal/forge", imports: insideAgent},
	{dir: "agent/internal/pause", imports: []string{"agent/internal/durable"}},
	{dir: "agent/internal/trouble"},
	{dir: "agent/internal/gitserve", imports: insideAgent, tests: []string{"applyers/applyertest"}},
	{dir: "agent/internal/health", imports: insideAgent},
	{dir: "agent/internal/importer", imports: insideAgent, tests: watched},
	{dir: "agent/internal/lock", imports: insideAgent},
	{dir: "agent/internal/logs", imports: insideAgent},
	{dir: "agent/internal/proposals", imports: insideAgent},
	{dir: "agent/internal/metrics", imports: insideAgent},
	{dir: "agent/internal/secrets", imports: insideAgent},
	{dir: "agent/internal/notify", imports: insideAgent, tests: []string{"applyers/applyertest"}},
	{dir: "agent/internal/quiet"},
	{dir: "agent/internal/retryafter"},
	{dir: "agent/internal/webhook", imports: insideAgent, tests: []string{"applyers/applyertest"}},
	{dir: "agent/internal/systemd", imports: insideAgent},
	{dir: "agent/internal/web", imports: insideAgent, tests: []string{"applyers/applyertest"}},

	{dir: "deploy", tests: slices.Concat(watched, []string{"deploy/internal/..."}, below)},
	{dir: "deploy/internal/edgebed", imports: []string{"deploy/internal/standin"}},
	{dir: "deploy/internal/guestbed", imports: []string{"deploy/internal/standin"}, tests: []string{"applyers/proxmox/pvesim", "applyers/proxmox/pvesim/schemacheck"}},
	{dir: "deploy/internal/rulecheck"},
	{dir: "deploy/internal/standin"},
	{dir: "deploy/internal/standinforge"},
	{dir: "deploy/internal/testsummary"},
	{dir: "examples", tests: []string{"desired"}},
}

// faults lists every way in which the packages break the table, sorted by
// package and in the order of the files.
func faults(table []row, packages []sourcePackage) []string {
	var found []string
	for _, p := range packages {
		found = append(found, fileFaults(p)...)
		at := slices.IndexFunc(table, func(r row) bool { return r.dir == p.Dir })
		if at < 0 {
			found = append(found, p.Dir+
				": no such package in the layout; move it into one that is, or add a row for it to deploy/layoutrules_test.go")
			continue
		}
		for _, i := range p.Imports {
			if reason := refusal(table[at], i); reason != "" {
				found = append(found, fmt.Sprintf("%s: %s must not import %s: %s", i.At, p.Dir, i.Dir, reason))
			}
		}
	}
	return found
}

// fileFaults lists what is wrong with a package's files, whatever it imports.
func fileFaults(p sourcePackage) []string {
	var found []string
	documented, production := false, false
	files := slices.Clone(p.Files)
	sort.Slice(files, func(i, j int) bool { return files[i].Name < files[j].Name })
	for _, f := range files {
		if f.Test {
			continue
		}
		production = true
		documented = documented || f.Doc
		if f.Lines > maxLines {
			found = append(found, fmt.Sprintf("%s: %d lines; split it, no file has more than %d", f.Name, f.Lines, maxLines))
		}
	}
	if production && !documented {
		found = append(found, p.Dir+": no package comment; say in one sentence what the package is for")
	}
	return found
}

// refusal says why the package of the row must not import what it does, or ""
// where it may. An external test may always import the package that it tests.
func refusal(from row, i sourceImport) string {
	if i.Dir == from.dir && i.Test || allowed(from.imports, i.Dir) {
		return ""
	}
	if allowed(from.tests, i.Dir) {
		if i.Test {
			return ""
		}
		return "that is for its tests alone"
	}
	switch {
	case under(i.Dir, "agent"):
		return "nothing imports the agent"
	case under(from.dir, "applyers/proxmox/pvesim"):
		return "the simulator knows nothing of Berth, so that any client can be tried against it"
	case (under(from.dir, "desired") || under(from.dir, "drift")) && under(i.Dir, "applyers"):
		return "what compares never knows who applies"
	case applyer(from.dir) != "" && applyer(i.Dir) != "" && applyer(from.dir) != applyer(i.Dir):
		return "one applyer never imports another"
	case under(i.Dir, "deploy"):
		return "what surrounds the program is no part of it"
	default:
		return "imports run one way, agent → applyers/* → applyers → drift → desired, and drift/report → drift"
	}
}

// allowed says whether one of the patterns covers the directory.
func allowed(patterns []string, dir string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		if whole, ok := strings.CutSuffix(pattern, "/..."); ok {
			return under(dir, whole)
		}
		return pattern == dir
	})
}

// under says whether dir is top or stands below it.
func under(dir, top string) bool {
	return dir == top || strings.HasPrefix(dir, top+"/")
}

// applyer names the applyer that a directory belongs to, or "" for any other.
func applyer(dir string) string {
	rest, ok := strings.CutPrefix(dir, "applyers/")
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, "/")
	if name == "applyertest" || name == "machine" {
		return ""
	}
	return name
}
