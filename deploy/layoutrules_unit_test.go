package deploy_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// TestLayoutRules shows that each rule bites and that what is allowed passes.
func TestLayoutRules(t *testing.T) {
	t.Parallel()
	const oneWay = "imports run one way, agent → applyers/* → applyers → drift → desired, and drift/report → drift"
	for _, test := range []struct {
		file, imports, want string
	}{
		{"drift/a.go", "desired", ""},
		{"drift/a_test.go", "drift", ""},
		{"drift/report/a.go", "drift", ""},
		{"applyers/a.go", "drift", ""},
		{"applyers/nginx/a.go", "applyers", ""},
		{"applyers/nginx/a_test.go", "applyers/applyertest", ""},
		{"applyers/proxmox/a_test.go", "applyers/proxmox/pvesim", ""},
		{"applyers/applyertest/a.go", "applyers", ""},
		{"agent/a.go", "agent/internal/turn", ""},
		{"agent/a.go", "applyers/proxmox/pvesim", ""},
		{"agent/internal/turn/a.go", "agent/internal/journal", ""},
		{"deploy/a_test.go", "deploy/internal/standin", ""},
		{"deploy/a_test.go", "applyers/proxmox/pvesim", ""},

		{"desired/a.go", "drift", oneWay},
		{"drift/a.go", "drift/report", oneWay},
		{"drift/report/a.go", "examples", oneWay},
		{"applyers/a.go", "applyers/nginx", oneWay},
		{"applyers/a.go", "drift/report", oneWay},
		{"applyers/applyertest/a.go", "applyers/proxmox", oneWay},
		{"desired/a.go", "applyers", "what compares never knows who applies"},
		{"drift/a.go", "applyers/proxmox", "what compares never knows who applies"},
		{"drift/report/a_test.go", "applyers", "what compares never knows who applies"},
		{"applyers/nginx/a.go", "applyers/proxmox", "one applyer never imports another"},
		{"applyers/ansible/a_test.go", "applyers/proxmox/pvesim", "one applyer never imports another"},
		{"applyers/nginx/a.go", "agent/internal/journal", "nothing imports the agent"},
		{"agent/internal/turn/a.go", "agent", "nothing imports the agent"},
		{"deploy/a_test.go", "agent/internal/turn", "nothing imports the agent"},
		{"applyers/proxmox/pvesim/a.go", "desired", "the simulator knows nothing of Berth, so that any client can be tried against it"},
		{"applyers/proxmox/pvesim/a_test.go", "applyers/proxmox", "the simulator knows nothing of Berth, so that any client can be tried against it"},
		{"applyers/proxmox/a.go", "applyers/proxmox/pvesim", "that is for its tests alone"},
		{"applyers/nginx/a.go", "applyers/applyertest", "that is for its tests alone"},
		{"agent/a.go", "applyers/proxmox/pvesim/schemacheck", "that is for its tests alone"},
		{"applyers/proxmox/pvesim/a_test.go", "applyers/proxmox/pvesim/schemacheck", "the simulator knows nothing of Berth, so that any client can be tried against it"},
		{"agent/a.go", "deploy/internal/standin", "what surrounds the program is no part of it"},
	} {
		t.Run(test.file+" imports "+test.imports, func(t *testing.T) {
			t.Parallel()
			source := "// Package a is a.\npackage a\n\nimport _ \"berth/" + test.imports + "\"\n"
			want := []string(nil)
			if test.want != "" {
				dir := test.file[:strings.LastIndex(test.file, "/")]
				want = []string{test.file + ":4: " + dir + " must not import " + test.imports + ": " + test.want}
			}
			checkFaults(t, fstest.MapFS{test.file: {Data: []byte(source)}}, want...)
		})
	}
}

// TestLayoutFiles shows the rules that look at a package whatever it imports.
func TestLayoutFiles(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("\n", maxLines)
	checkFaults(t, fstest.MapFS{
		"desired/a.go":            {Data: []byte("// Package desired is long.\npackage desired" + long[1:])},
		"desired/b.go":            {Data: []byte("package desired\n" + long)},
		"desired/b_test.go":       {Data: []byte("package desired\n" + long)},
		"drift/a.go":              {Data: []byte("//go:build linux\n\npackage drift\n")},
		"desired/testdata/a.go":   {Data: []byte("not Go")},
		"util/strings.go":         {Data: []byte("// Package util is everything.\npackage util\n")},
		"applyers/nginx/lua/a.go": {Data: []byte("// Package lua is new.\npackage lua\n")},
	},
		"applyers/nginx/lua: no such package in the layout; move it into one that is, or add a row for it to deploy/layoutrules_test.go",
		"desired/b.go: 501 lines; split it, no file has more than 500",
		"drift: no package comment; say in one sentence what the package is for",
		"util: no such package in the layout; move it into one that is, or add a row for it to deploy/layoutrules_test.go",
	)
}

func checkFaults(t *testing.T, tree fstest.MapFS, want ...string) {
	t.Helper()
	packages, err := readPackages(tree)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, faults(layout, packages)); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
}
