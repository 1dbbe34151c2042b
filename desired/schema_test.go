package desired

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/tools/txtar"
	"gopkg.in/yaml.v3"
)

// TestSchema holds that schema.json follows from the types and their comments.
func TestSchema(t *testing.T) {
	generated(t, "schema.json", schemaOf(t, newManual(t)))
}

// generated compares a file with what it should be, or with -update makes it so.
func generated(t *testing.T, name string, want []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	has, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(has, want) {
		diff := cmp.Diff(strings.Split(string(has), "\n"), strings.Split(string(want), "\n"))
		t.Errorf("%s is older than the types: go test ./desired -run 'TestReference|TestSchema' -update\n-has +wanted:\n%.3000s", name, diff)
	}
}

// judge makes the schema, as it follows from the types, ready to judge.
func judge(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schemaOf(t, newManual(t))))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("berth.json", doc); err != nil {
		t.Fatal(err)
	}
	out, err := c.Compile("berth.json")
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// documents parts a file's documents and reads them as editors do, by YAML 1.2.
func documents(data []byte) ([]any, error) {
	var out []any
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var node yaml.Node
		if err := dec.Decode(&node); errors.Is(err, io.EOF) {
			return out, nil
		} else if err != nil {
			return nil, err
		}
		if len(node.Content) > 0 && node.Content[0].Tag != "!!null" {
			out = append(out, plain(node.Content[0]))
		}
	}
}

// plain is a node as JSON has it.
func plain(n *yaml.Node) any {
	switch n.Kind {
	case yaml.AliasNode:
		return plain(n.Alias)
	case yaml.SequenceNode:
		out := []any{}
		for _, item := range n.Content {
			out = append(out, plain(item))
		}
		return out
	case yaml.MappingNode:
		out := map[string]any{}
		for i := 0; i < len(n.Content); i += 2 {
			out[n.Content[i].Value] = plain(n.Content[i+1])
		}
		return out
	default:
	}
	switch n.Tag {
	case "!!null":
		return nil
	case "!!bool":
		return n.Value == "true"
	case "!!int", "!!float":
		if f, err := strconv.ParseFloat(n.Value, 64); err == nil {
			return f
		}
	}
	return n.Value
}

// TestSchemaAccepts holds that the schema takes every document of a fleet that
// loads.
func TestSchemaAccepts(t *testing.T) {
	schema, count := judge(t), 0
	check := func(where string, fsys fs.FS) {
		t.Helper()
		if _, err := Load(fsys); err != nil {
			return
		}
		for name, data := range manifests(t, fsys) {
			docs, err := documents(data)
			if err != nil {
				t.Errorf("%s/%s: %v", where, name, err)
			}
			for i, doc := range docs {
				count++
				if err := schema.Validate(doc); err != nil {
					t.Errorf("%s/%s, document %d: %v", where, name, i+1, err)
				}
			}
		}
	}
	archives, err := filepath.Glob("testdata/load/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("no archives: %v", err)
	}
	for _, name := range archives {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range casesOf(archive) {
			check(filepath.Base(name)+"/"+c.name, c.files)
		}
	}
	for _, name := range []string{"first", "pegasus", "app-stack", "single-host", "multi-site", "minimal", "edge"} {
		check(name, os.DirFS(filepath.Join("..", "examples", name)))
	}
	if count < 200 {
		t.Errorf("only %d documents were looked at", count)
	}
}

// TestSchemaAcceptsDrafts holds that the schema takes the fleets that the
// language was tried on, but for what is not built yet.
func TestSchemaAcceptsDrafts(t *testing.T) {
	schema := judge(t)
	for _, name := range []string{"pegasus", "app-stack", "libvirt", "multisite"} {
		fleet := drafts(t, name)
		mistaken := map[string]bool{}
		var found Problems
		if _, err := Load(fleet); err != nil && !errors.As(err, &found) {
			t.Fatal(err)
		}
		for _, p := range found {
			mistaken[string(p.ID)] = true
		}
		for file, data := range manifests(t, fleet) {
			docs, err := documents(data)
			if err != nil {
				t.Errorf("%s/%s: %v", name, file, err)
			}
			for _, doc := range docs {
				fields, ok := doc.(map[string]any)
				if !ok || fields["kind"] == nil {
					continue
				}
				k := kindOf(fmt.Sprint(fields["kind"]))
				if k == nil || k.spec == nil || mistaken[k.short+"/"+fmt.Sprint(fields["name"])] {
					continue
				}
				if err := schema.Validate(doc); err != nil {
					t.Errorf("%s/%s, %s/%s: %v", name, file, k.short, fields["name"], err)
				}
			}
		}
	}
}

// manifests reads a fleet's manifests.
func manifests(t *testing.T, fsys fs.FS) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			_, err := fs.Stat(fsys, path.Join(name, ".berthignore"))
			if err == nil || name != "." && strings.HasPrefix(name, ".") {
				return fs.SkipDir
			}
			return nil
		case path.Ext(name) != ".yaml" && path.Ext(name) != ".yml" || strings.HasPrefix(path.Base(name), "."):
			return nil
		}
		data, err := fs.ReadFile(fsys, name)
		if sealOf(data) == "" {
			out[name] = data
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestSchemaRefuses holds that what people get wrong is red in an editor.
func TestSchemaRefuses(t *testing.T) {
	schema := judge(t)
	for _, text := range []string{
		"name: web",
		"kind: Vm\nname: web",
		"kind: VM",
		"{kind: VM, name: Web_1}",
		"{kind: VM, name: web, memory: 512}",
		"{kind: VM, name: web, memory: 2G}",
		"{kind: VM, name: web, memory: {size: 2 GiB}}",
		"{kind: VM, name: web, memroy: 2GiB}",
		"{kind: VM, name: web, memory: {secret: x}}",
		"{kind: VM, name: web, cpu: two}",
		"{kind: VM, name: web, cpu: {cores: 0}}",
		"{kind: VM, name: web, state: paused}",
		"{kind: VM, name: web, tags: prod}",
		"{kind: VM, name: web, tags: [Prod]}",
		"{kind: VM, name: web, startup: true}",
		"{kind: VM, name: web, disks: {scsi31: {size: 8GiB}}}",
		"{kind: VM, name: web, disks: {rootfs: {size: 8GiB}}}",
		"{kind: VM, name: web, disks: {scsi0: {size: 8GB}}}",
		"{kind: VM, name: web, disks: {scsi0: gone}}",
		"{kind: VM, name: web, disks: {scsi0: {bind: /tank}}}",
		"{kind: VM, name: web, networks: {eth0: {network: lan}}}",
		"{kind: VM, name: web, networks: {net0: {vlan: 5000}}}",
		"{kind: VM, name: web, networks: {net0: {mac: aa-bb-cc-dd-ee-ff}}}",
		"{kind: VM, name: web, expose: [{port: 443}]}",
		"{kind: VM, name: web, needs: [db-1]}",
		"{kind: VM, name: web, cloudInit: {users: [{keys: [anna]}]}}",
		"{kind: VM, name: web, cloudInit: {files: {motd: {content: x}}}}",
		"{kind: VM, name: web, lifecycle: {reboot: always}}",
		"{kind: VM, name: web, allowAddressConflict: perhaps}",
		"{kind: VM, name: web, swap: 512MiB}",
		"{kind: VM, name: web, password: {secret: x}}",
		"{kind: Container, name: web, memory: {size: 1GiB, min: 512MiB}}",
		"{kind: Container, name: web, disks: {scsi0: {size: 8GiB}}}",
		"{kind: Container, name: web, cpu: {sockets: 2}}",
		"{kind: Container, name: web, cloudInit: {packages: [git]}}",
		"{kind: Container, name: web, password: geheim}",
		"{kind: Profile, name: base, hostname: web}",
		"{kind: Profile, name: base, count: 3}",
		"{kind: Profile, name: base, for: Host}",
		"{kind: Fleet, name: demo}",
		"{kind: Fleet, name: demo, uid: 5b1f0c2e, archiveFor: 7}",
		"{kind: Fleet, name: demo, uid: 5b1f0c2e, windows: [x]}",
		"{kind: Fleet, name: demo, uid: 5b1f0c2e, defaults: {Vm: {memory: 1GiB}}}",
		"{kind: Fleet, name: demo, uid: 5b1f0c2e, defaults: {VM: {name: web}}}",
		"{kind: Site, name: home, endpoints: [10.1.1.11], token: {secret: pve}}",
		"{kind: Site, name: home, token: \"root@pam!id=uuid\"}",
		"{kind: Site, name: home, tls: {insecure: true}}",
		"{kind: Site, name: home, networks: {lan: {subnet: 10.1.1.0}}}",
		"{kind: Image, name: debian, url: \"ftp://x/y\"}",
		"{kind: Image, name: debian, sha256: abc}",
		"{kind: Playbook, name: base, runs: [always]}",
		"{kind: Playbook, name: base, after: [users]}",
		"{kind: Edge, name: edge, tls: {routes: {a_b: reject}}}",
		"{kind: Host, name: nas, address: nas.local}",
		"{kind: User, name: anna, shell: zsh}",
	} {
		docs, err := documents([]byte(text))
		if err != nil || len(docs) != 1 {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if schema.Validate(docs[0]) == nil {
			t.Errorf("accepted: %s", text)
		}
	}
}
