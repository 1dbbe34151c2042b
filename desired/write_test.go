package desired

import (
	"io/fs"
	"maps"
	"os"
	"path"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"
)

// TestWriteReadsBack writes the guests of the examples as they stand after
// loading, and loads them again: everything compared is the same.
func TestWriteReadsBack(t *testing.T) {
	for _, dir := range []string{"../examples/pegasus", "../examples/minimal"} {
		before := mustLoad(t, os.DirFS(dir))
		files := fstest.MapFS{}
		copyButGuests(t, dir, files)
		var docs []Document
		for _, r := range before.Resources {
			switch spec := r.Spec.(type) {
			case *VM:
				docs = append(docs, written("VM", &spec.Guest, spec, r))
			case *Container:
				docs = append(docs, written("Container", &spec.Guest, spec, r))
			}
		}
		text, err := Write(docs...)
		if err != nil {
			t.Fatal(err)
		}
		files["guests/all.yaml"] = &fstest.MapFile{Data: text}
		after, err := Load(files)
		if err != nil {
			t.Fatalf("%s: %v\n%s", dir, err, text)
		}
		sameFleet(t, before, after)
		again, err := Write(docs...)
		if err != nil || string(again) != string(text) {
			t.Errorf("written twice, it differs: %v", err)
		}
	}
}

// written is a document that holds all that is set of a guest, and what is not
// compared with live.
func written(kind string, g *Guest, spec any, r *Resource) Document {
	keep := map[Path]bool{"id": true, "groups": true, "vars": true, "needs": true, "project": true, "environment": true}
	for p := range r.Set.Paths() {
		keep[p] = true
	}
	delete(keep, "uses") // The profiles are written out.
	for slot := range g.Networks {
		keep[Path("networks").Sub(slot).Sub("address")] = true
	}
	for p := range maps.Clone(keep) {
		// A file beside a profile is not beside the guest: its content is written.
		if at, from := strings.CutSuffix(string(p), ".from"); from {
			delete(keep, p)
			keep[Path(at).Sub("content")] = true
		}
	}
	for p := range keep {
		// What a value is empty of is not written here.
		if strings.HasPrefix(string(p), "vars") {
			delete(keep, p)
		}
	}
	for name := range g.Vars {
		keep[Path("vars").Sub(name)] = true
	}
	for word, n := range map[Path]int{"groups": len(g.Groups), "needs": len(g.Needs), "project": len(g.Project), "environment": len(g.Environment)} {
		if n == 0 {
			delete(keep, word)
		}
	}
	return Document{Kind: kind, Name: g.Name, Spec: spec, Keep: keep}
}

func mustLoad(t *testing.T, fsys fs.FS) *Fleet {
	t.Helper()
	fleet, err := Load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return fleet
}

// copyButGuests copies a fleet's files, without those that hold guests, edges and
// playbooks; users and images stay.
func copyButGuests(t *testing.T, dir string, into fstest.MapFS) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path.Join(dir, name))
		if err != nil {
			return err
		}
		if !strings.HasSuffix(name, ".yaml") {
			into[name] = &fstest.MapFile{Data: text}
			return nil
		}
		var kept []string
		for doc := range strings.SplitSeq(string(text), "\n---\n") {
			if !strings.Contains(doc, "kind: VM") && !strings.Contains(doc, "kind: Container") && !strings.Contains(doc, "kind: Edge") &&
				!strings.Contains(doc, "kind: Playbook") && !strings.Contains(doc, "kind: Profile") {
				kept = append(kept, doc)
			}
		}
		into[name] = &fstest.MapFile{Data: []byte(strings.Join(kept, "\n---\n"))}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func sameFleet(t *testing.T, before, after *Fleet) {
	t.Helper()
	for _, b := range before.Resources {
		if !b.ID.Guest() {
			continue
		}
		a := after.Resource(b.ID)
		if a == nil {
			t.Errorf("%s is gone", b.ID)
			continue
		}
		leaves := map[Path]any{}
		for _, leaf := range Leaves(a.ID.Kind(), a.Spec) {
			leaves[leaf.Path] = leaf.Value
		}
		for _, leaf := range Leaves(b.ID.Kind(), b.Spec) {
			if !b.Set.Has(leaf.Path) {
				continue
			}
			if got := leaves[leaf.Path]; Text(got) != Text(leaf.Value) {
				t.Errorf("%s %s: %v, was %v", b.ID, leaf.Path, got, leaf.Value)
			}
			if !a.Set.Has(leaf.Path) {
				t.Errorf("%s %s is no longer set", b.ID, leaf.Path)
			}
		}
		if a.Set.Len() != b.Set.Len() {
			for p := range a.Set.Paths() {
				// What a file beside the manifest says is written out.
				at, content := strings.CutSuffix(string(p), ".content")
				from := b.Set.Has(Path(at).Sub("from"))
				if !b.Set.Has(p) && (!content || !from) {
					t.Errorf("%s %s is set and was not", b.ID, p)
				}
			}
		}
	}
}

// TestWrite shows the text.
func TestWrite(t *testing.T) {
	keep := func(paths ...Path) map[Path]bool {
		m := map[Path]bool{}
		for _, p := range paths {
			m[p] = true
		}
		return m
	}
	vm := &VM{
		Guest: Guest{
			Plan: "4001", Hostname: "Web-1", Tags: Words{"web", "prod", "web"}, Description: "First line.\nsecond: {line}\n", Startup: "true",
			Disks:    map[string]Disk{"scsi10": {Size: TiB}, "scsi2": {Size: 32 * GiB, Storage: "ssd", Discard: true}},
			Networks: map[string]NIC{"net0": {Network: "lan", MAC: "aa:28:91:f5:3d:16", Rate: Rate(100 * MiB)}},
			Adopt:    Adopt{UUID: "00000000-0000-4000-8000-000000000001"}, Uses: List{"ubuntu", "prod"},
			Options: map[string]string{"rng0": "source=/dev/urandom", "audio0": ""},
		},
		CPU: CPU{Cores: 2}, Memory: Memory{Size: 2 * GiB, Min: GiB}, Agent: Agent{Enabled: false},
	}
	for _, test := range []struct {
		name string
		doc  Document
		want string
	}{
		{
			"short forms",
			Document{Kind: "VM", Name: "web-1", Spec: vm, Keep: keep("id", "cpu.cores", "agent.enabled", "memory.size")},
			"kind: VM\nname: web-1\nid: 4001\ncpu: 2\nmemory: 2GiB\nagent: false\n",
		},
		{
			"maps",
			Document{Kind: "VM", Name: "web-1", Spec: vm, Keep: keep("memory.size", "memory.min", "uses", "adopt.uuid", "networks.net0")},
			"kind: VM\nname: web-1\nuses: [ubuntu, prod]\nnetworks: {net0: {}}\nadopt: {uuid: 00000000-0000-4000-8000-000000000001}\nmemory: {size: 2GiB, min: 1GiB}\n",
		},
		{
			"order, sets and texts",
			Document{
				Kind: "VM", Name: "1", Spec: vm, Head: []string{"Vor\x1bsicht"}, Notes: map[Path]string{"hostname": "with a capital"},
				Keep: keep("hostname", "tags", "description", "startup", "disks.scsi2.size", "disks.scsi10.size", "disks.scsi2.discard", "networks.net0.mac", "networks.net0.rate", "options.rng0", "options.audio0"),
			},
			"# Vor sicht\nkind: VM\nname: \"1\"\ndescription: |\n  First line.\n  second: {line}\nhostname: Web-1 # with a capital\n" +
				"disks:\n  scsi2: {size: 32GiB, discard: true}\n  scsi10: {size: 1TiB}\nnetworks: {net0: {mac: \"aa:28:91:f5:3d:16\", rate: 100MiB/s}}\n" +
				"startup: \"true\"\ntags: [prod, web]\noptions:\n  audio0: null\n  rng0: source=/dev/urandom\n",
		},
	} {
		got, err := Write(test.doc)
		if err != nil || string(got) != test.want {
			t.Errorf("%s: %v\n%s\nwant\n%s", test.name, err, got, test.want)
		}
	}
}

// TestWriteKeepsTexts writes texts that YAML could take for something else.
func TestWriteKeepsTexts(t *testing.T) {
	for _, text := range []string{
		"x", "", "null", "~", "true", "yes", "0755", "1.10", "4E10", "2026-12-01", "- x", "a: b", "# x", "a #b", "{{ x }}", "[", "*x", "&x", "!x", "<<", "=", "|", ">", "%", "@", "`",
		" lead", "trail ", "a\nb", "a\nb\n", "\na", "a\n\n\n", " a\n b", "a \nb", "tab\there", "cr\r\nlf", "<b>HTML</b> &amp; \"quotes\" 'single'", "\\", "é ü 漢字 🙂", "a\u0085b", "a\u2028b", "\ufeffx", "---", "...", "--- x\n--- y", "a\n---\nb", "#\n#",
	} {
		doc := Document{Kind: "VM", Name: "x", Spec: &VM{Guest: Guest{Description: text, Vars: map[string]any{"v": text}}}, Keep: map[Path]bool{"description": true, "vars.v": true}}
		out, err := Write(doc)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		p := parser{report: func(_ Source, _ ID, text string) { t.Errorf("%q: %s\n%s", doc.Spec.(*VM).Description, text, out) }}
		trees := p.parse(out, func(string, string) {})
		if len(trees) != 1 {
			t.Errorf("%q: %d documents\n%s", text, len(trees), out)
			continue
		}
		if got := trees[0].get("description"); text == "" && got.form != nullForm || text != "" && (got.form != scalarForm || got.text != text) {
			t.Errorf("%q: read back as %q\n%s", text, got.text, out)
		}
		if got := guess(trees[0].find("vars", "v")); !reflect.DeepEqual(got, text) {
			t.Errorf("%q: as a variable %#v\n%s", text, got, out)
		}
	}
}
