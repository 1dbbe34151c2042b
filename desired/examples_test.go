package desired

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"gopkg.in/yaml.v3"
)

// exampleWorld is what examples refer to.
const exampleWorld = `
kind: Fleet
name: demo
uid: 5b1f0c2e
---
kind: Site
name: home
endpoints: ["https://10.1.1.10:8006"]
token: {secret: pve-home}
node: pve1
storage: {ssd: {store: local-nvme}}
images: local
networks: {lan: {bridge: vmbr0, subnet: 10.1.1.0/24, gateway: 10.1.1.1}}
ids:
  default: {range: 1000-1999}
  prod: {base: 4001000, plus: hostnum}
phases: {infrastructure: {order: 2000}}
---
{kind: Profile, name: base, tags: [web]}
---
{kind: Profile, name: web}
---
{kind: User, name: anna, keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC0dkrH0zH/T7yFdqIwoJqs+ws7ZWziLOVtljEGzSckO anna@example]}
---
{kind: Image, name: debian-12, url: "https://img.example.net/debian-12.qcow2", sha256: 054db2d88c454bb0ad8dfd8883955e3946b57d2b0bf0d023f3ade3c93cdd14e5}
---
{kind: Image, name: ct-debian-12, url: "https://img.example.net/debian-12.tar.zst", sha256: 154db2d88c454bb0ad8dfd8883955e3946b57d2b0bf0d023f3ade3c93cdd14e5}
---
{kind: VM, name: db-1, disks: {scsi0: {image: debian-12}}, networks: {net0: {address: 10.1.1.40}}}
---
{kind: VM, name: web-1, disks: {scsi0: {image: debian-12}}, networks: {net0: {address: 10.1.1.41}}}
---
{kind: DataVM, name: certs, disks: {scsi0: {name: letsencrypt, size: 10GiB}}}
---
{kind: Template, name: debian-12-golden, find: {tag: debian-12}}
---
{kind: Playbook, name: users, path: ansible/base.yml, hosts: vm}
---
{kind: Edge, name: edge, tls: {default: reject}, http: {default: redirect}}
`

// exampleKinds are the least documents of each kind, into which examples go.
func exampleKinds() map[string]string {
	return map[string]string{
		"Fleet":     `{kind: Fleet, name: demo, uid: 5b1f0c2e}`,
		"Site":      `{kind: Site, name: far, endpoints: ["https://10.9.1.1:8006"], token: {secret: pve-far}, storage: {NAME: {store: local}}, images: local, networks: {NAME: {bridge: vmbr0, subnet: 10.1.1.0/24}}, phases: {NAME: {order: 1}}}`,
		"Profile":   `{kind: Profile, name: subject}`,
		"User":      `{kind: User, name: subject}`,
		"Secret":    `{kind: Secret, name: subject, credential: subject}`,
		"Host":      `{kind: Host, name: subject, address: 10.1.1.5}`,
		"Image":     `{kind: Image, name: subject, url: "https://img.example.net/x.qcow2", sha256: 254db2d88c454bb0ad8dfd8883955e3946b57d2b0bf0d023f3ade3c93cdd14e5}`,
		"VM":        `{kind: VM, name: subject, site: home, agent: true, disks: {scsi0: {image: debian-12}, SLOT: {size: 8GiB}}, networks: {net0: {address: 10.1.1.33}}, cloudInit: {packages: [git]}}`,
		"Container": `{kind: Container, name: subject, site: home, disks: {rootfs: {image: ct-debian-12, size: 8GiB}}, networks: {net0: {address: 10.1.1.33}}}`,
		"DataVM":    `{kind: DataVM, name: subject, site: home, disks: {SLOT: {name: letsencrypt, size: 8GiB}}}`,
		"Template":  `{kind: Template, name: subject, find: {tag: golden}}`,
		"Project":   `{kind: Project, name: subject, guests: {app: {kind: Container, disks: {rootfs: {image: ct-debian-12, size: 8GiB}}, networks: {net0: {address: dhcp}}}}, environments: {dev: {}}}`,
		"Edge":      `{kind: Edge, name: subject, upstreams: {lab: {servers: [{to: "vm/db-1:443"}]}}, tls: {default: lab}, http: {default: redirect}}`,
		"Playbook":  `{kind: Playbook, name: subject, path: ansible/base.yml, hosts: vm}`,
		"Approval":  `{kind: Approval, allow: delete vm/db-1, until: 2026-12-01}`,
	}
}

// besides are least documents of their own for examples that need one, by kind
// and path.
func besides() map[string]string {
	const (
		plainVM = `{kind: VM, name: subject, site: home, disks: {scsi0: {image: debian-12}}, networks: {net0: {address: 10.1.1.33}}`
		plainCT = `{kind: Container, name: subject, site: home, disks: {rootfs: {image: ct-debian-12, size: 8GiB}`
		oneNet  = `, networks: {net0: {address: 10.1.1.33}}}`
		site    = `{kind: Site, name: far, endpoints: ["https://10.9.1.1:8006"], token: {secret: pve-far}, storage: {ssd: {store: local}}`
	)
	seeded := func(what string) string { return plainVM + `, cloudInit: {` + what + `}}` }
	mounted := strings.Replace(plainVM, "scsi0:", "scsi1: {size: 8GiB, mount: /srv}, scsi0:", 1) + `, cloudInit: {}}`
	hook := func(what string) string {
		return `{kind: Playbook, name: subject, hosts: vm, runner: {webhook: {url: "https://ansible.example.com/", ` + what + `}}}`
	}
	gitPlay := func(what string) string {
		return `{kind: Playbook, name: subject, path: base.yml, hosts: vm, git: {url: "https://git.example.com/x.git", ref: main, ` + what + `}}`
	}
	numberless := strings.ReplaceAll(plainVM, "name: subject", `name: "subject-{n}"`)
	return map[string]string{
		"Fleet site":                                  `{kind: Fleet, name: demo, uid: 5b1f0c2e}`,
		"Site ids.NAME.base":                          site + `, ids: {NAME: {plus: hostnum}}}`,
		"Site ids.NAME.plus":                          site + `, ids: {NAME: {base: 4001000}}}`,
		"Site ids.NAME.range":                         site + `}`,
		"Site seeds":                                  site + `}`,
		"Site tls":                                    site + `}`,
		"VM adopt.uuid":                               strings.TrimSuffix(plainVM, "}") + `}, id: 7000}`,
		"VM adopt.mac":                                strings.TrimSuffix(plainVM, "}") + `}, id: 7000}`,
		"VM count":                                    numberless + `}`,
		"VM nodes":                                    numberless + `, count: 2}`,
		"VM cloudInit":                                plainVM + `}`,
		"VM cloudInit.native":                         seeded(`users: [anna]`),
		"VM cloudInit.users":                          seeded(``),
		"Fleet windows[].cron":                        `{kind: Fleet, name: demo, uid: 5b1f0c2e, windows: [{for: 2h}]}`,
		"Fleet windows[].for":                         `{kind: Fleet, name: demo, uid: 5b1f0c2e, windows: [{cron: "0 3 * * *"}]}`,
		"Fleet windows[].zone":                        `{kind: Fleet, name: demo, uid: 5b1f0c2e, windows: [{cron: "0 3 * * *", for: 2h}]}`,
		"VM cloudInit.users[].name":                   seeded(`users: [{keys: [anna]}]`),
		"VM cloudInit.users[].keys":                   seeded(`users: [{name: debian}]`),
		"VM cloudInit.apt.FILE.source":                seeded(`apt: {example.list: {}}`),
		"VM cloudInit.apt.FILE.keyid":                 seeded(`apt: {example.list: {source: "deb https://apt.example.net stable main"}}`),
		"VM cloudInit.apt.FILE.key":                   seeded(`apt: {example.list: {source: "deb https://apt.example.net stable main"}}`),
		"VM cloudInit.apt.FILE.from":                  seeded(`apt: {example.list: {source: "deb https://apt.example.net stable main"}}`),
		"VM cloudInit.files.PATH.content":             seeded(`files: {}`),
		"VM cloudInit.files.PATH.from":                seeded(`files: {}`),
		"VM disks.SLOT.image":                         plainVM + `}`,
		"VM disks.SLOT.volume":                        plainVM + `}`,
		"VM disks.SLOT.iso":                           plainVM + `}`,
		"VM disks.SLOT.state":                         plainVM + `}`,
		"VM disks.SLOT.secureBoot":                    strings.Replace(plainVM, "scsi0:", "efidisk0: {storage: ssd}, scsi0:", 1) + `, bios: ovmf}`,
		"VM disks.SLOT.filesystem":                    mounted,
		"VM disks.SLOT.label":                         mounted,
		"VM disks.SLOT.options":                       mounted,
		"VM networks.NET.state":                       `{kind: VM, name: subject, site: home, disks: {scsi0: {image: debian-12}}}`,
		"VM clone.template":                           `{kind: VM, name: subject, site: home, networks: {net0: {address: 10.1.1.33}}}`,
		"Container networks.NET.state":                plainCT + `}}`,
		"Container clone.template":                    `{kind: Container, name: subject, site: home` + oneNet,
		"Container password.key":                      plainCT + `}, password: {secret: ct-root}` + oneNet,
		"VM networks.NET.hostnum":                     strings.Replace(plainVM, "address: 10.1.1.33", "", 1) + `}`,
		"VM networks.NET.reservation":                 strings.Replace(plainVM, "10.1.1.33", "dhcp", 1) + `}`,
		"VM networks.NET.gateway6":                    strings.Replace(plainVM, "10.1.1.33", `10.1.1.33, address6: "fd00:1::4"`, 1) + `}`,
		"VM clone":                                    `{kind: VM, name: subject, site: home, networks: {net0: {address: 10.1.1.33}}}`,
		"VM clone.linked":                             `{kind: VM, name: subject, site: home, networks: {net0: {address: 10.1.1.33}}, clone: {template: debian-12-golden}}`,
		"Container adopt.mac":                         plainCT + `}, id: 7000` + oneNet,
		"Container count":                             strings.ReplaceAll(plainCT, "name: subject", `name: "subject-{n}"`) + `}` + oneNet,
		"Container nodes":                             strings.ReplaceAll(plainCT, "name: subject", `name: "subject-{n}"`) + `}, count: 2` + oneNet,
		"Container clone":                             `{kind: Container, name: subject, site: home` + oneNet,
		"Container clone.linked":                      `{kind: Container, name: subject, site: home, clone: {template: debian-12-golden}` + oneNet,
		"Container disks.SLOT.image":                  plainCT + `}` + oneNet,
		"Container networks.NET.hostnum":              plainCT + `}, networks: {net0: {}}}`,
		"Container networks.NET.reservation":          plainCT + `}, networks: {net0: {address: dhcp}}}`,
		"Container networks.NET.gateway6":             plainCT + `}, networks: {net0: {address6: "fd00:1::4"}}}`,
		"DataVM adopt.uuid":                           `{kind: DataVM, name: subject, site: home, id: 7000, disks: {SLOT: {name: letsencrypt, size: 8GiB}}}`,
		"Project guests":                              `{kind: Project, name: subject, environments: {dev: {}}}`,
		"Secret file":                                 `{kind: Secret, name: subject}`,
		"Playbook git.url":                            `{kind: Playbook, name: subject, path: base.yml, hosts: vm, git: {ref: main}}`,
		"Playbook git.ref":                            `{kind: Playbook, name: subject, path: base.yml, hosts: vm, git: {url: "https://git.example.com/x.git"}}`,
		"Playbook git.key":                            gitPlay(``),
		"Playbook git.key.secret":                     gitPlay(``),
		"Playbook git.key.key":                        gitPlay(`key: {secret: deploy-key}`),
		"Playbook runs[].zone":                        `{kind: Playbook, name: subject, path: ansible/base.yml, hosts: vm, runs: [{schedule: "0 3 * * *"}]}`,
		"Playbook vaults.NAME.key":                    `{kind: Playbook, name: subject, path: ansible/base.yml, hosts: vm, vaults: {NAME: {secret: vault-password}}}`,
		"Playbook runner.use":                         `{kind: Playbook, name: subject, path: ansible/base.yml, hosts: vm}`,
		"Playbook runner.webhook":                     `{kind: Playbook, name: subject, hosts: vm}`,
		"Playbook runner.webhook.url":                 `{kind: Playbook, name: subject, hosts: vm}`,
		"Playbook runner.webhook.method":              hook(``),
		"Playbook runner.webhook.headers":             hook(``),
		"Playbook runner.webhook.headers.NAME.value":  hook(``),
		"Playbook runner.webhook.headers.NAME.secret": hook(``),
		"Playbook runner.webhook.headers.NAME.key":    hook(`headers: {NAME: {secret: hook-token}}`),
		"Playbook runner.webhook.tls":                 hook(``),
		"Playbook runner.webhook.tls.fingerprint":     hook(``),
		"Playbook runner.webhook.tls.ca":              hook(``),
		"Secret env":                                  `{kind: Secret, name: subject}`,
		"Secret age":                                  `{kind: Secret, name: subject}`,
		"Secret sops":                                 `{kind: Secret, name: subject}`,
		"Secret vault":                                `{kind: Secret, name: subject}`,
		"Secret vault.file":                           `{kind: Secret, name: subject, vault: {password: {secret: vault-password}}}`,
		"Secret vault.password":                       `{kind: Secret, name: subject, vault: {file: secrets/lab.yml}}`,
		"Secret vault.password.secret":                `{kind: Secret, name: subject, vault: {file: secrets/lab.yml}}`,
		"Secret vault.password.key":                   `{kind: Secret, name: subject, vault: {file: secrets/lab.yml, password: {secret: vault-password}}}`,
		"Secret generate":                             `{kind: Secret, name: subject}`,
		"Secret generate.length":                      `{kind: Secret, name: subject}`,
		"Secret generate.chars":                       `{kind: Secret, name: subject}`,
		"Secret hook":                                 `{kind: Secret, name: subject}`,
		"Template find.name":                          `{kind: Template, name: subject}`,
		"Template find.id":                            `{kind: Template, name: subject}`,
		"Image sha256":                                `{kind: Image, name: subject, url: "https://img.example.net/x.qcow2"}`,
		"Edge nginx.engine":                           `{kind: Edge, name: subject, nginx: {container: nginx}, tls: {default: reject}}`,
		"Edge upstreams.NAME.servers[].backup":        `{kind: Edge, name: subject, upstreams: {lab: {servers: [{to: "vm/web-1:443"}, {to: "vm/db-1:443"}]}}, tls: {default: lab}}`,
		"Edge upstreams.NAME.keepalive":               `{kind: Edge, name: subject, upstreams: {lab: {servers: [{to: "vm/web-1:80"}]}}, tls: {default: reject}, http: {default: lab}}`,
		"Image sha512":                                `{kind: Image, name: subject, url: "https://img.example.net/x.qcow2"}`,
	}
}

// alone are the examples that can't stand alone, with the reason.
func alone() map[string]string {
	return map[string]string{
		"Container disks":            "the example is a virtual machine's",
		"Container disks.SLOT.image": "the example's slot is a mount point, and only rootfs is made from an image",
	}
}

// TestExamples holds that every example of the types loads where it stands, and
// that the schema takes what loads.
func TestExamples(t *testing.T) {
	exceptions, schema := alone(), judge(t)
	for _, s := range newManual(t).sections() {
		for _, kind := range s.kinds {
			each(s.words, func(w *word) {
				example := w.tag.Get("example")
				if example == "" || !slices.Contains(w.kinds, kindOf(kind).short) {
					return
				}
				at := kind + " " + w.path
				text, err := exampleFleet(kind, w.path, example)
				if err != nil {
					t.Errorf("%s: %s: %v", at, example, err)
					return
				}
				found := loadExample(text)
				switch why, excepted := exceptions[at]; {
				case excepted && len(found) == 0:
					t.Errorf("%s loads now: take it out of alone (%s)", at, why)
				case !excepted && len(found) > 0:
					t.Errorf("%s: %s\n%v", at, strings.TrimSpace(text[strings.LastIndex(text, "---\n")+4:]), found)
				}
				delete(exceptions, at)
				if len(found) > 0 {
					return
				}
				docs, err := documents([]byte(text))
				if err == nil {
					err = schema.Validate(docs[len(docs)-1])
				}
				if err != nil {
					t.Errorf("%s: %s loads, and the schema refuses it: %v", at, example, err)
				}
			})
		}
	}
	for at := range exceptions {
		t.Errorf("alone: there is no example at %s", at)
	}
}

// TestUnbuilt holds that the words of an enum which a tag says are not built are
// refused.
func TestUnbuilt(t *testing.T) {
	for _, s := range newManual(t).sections() {
		each(s.words, func(w *word) {
			for value := range strings.SplitSeq(w.tag.Get("unbuilt"), "|") {
				if value == "" {
					continue
				}
				text, err := exampleFleet(s.kinds[0], w.path, value)
				if err != nil {
					t.Error(err)
				} else if loadExample(text) == nil {
					t.Errorf("%s takes %s: %s", s.kinds[0], w.path, value)
				}
			}
		})
	}
}

// TestOnly holds that a kind which an only tag leaves out is refused the word.
func TestOnly(t *testing.T) {
	checked := 0
	for _, s := range newManual(t).sections() {
		if !slices.Contains(s.kinds, "VM") {
			continue
		}
		each(s.words, func(w *word) {
			only, example := w.tag.Get("only"), w.tag.Get("example")
			if only == "" || example == "" {
				return
			}
			for _, kind := range []string{"VM", "Container"} {
				if slices.Contains(strings.Split(only, ","), kindOf(kind).short) {
					continue
				}
				checked++
				text, err := exampleFleet(kind, w.path, example)
				if err != nil {
					t.Error(err)
				} else if loadExample(text) == nil {
					t.Errorf("%s takes %s: %s, and its only tag is %q", kind, w.path, example, only)
				}
			}
		})
	}
	if checked < 20 {
		t.Errorf("only %d words were tried", checked)
	}
}

// loadExample loads a fleet, and says what is wrong with it.
func loadExample(text string) Problems {
	_, err := Load(fstest.MapFS{
		"fleet.yaml":               {Data: []byte(text)},
		"ansible/base.yml":         {Data: []byte("- hosts: all\n")},
		"ansible/.berthignore":     {},
		"pve-root-ca.pem":          {Data: []byte("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n")},
		"certs/lab.crt":            {Data: []byte("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n")},
		"keys/example.asc":         {Data: []byte("-----BEGIN PGP PUBLIC KEY BLOCK-----\n")},
		"files/motd":               {Data: []byte("hello\n")},
		"secrets/apps.age":         {Data: []byte("-----BEGIN AGE ENCRYPTED FILE-----\n")},
		"secrets/apps.sops.yaml":   {Data: []byte("token: ENC[AES256_GCM,data:eA==,iv:eA==,tag:eA==,type:str]\nsops: {age: [{recipient: age1x, enc: x}], mac: \"ENC[AES256_GCM,data:eA==,iv:eA==,tag:eA==,type:str]\", version: 3.9.0}\n")},
		"secrets/lab.yml":          {Data: []byte("$ANSIBLE_VAULT;1.1;AES256\n6162\n")},
		"ansible/requirements.yml": {Data: []byte("collections: []\n")},
		"ansible/lab.yml":          {Data: []byte("release: stable\n")},
		"secrets/.berthignore":     {},
	})
	var found Problems
	errors.As(err, &found)
	return found
}

// exampleFleet is a fleet with one example at a path of a document of a kind.
func exampleFleet(kind, path, example string) (string, error) {
	base := exampleKinds()[kind]
	for _, at := range []string{kind + " " + path, strings.Replace(kind+" "+path, "Container", "VM", 1)} {
		if own, ok := besides()[at]; ok && strings.Contains(own, "kind: "+kind+",") {
			base = own
			break
		}
	}
	slot := map[string]string{"Container": "mp0"}[kind]
	switch {
	case strings.HasSuffix(path, ".secureBoot"):
		slot = "efidisk0"
	case slot == "":
		slot = "scsi1"
	}
	if kind == "Container" && strings.HasPrefix(path, "disks.") && base == exampleKinds()[kind] {
		// Nothing says what it is but the example, or this.
		base = strings.Replace(base, "rootfs:", "mp0: {size: 8GiB, mount: /srv}, rootfs:", 1)
		if strings.HasSuffix(path, ".bind") || strings.HasSuffix(path, ".state") {
			base = strings.Replace(base, "size: 8GiB, mount: /srv}, rootfs", "mount: /srv}, rootfs", 1)
		}
		if strings.HasSuffix(path, ".state") {
			base = strings.Replace(base, "mount: /srv", "", 1)
		}
	}
	base = strings.ReplaceAll(base, "SLOT", slot)
	var doc map[string]any
	if err := yaml.Unmarshal([]byte(base), &doc); err != nil {
		return "", err
	}
	var value yaml.Node
	if err := yaml.Unmarshal([]byte(example), &value); err != nil {
		return "", err
	}
	if kind == "Edge" {
		path = strings.ReplaceAll(path, "NAME", "lab")
	}
	path = strings.NewReplacer("SLOT", slot, "NET", "net0", "PATH", "/etc/motd", "FILE", "example.list").Replace(path)
	if path == "cloudInit.files./etc/motd.mode" || strings.HasPrefix(path, "cloudInit.files./etc/motd.") {
		doc["cloudInit"].(map[string]any)["files"] = map[string]any{"/etc/motd": map[string]any{"content": "hello"}}
		if strings.HasSuffix(path, ".content") || strings.HasSuffix(path, ".from") {
			doc["cloudInit"].(map[string]any)["files"] = map[string]any{"/etc/motd": map[string]any{}}
		}
	}
	if strings.HasPrefix(path, "expose[].") {
		doc["expose"] = []any{map[string]any{"name": "git.example.com"}}
	}
	put(doc, strings.ReplaceAll(strings.ReplaceAll(path, "/etc/motd", "MOTD"), "example.list", "LIST"), value.Content[0])
	text, err := yaml.Marshal(doc)
	if err != nil {
		return "", err
	}
	if strings.HasSuffix(path, "ssh.key.key") {
		doc["ssh"] = map[string]any{"key": map[string]any{"secret": "ssh-key", "key": value.Content[0]}}
		if text, err = yaml.Marshal(doc); err != nil {
			return "", err
		}
	}
	name, _ := doc["name"].(*yaml.Node)
	world := ""
	for part := range strings.SplitSeq(exampleWorld, "---\n") {
		switch {
		case kind == "Edge" && strings.Contains(part, "kind: Edge"), kind == "Fleet" && strings.Contains(part, "kind: Fleet"):
		case name != nil && (strings.Contains(part, "kind: "+kind+",") || guestWord(kind) && strings.Contains(part, "kind: VM,")) &&
			strings.Contains(part, "name: "+name.Value+","):
		default:
			world += part + "---\n"
		}
	}
	if strings.HasSuffix(path, "net6") || strings.HasSuffix(path, "way6") || strings.HasSuffix(path, "address6") {
		world = strings.Replace(world, "gateway: 10.1.1.1", `gateway: 10.1.1.1, subnet6: "fd00:1::/64"`, 1)
	}
	switch kind {
	case "Site":
		world = strings.Replace(world, "uid: 5b1f0c2e", "uid: 5b1f0c2e\nsite: home", 1)
	case "Container":
		world = strings.ReplaceAll(strings.ReplaceAll(world, "name: debian-12,", "name: vm-debian-12,"), "image: debian-12}", "image: vm-debian-12}")
		world = strings.Replace(world, "name: ct-debian-12,", "name: debian-12,", 1)
		return world + strings.ReplaceAll(string(text), "image: ct-debian-12", "image: debian-12"), nil
	}
	return world + string(text), nil
}

func guestWord(kind string) bool { return kind == "VM" || kind == "Container" }

// put writes a value at a path of a document.
func put(doc map[string]any, path string, value *yaml.Node) {
	keys := strings.Split(path, ".")
	for i, key := range keys {
		key = strings.NewReplacer("MOTD", "/etc/motd", "LIST", "example.list").Replace(key)
		name, isList := strings.CutSuffix(key, "[]")
		if i == len(keys)-1 {
			doc[name] = value
			return
		}
		if isList {
			list, _ := doc[name].([]any)
			if len(list) == 0 {
				list = []any{map[string]any{}}
				doc[name] = list
			}
			doc = list[0].(map[string]any)
			continue
		}
		next, ok := doc[name].(map[string]any)
		if !ok {
			next = map[string]any{}
			if short := doc[name]; short != nil && name == "agent" {
				next["enabled"] = short
			}
		}
		next = maps.Clone(next)
		doc[name] = next
		doc = next
	}
}
