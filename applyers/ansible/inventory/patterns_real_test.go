package inventory

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"berth/desired"
)

// askManager asks Ansible's own manager of inventories whom patterns name: a program
// started for each takes half a second.
const askManager = `
import json, sys
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
manager = InventoryManager(loader=DataLoader(), sources=[sys.argv[1]])
def ask(pattern):
    try:
        return [host.name for host in manager.get_hosts(pattern)]
    except Exception:  # A place that a group does not have: no host, here.
        return None
json.dump([ask(pattern) for pattern in json.load(sys.stdin)], sys.stdout)
`

// ansiblePython is the Python that has Ansible: that of its program's first line.
func ansiblePython(t *testing.T) string {
	t.Helper()
	if os.Getenv("BERTH_REAL") == "" {
		t.Skip("set BERTH_REAL=1 to try real Ansible")
	}
	program, err := exec.LookPath("ansible")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimSpace(strings.TrimPrefix(first, "#!"))
}

// patternFleet is a fleet with hosts and groups that share beginnings, one name that is
// a host's and a group's, and groups of groups.
const patternFleet = base + `---
{kind: VM, name: web-3, groups: [web, front]}
---
{kind: VM, name: web-2, groups: [web]}
---
{kind: VM, name: web-10, groups: [web, slow]}
---
{kind: VM, name: db-1, groups: [db, slow]}
---
{kind: VM, name: nas, groups: [front]}
---
{kind: Host, name: mail, address: 10.1.1.250, groups: [front, nas]}
`

// pattern makes a pattern of Ansible's that names what is there.
func pattern(r *rand.Rand) string {
	words := []string{
		"all", "web", "db", "front", "slow", "vm", "host", "web-1", "web-2", "web-3", "web-10", "db-1", "nas", "mail", "site_home", "servers", "both",
		"*", "web-*", "*1", "web-?", "web-[12x]", "web-[!1]", "~web-1", "~web-1$", "~.*[0-9]$", "~(web|db)$", "??-1", "n*", "s*", "w*b",
		"web[0]", "web[-1]", "web[0:1]", "web[1:]", "all[0]", "all[2:3]", "all[-2]", "front[0]", "servers[1]", "servers[0:2]", "web*[1]", "web[7]", "vm[-9]", "web[2:1]", "both[0:9]",
	}
	parts := make([]string, 1+r.IntN(4))
	for i := range parts {
		parts[i] = []string{"", "", "", "!", "&"}[r.IntN(5)] + words[r.IntN(len(words))]
	}
	return strings.Join(parts, []string{":", ",", " , "}[r.IntN(3)])
}

// TestRealPatterns holds that a pattern names here whom it names to real Ansible.
func TestRealPatterns(t *testing.T) {
	python, seed := ansiblePython(t), rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	var patterns []string
	var text strings.Builder
	text.WriteString(patternFleet)
	for i := range 1500 {
		patterns = append(patterns, pattern(r))
		fmt.Fprintf(&text, "---\n{kind: Playbook, name: p%d, path: play/p.yml, hosts: %q, groups: {servers: [front, db], both: [servers, slow]}}\n", i, patterns[i])
	}
	fleet, err := desired.Load(fstest.MapFS{"fleet.yaml": {Data: []byte(text.String())}, "play/p.yml": {Data: []byte("[]\n")}, "play/.berthignore": {}})
	if err != nil {
		t.Fatal(err)
	}
	inv, err := Make(fleet, func(desired.ID, string) (string, bool) { return "10.0.0.1", true }).JSON()
	asked, _ := json.Marshal(patterns)
	cmd := exec.CommandContext(t.Context(), python, "-c", askManager, file(t, "hosts.json", 0o600, inv, err))
	dir := t.TempDir()
	cmd.Env = append(os.Environ(), "ANSIBLE_CONFIG="+filepath.Join(dir, "none.cfg"), "ANSIBLE_LOCAL_TEMP="+dir, "LC_ALL=C.UTF-8")
	var said bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(asked), &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, said.String())
	}
	var want [][]string
	if err := json.Unmarshal(out, &want); err != nil {
		t.Fatal(err)
	}
	wrong := 0
	for i, names := range want {
		if names == nil {
			continue
		}
		play, _ := fleet.Resource(desired.MakeID(desired.KindPlaybook, fmt.Sprintf("p%d", i))).Spec.(*desired.Playbook)
		var have []string
		for _, id := range play.Targets {
			have = append(have, id.Name())
		}
		slices.Sort(names)
		slices.Sort(have)
		if !slices.Equal(slices.Compact(names), have) {
			if wrong++; wrong <= 20 {
				t.Errorf("%q names %q, and to Ansible %q", patterns[i], have, names)
			}
		}
	}
	if wrong > 0 {
		t.Errorf("%d of %d differ, seed %d", wrong, len(patterns), seed)
	}
}
