package seed

import (
	"bytes"
	"encoding/base64"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/tools/txtar"
	"gopkg.in/yaml.v3"

	"berth/desired"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// request is an Input as the golden files write it: with what the loader puts
// into cloudInit beside it.
type request struct {
	Input  `yaml:",inline"`
	CAPEMs desired.List `yaml:"capems"`
	Users  []struct {
		Name string
		Keys desired.List
		User *desired.User
	}
}

func (r request) input() Input {
	in := r.Input
	if in.CloudInit == nil {
		return in
	}
	ci := *in.CloudInit
	ci.CAPEMs = r.CAPEMs
	for _, u := range r.Users {
		ci.Users = append(ci.Users, desired.CloudUser{Name: u.Name, Keys: u.Keys, User: u.User})
	}
	in.CloudInit = &ci
	return in
}

// Each golden file holds a request and the three files made of it.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			ar := txtar.Parse(text)
			var r request
			dec := yaml.NewDecoder(bytes.NewReader(ar.Files[0].Data))
			dec.KnownFields(true)
			if err := dec.Decode(&r); err != nil {
				t.Fatal(err)
			}
			got, err := Build(r.input())
			if err != nil {
				t.Fatal(err)
			}
			ar.Files = append(ar.Files[:1],
				txtar.File{Name: "user-data", Data: got.UserData},
				txtar.File{Name: "meta-data", Data: got.MetaData},
				txtar.File{Name: "network-config", Data: got.NetworkConfig})
			made := txtar.Format(ar)
			if *update {
				if err := os.WriteFile(file, made, 0o600); err != nil {
					t.Fatal(err)
				}
			} else if !bytes.Equal(made, text) {
				t.Errorf("made:\n%s", made)
			}
			again, err := Build(r.input())
			if err != nil {
				t.Fatal(err)
			}
			first, err := got.ISO()
			if err != nil {
				t.Fatal(err)
			}
			second, err := again.ISO()
			if err != nil || !bytes.Equal(first, second) {
				t.Errorf("the same request gave two images: %v", err)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	nic := func(n NIC) Input {
		return Input{InstanceID: "i", Hostname: "h", NICs: []NIC{n}}
	}
	with := func(ci desired.CloudInit) Input {
		return Input{InstanceID: "i", Hostname: "h", CloudInit: &ci}
	}
	const mac = "bc:24:11:00:00:01"
	for _, row := range []struct {
		name string
		in   Input
		want string
	}{
		{"no instance", Input{Hostname: "h"}, "build seed: it has no instance id"},
		{"no name", Input{InstanceID: "i"}, "build seed: it has no host name"},
		{"no mac", nic(NIC{Address: "dhcp"}), `build network-config: interface 0: "" is no MAC`},
		{"no prefix", nic(NIC{MAC: mac, Address: "10.0.0.1"}), `build network-config: interface 0: "10.0.0.1" is neither dhcp nor none nor an address with its prefix length`},
		{"foreign gateway", nic(NIC{MAC: mac, Address: "10.0.0.1/24", Gateway: "fd00::1"}), `build network-config: interface 0: "fd00::1" is no gateway for 10.0.0.1/24`},
		{
			"same mac",
			Input{InstanceID: "i", Hostname: "h", NICs: []NIC{{MAC: mac}, {MAC: strings.ToUpper(mac)}}},
			"build network-config: interface 1: two have the name net1 or the MAC bc:24:11:00:00:01",
		},
		{
			"dns",
			Input{InstanceID: "i", Hostname: "h", DNS: []string{"ns.example.net"}, NICs: []NIC{{MAC: mac, Address: "dhcp"}}},
			`build network-config: name server "ns.example.net" is no address`,
		},
		{
			"raw", with(desired.CloudInit{Raw: map[string]any{"runcmd": []any{"x"}}}),
			"build user-data: cloudInit.raw.runcmd: the language has this: write cloudInit.run",
		},
		{
			"raw sources", with(desired.CloudInit{Raw: map[string]any{"apt": map[string]any{"sources": map[string]any{}}}}),
			"build user-data: cloudInit.raw.apt.sources: the language has this: write cloudInit.apt",
		},
		{
			"raw apt", with(desired.CloudInit{Raw: map[string]any{"apt": "x"}}),
			"build user-data: cloudInit.raw.apt: it is a string, write a map",
		},
		{
			"apt", with(desired.CloudInit{Apt: map[string]desired.AptSource{"x.list": {}}}),
			"build user-data: cloudInit.apt.x.list: it says nothing: write source, and keyid or key",
		},
		{
			"path", with(desired.CloudInit{Files: map[string]desired.SeedFile{"etc/x": {}}}),
			"build user-data: cloudInit.files[etc/x]: write the whole path, from /",
		},
		{"run", with(desired.CloudInit{Run: []desired.Command{{}}}), "build user-data: cloudInit.run: command 1 is empty"},
		{
			"run in another encoding", with(desired.CloudInit{Run: []desired.Command{{Shell: "\xff"}}}),
			`write seed: runcmd: "\xff" is no UTF-8 text`,
		},
		{"user", with(desired.CloudInit{Users: []desired.CloudUser{{}}}), "build user-data: cloudInit.users: user 1 has no name"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := Build(row.in)
			if err == nil || err.Error() != row.want {
				t.Errorf("got  %v\nwant %s", err, row.want)
			}
		})
	}
}

// What a file holds must come out of the YAML as it went in.
func FuzzFileContent(f *testing.F) {
	for _, text := range []string{"", "a\n", " a\n\n", "\n\n a", "a: b\n# c", "a \nb\t\n", "\x00", "\r\n", "ä\u2028", "\xff", "...\n---\n", "|", "'\"", "\ufeff#!", "no", "0755"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ci := desired.CloudInit{Files: map[string]desired.SeedFile{"/x": {Content: text}}}
		if utf8.ValidString(text) {
			ci.Run = []desired.Command{{Args: []string{"x", text}}}
		}
		seed, err := Build(Input{InstanceID: "i", Hostname: "h", CloudInit: &ci})
		if err != nil {
			t.Fatal(err)
		}
		var doc struct {
			WriteFiles []struct {
				Content, Encoding string
			} `yaml:"write_files"`
			RunCmd [][]string `yaml:"runcmd"`
		}
		if err := yaml.Unmarshal(seed.UserData, &doc); err != nil {
			t.Fatalf("%v\n%s", err, seed.UserData)
		}
		content := doc.WriteFiles[0].Content
		if doc.WriteFiles[0].Encoding == "b64" {
			plain, err := base64.StdEncoding.DecodeString(content)
			if err != nil {
				t.Fatal(err)
			}
			content = string(plain)
		}
		if content != text {
			t.Errorf("%q became %q", text, content)
		}
		if len(doc.RunCmd) > 0 && doc.RunCmd[0][1] != text {
			t.Errorf("%q became %q in runcmd", text, doc.RunCmd[0][1])
		}
	})
}
