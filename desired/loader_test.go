package desired

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"pgregory.net/rapid"
)

// others are documents that are no guests, each of which may be there or not.
func others() map[string]string {
	return map[string]string{
		"p1.yaml": "kind: Profile\nname: base\nmemory: 1GiB\ntags: [base]\ndisks: {scsi0: {image: debian-12, storage: ssd, size: 32GiB}}\n",
		"p2.yaml": "kind: Profile\nname: base\nmemory: 2GiB\ncloudInit: {packages: [vim]}\ndisks: {scsi0: {image: debian-12, storage: ssd, size: 32GiB}}\n",
		"h.yaml":  "kind: Host\nname: nas\naddress: 10.1.1.250\ngroups: [g2]\n",
		"e.yaml":  "kind: Edge\nname: main\ntls: {default: reject}\n",
		"e2.yaml": "kind: Edge\nname: main\ntls: {default: reject, routes: {x.example.net: vm/g1:80}}\n",
		"e3.yaml": "kind: Edge\nname: main\nat: vm/g2\nupstreams: {lab: {servers: [vm/g1:443, {to: vm/g3:443, backup: true}], proxyProtocol: true}, idle: {servers: [\"10.1.1.9:80\"]}}\n" +
			"tls: {default: lab, routes: {.example.net: lab}}\nhttp: {default: reject, routes: {.example.net: redirect}}\ntcp: {25: vm/g1:25}\nudp: {53: host/nas:53}\n",
		"e4.yaml": "kind: Edge\nname: main\ntls: {default: reject}\nhttp: {default: \"10.1.1.9:80\", routes: {a2.example.net: reject}}\n---\nkind: Edge\nname: other\nat: host/nas\nhttp: {default: redirect}\n",
		"pl.yaml": "kind: Playbook\nname: one\npath: play/one.yml\nhosts: all:!nas\n---\nkind: Playbook\nname: two\npath: play/one.yml\nhosts: vm:&ct\nruns: [created]\n",
		"pl2.yaml": "kind: Playbook\nname: one\npath: play/one.yml\nhosts: \"g*:!~g[34]\"\ngroups: {both: [vm, host]}\nvars: {s: {secret: token-a}}\n---\n" +
			"kind: Playbook\nname: three\npath: x.yml\nhosts: all\nlimit: \"vm[0:2]\"\ngit: {url: \"https://git.example.com/x.git\", ref: v1}\nruns: [changed, {schedule: \"0 3 * * *\"}]\n---\n" +
			"kind: Playbook\nname: four\nhosts: all\nrunner: {webhook: {url: \"https://x.example.com/{host}\"}}\nafter: [play/one]\n",
		"hv1.vars": "a: 1\n",
		"hv2.vars": "a: 2\n",
		"s1.seal":  "$ANSIBLE_VAULT;1.1;AES256\n6162\n",
		"s2.seal":  "$ANSIBLE_VAULT;1.1;AES256\n6364\n",
		"s3.seal":  "token: hunter22\n",
		"sv.yaml":  "kind: Secret\nname: token-b\nvault: {file: sealed.yml, password: {secret: token-a}}\n",
		"d.yaml":   "kind: DataVM\nname: certs\nid: 900\ndisks: {scsi0: {name: le, storage: ssd, size: 1GiB, mount: /le}}\n",
		"pr.yaml":  "kind: Project\nname: shop\nguests: {app: {kind: VM, memory: 1GiB}}\nenvironments: {dev: {}, prod: {guests: {app: {memory: 2GiB}}}}\n",
		"a.yaml":   "kind: Approval\nallow: delete vm/g4\nuntil: 2026-12-01\n",
		"x.yaml":   "kind: Secret\nname: token-a\nfile: /etc/berth/secrets/a\n---\nkind: VM\nname: mixed\nmemory: 1GiB\n",
		"i.yaml":   "kind: Image\nname: other\nurl: https://img.example.net/other.iso\nsha256: 054db2d88c454bb0ad8dfd8883955e3946b57d2b0bf0d023f3ade3c93cdd14e5\n",
		"n.yaml":   "\n",
		"b.yaml":   "kind: VM\nname: [\n",
		"m1.txt":   "one",
		"m2.txt":   "two",
	}
}

// guestText draws the manifest of a guest.
func guestText(t *rapid.T, i int) string {
	name := fmt.Sprintf("g%d", i)
	if rapid.IntRange(0, 60).Draw(t, "another's name") == 0 {
		name = fmt.Sprintf("g%d", rapid.IntRange(0, 8).Draw(t, "name"))
	}
	var b strings.Builder
	says := func(odds int, lines ...string) {
		if rapid.IntRange(0, odds).Draw(t, "says") == 0 {
			b.WriteString(rapid.SampledFrom(lines).Draw(t, "line") + "\n")
		}
	}
	if rapid.IntRange(0, 5).Draw(t, "kind") == 0 {
		b.WriteString("kind: Container\nname: " + name + "\ndisks: {rootfs: {storage: ssd, size: 8GiB}}\n")
	} else {
		b.WriteString("kind: VM\nname: " + name + "\n")
		says(8, "cloudInit: {files: {/etc/motd: {from: m.txt}}}", "cloudInit: {}", "cpu: {numa: true, sockets: 1}")
		says(20, "disks: {scsi1: {volume: certs/le}}", "disks: {scsi1: {volume: certs/le, readOnly: true}}", "disks: {ide2: {iso: other}}", "disks: {scsi1: {image: debian-12, storage: ssd, size: 40GiB}}")
		says(2, "uses: [base]")
	}
	numbered := fmt.Sprintf("networks: {net0: {hostnum: %d}}", 20+i)
	switch rapid.IntRange(0, 30).Draw(t, "place") {
	case 0:
		b.WriteString(rapid.SampledFrom([]string{"id: 1000", "networks: {net0: {address: 10.0.0.21}}", "networks: {net0: {mac: \"bc:24:11:00:00:07\"}}", "networks: {net0: {address6: \"fd00:1::3/64\"}}"}).Draw(t, "clash") + "\n")
	case 1, 2, 3, 4, 5:
		b.WriteString("id: net\n" + numbered + "\n")
	default:
		says(2, fmt.Sprintf("id: %d", 1000+i))
		b.WriteString(rapid.SampledFrom([]string{numbered, fmt.Sprintf("networks: {net0: {mac: \"bc:24:11:00:00:%02x\"}}", i), fmt.Sprintf("networks: {net0: {hostnum: %d, address6: \"fd00:1::%d/64\"}}", 20+i, i+2)}).Draw(t, "nic") + "\n")
	}
	says(3, "memory: 512MiB", "memory: 1GiB")
	says(3, "tags: [web]", "tags: [db, web]")
	says(3, "groups: [g2]", "groups: [g1, web]")
	switch rapid.IntRange(0, 8).Draw(t, "state") {
	case 0:
		b.WriteString("state: stopped\n")
	case 1:
		b.WriteString("state: absent\n")
	case 2, 3:
		fmt.Fprintf(&b, "expose: [{name: a%d.example.net, port: 8443}, {name: b%d.example.net}]\n", i, i)
	case 4, 5:
		fmt.Fprintf(&b, "expose: [{name: a%d.example.net, port: 8443, via: main, http: 80, early: true}, {name: b%d.example.net, port: %d, via: main, http: 80, proxyProtocol: true}]\n", i, i, 443+i%2)
	}
	says(30, "needs: [vm/g1]", "needs: [vm/g2, host/nas]", "needs: [vm/nobody]")
	says(20, "renamedFrom: old", "renamedFrom: g9", "renamedFrom: was-"+name)
	says(12, "ssh: {key: {secret: token-b}}", "ssh: {key: {secret: tokena}}")
	says(40, "hostname: same", "memory: 12", "colour: red", "pool: lab")
	return b.String()
}

// TestLoadingAgainIsLoadingAfresh holds that a Loader gives what Load does, through
// random edits, mistakes included, and that no fleet changes once it is given.
func TestLoadingAgainIsLoadingAfresh(t *testing.T) {
	again, failed := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		all := others()
		fsys := files("play/one.yml", "- hosts: all\n", "play/.berthignore", "", "guests/m.txt", "one", "p.yaml", all["p1.yaml"],
			"e.yaml", all["e.yaml"], "i.yaml", all["i.yaml"], "d.yaml", all["d.yaml"], "h.yaml", all["h.yaml"], "pl.yaml", all["pl.yaml"])
		names := sortedKeys(all)
		var l Loader
		fsys["base.yaml"] = &fstest.MapFile{Data: []byte(strings.Replace(base, "100000-199999", "100-120", 1))} // Guests come in each other's way.
		good := fsys
		var before, same *Fleet
		for range rapid.IntRange(2, 10).Draw(t, "loads") {
			if rapid.IntRange(0, 2).Draw(t, "revert") > 0 {
				fsys = good
			}
			fsys = maps.Clone(fsys)
			for range rapid.IntRange(0, 3).Draw(t, "edits") {
				edit(t, fsys, all, names)
			}
			was := l.last
			got, err := l.Load(fsys)
			want, wantErr := Load(fsys)
			if fmt.Sprint(err) != fmt.Sprint(wantErr) || !reflect.DeepEqual(err, wantErr) {
				t.Fatalf("got the error\n%v\nwant\n%v", err, wantErr)
			}
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("the fleets differ: %s", differs(got, want))
			}
			if before != nil && !reflect.DeepEqual(before, same) {
				t.Fatalf("the fleet of the load before has changed: %s", differs(before, same))
			}
			if err != nil {
				failed++
				if was != l.last {
					t.Fatal("what has mistakes is remembered")
				}
				continue
			}
			before, same, good = got, want, fsys
			if was != nil && shares(was, l.last) {
				again++
			}
			if len(l.last.files) > len(fsys) {
				t.Fatalf("%d files are remembered of %d", len(l.last.files), len(fsys))
			}
		}
	})
	t.Logf("%d loads went by the one before, %d found mistakes", again, failed)
	if again == 0 || failed == 0 {
		t.Error("nothing was tested")
	}
}

// shares tells whether something was not read again.
func shares(a, b *memory) bool {
	for name, file := range b.files {
		if !file.other && len(file.guests) > 0 && a.files[name] == file {
			return true
		}
	}
	return false
}

// edit changes one file.
func edit(t *rapid.T, fsys fstest.MapFS, all map[string]string, names []string) {
	write := func(name, text string) { fsys[name] = &fstest.MapFile{Data: []byte(text)} }
	i := rapid.IntRange(0, 8).Draw(t, "file")
	name := fmt.Sprintf("guests/%d.yaml", i)
	switch rapid.IntRange(0, 12).Draw(t, "edit") {
	case 0:
		delete(fsys, name)
	case 1:
		write(name, guestText(t, i)+"---\n"+guestText(t, i+10))
	case 2:
		write(name, strings.Replace(guestText(t, i), fmt.Sprintf("name: g%d\n", i), fmt.Sprintf("name: g%d-{n}\ncount: %d\n", i, rapid.IntRange(1, 3).Draw(t, "count")), 1))
	case 3:
		other := rapid.SampledFrom(names).Draw(t, "other")
		to := other
		if other == "p1.yaml" || other == "p2.yaml" {
			to = "p.yaml"
		}
		if strings.HasPrefix(other, "e") {
			to = "e.yaml"
		}
		if strings.HasPrefix(other, "pl") {
			to = "pl.yaml"
		}
		switch path.Ext(other) {
		case ".txt":
			to = "guests/m.txt"
		case ".vars":
			to = "play/host_vars/g1.yml"
		case ".seal":
			to = "sealed.yml"
		}
		if _, there := fsys[to]; there && rapid.Bool().Draw(t, "delete") {
			delete(fsys, to)
			return
		}
		write(to, all[other])
	default:
		write(name, guestText(t, i))
	}
}

// differs finds the first resource, or other part, of which fleets differ.
func differs(a, b *Fleet) string {
	if a == nil || b == nil {
		return fmt.Sprintf("%v or %v", a != nil, b != nil)
	}
	for i, r := range a.Resources {
		if i >= len(b.Resources) || !reflect.DeepEqual(r, b.Resources[i]) {
			return fmt.Sprintf("%s\n%+v\n%+v", r.ID, r, b.Resources[min(i, len(b.Resources)-1)])
		}
	}
	return fmt.Sprintf("%d and %d resources, notes\n%v\n%v", len(a.Resources), len(b.Resources), a.Notes, b.Notes)
}

// digests is a file system that tells contents apart without reading them.
type digests struct {
	fstest.MapFS
	read map[string]int
}

func (d digests) Open(name string) (fs.File, error) {
	d.read[name]++
	return d.MapFS.Open(name)
}

func (d digests) Digest(name string) (string, error) {
	data, err := d.ReadFile(name)
	return contentDigest(data), err
}

// TestWhatDidNotChangeIsNotRead holds that a file whose digest is known is not
// opened again.
func TestWhatDidNotChangeIsNotRead(t *testing.T) {
	fsys := digests{crowded(30), map[string]int{}}
	var l Loader
	for range 2 {
		if _, err := l.Load(fsys); err != nil {
			t.Fatal(err)
		}
	}
	fsys.MapFS["guests/00010.yaml"] = &fstest.MapFile{Data: []byte(strings.ReplaceAll(string(fsys.MapFS["guests/00010.yaml"].Data), "1GiB", "2GiB"))}
	f, err := l.Load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{"guests/00000.yaml": 1, "guests/00010.yaml": 2, "guests/00020.yaml": 1} {
		if fsys.read[name] != want {
			t.Errorf("%s was opened %d times, want %d", name, fsys.read[name], want)
		}
	}
	if got := f.Resource("vm/web-12").Spec.(*VM).Memory.Size; got != 2*GiB {
		t.Errorf("vm/web-12 has %s", got)
	}
}

// TestExposedNamesAreTakenAgain holds that what guests expose is there again where
// their manifests are not read again: twins, upstreams and what is early.
func TestExposedNamesAreTakenAgain(t *testing.T) {
	fsys := files("e.yaml", "kind: Edge\nname: main\ntls: {default: reject}\nhttp: {default: reject}\n")
	guest := func(i int, more string) {
		fsys[fmt.Sprintf("guests/%d.yaml", i)] = &fstest.MapFile{Data: fmt.Appendf(nil, "kind: VM\nname: g%d\nnetworks: {net0: {hostnum: %d}}\n"+
			"expose: [{name: a%d.example.net, http: 80, early: true}, {name: b%d.example.net, http: 8080, port: 8443, proxyProtocol: true}]\n%s", i, i+10, i, i, more)}
	}
	for i := range 3 {
		guest(i, "")
	}
	var l Loader
	for _, more := range []string{"", "memory: 1GiB\n", "memory: 2GiB\n"} {
		guest(1, more)
		was := l.last
		got, err := l.Load(fsys)
		if err != nil {
			t.Fatal(err)
		}
		if was != nil && !shares(was, l.last) {
			t.Error("all is read again")
		}
		if want := mustLoad(t, fsys); !reflect.DeepEqual(got, want) {
			t.Fatalf("the fleets differ: %s", differs(got, want))
		}
		if edge := got.Resource("edge/main").Spec.(*Edge); len(edge.TLS.Routes) != 6 || len(edge.HTTP.Routes) != 6 || len(edge.Upstreams) != 3 || len(edge.Early) != 6 {
			t.Errorf("got %+v", edge)
		}
	}
	guest(2, "")
	fsys["guests/1.yaml"] = &fstest.MapFile{Data: []byte("kind: VM\nname: g1\nnetworks: {net0: {hostnum: 11}}\nexpose: [{name: c.example.net}]\n")}
	if _, err := l.Load(fsys); err == nil || !strings.Contains(err.Error(), "vm/g1: expose: c.example.net has no twin on port 80") {
		t.Errorf("got %v", err)
	}
}
