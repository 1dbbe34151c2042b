package desired

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

const (
	anyCertificate = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"
	anyKey         = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC0dkrH0zH/T7yFdqIwoJqs+ws7ZWziLOVtljEGzSckO erethon@example"
)

// otherDraft is a draft with what drafts leave to the reader put right: the
// fleet's uid, files, a checksum and a key that are none.
func otherDraft(t *testing.T, name string) *editedDraft {
	t.Helper()
	d := &editedDraft{t: t, files: drafts(t, name)}
	d.edit("fleet.yaml", `(kind: Fleet\nname: .*\n)`, "${1}uid: 5b1f0c2e\n")
	for _, file := range []string{"ansible/base.yml", "ansible/app.yml", "ansible/add-ons.yml", "kubespray/cluster.yml"} {
		d.files[file] = &fstest.MapFile{Data: []byte("- hosts: all\n")}
	}
	for _, dir := range []string{"ansible", "kubespray"} {
		d.files[dir+"/.berthignore"] = &fstest.MapFile{}
	}
	for file, text := range map[string]string{
		"ansible/requirements.yml": "roles: []\n", "secrets/ssh-key.age": "age-encryption.org/v1\n-> X25519 a\n",
		"secrets/apps.sops.yaml": "pote: ENC[AES256_GCM,data:eA==,iv:eA==,tag:eA==,type:str]\nsops: {age: [{recipient: age1x, enc: x}], mac: \"ENC[AES256_GCM,data:eA==,iv:eA==,tag:eA==,type:str]\", version: 3.9.0}\n",
		"secrets/.berthignore":   "",
	} {
		d.files[file] = &fstest.MapFile{Data: []byte(text)}
	}
	d.files["certs/pve-root-ca.pem"] = &fstest.MapFile{Data: []byte(anyCertificate)}
	switch name {
	case "app-stack":
		// Its edge is a Caddy, which is not ours.
		d.files["edge.yaml"] = &fstest.MapFile{Data: []byte("{kind: Edge, name: main, tls: {default: reject}}\n")}
	case "multisite":
		d.edit("fleet.yaml", `sha512: [0-9a-f]*`, "sha512: "+strings.Repeat("0d5d3f5b", 16))
	case "libvirt":
		d.edit("fleet.yaml", `keys: \[.*\]`, "keys: ["+anyKey+"]")
		d.edit("guests.yaml", `storage: vms, size: 6GiB`, "size: 6GiB") // Every guest is a linked clone.
	}
	return d
}

type editedDraft struct {
	t     *testing.T
	files fstest.MapFS
}

// edit replaces what a pattern finds, which must be something.
func (d *editedDraft) edit(name, pattern, with string) {
	d.t.Helper()
	before := d.files[name].Data
	after := regexp.MustCompile(pattern).ReplaceAll(before, []byte(with))
	if string(before) == string(after) {
		d.t.Errorf("%s: nothing is %s", name, pattern)
	}
	d.files[name] = &fstest.MapFile{Data: after}
}

// TestOtherDrafts holds that the other fleets have no mistake but what is not
// built yet, each where it was written and once.
func TestOtherDrafts(t *testing.T) {
	for name, mistakes := range map[string]int{
		"app-stack": 0,
		"multisite": 1, // The template that is built.
		"libvirt":   0,
	} {
		var found Problems
		d := otherDraft(t, name)
		if name == "app-stack" {
			// Its guests wait for windows, which the draft forgot.
			d.edit("fleet.yaml", `kind: Fleet\n`, "kind: Fleet\nwindows: [{cron: \"0 3 * * *\", for: 2h}]\n")
		}
		if _, err := Load(d.files); !errors.As(err, &found) && mistakes > 0 {
			t.Errorf("%s: %v", name, err)
		}
		for _, p := range found {
			if p.Source.File == "" || p.ID == "" || !regexp.MustCompile(`not (built|asked) yet`).MatchString(p.Text) {
				t.Errorf("%s: %s", name, p)
			}
		}
		if len(found) != mistakes {
			t.Errorf("%s: %d mistakes:\n%v", name, len(found), found)
		}
	}
}

// TestAppStackWithoutTheRest holds that projects become the guests that the
// fleet has.
func TestAppStackWithoutTheRest(t *testing.T) {
	d := otherDraft(t, "app-stack")
	d.edit("projects.yaml", `    lifecycle: .*\n`, "") // Its guests wait for windows, which the draft forgot.
	f := load(t, d.files)
	var got []string
	for _, r := range f.Resources {
		if g := f.Guest(r.ID); g != nil {
			got = append(got, fmt.Sprintf("%s %d %s %s/%s %s", r.ID, g.VMID, g.Networks["net0"].Address, g.Project, g.Environment, strings.Join(f.Groups(r.ID), " ")))
		}
	}
	want := []string{
		"ct/pote-dev 3101 10.0.10.101/24 pote/dev app_all app_pote_all app_pote_dev ct env_dev phase_apps project_pote site_lab",
		"ct/pote-prod 3103 10.0.10.103/24 pote/prod app_all app_pote_all app_pote_prod ct env_prod phase_apps project_pote site_lab",
		"ct/pote-qa 3102 10.0.10.102/24 pote/qa app_all app_pote_all app_pote_qa ct env_qa phase_apps project_pote site_lab",
		"ct/shop-dev 3111 10.0.10.111/24 shop/dev app_all app_shop_all app_shop_dev ct env_dev phase_apps project_shop site_lab",
		"ct/shop-prod 3113 10.0.10.113/24 shop/prod app_all app_shop_all app_shop_prod ct env_prod phase_apps project_shop site_lab",
		"ct/shop-qa 3112 10.0.10.112/24 shop/qa app_all app_shop_all app_shop_qa ct env_qa phase_apps project_shop site_lab",
	}
	if !slices.Equal(got, want) {
		t.Errorf("guests:\n%s", strings.Join(got, "\n"))
	}
	pote := f.Resource("ct/pote-prod").Spec.(*Container)
	if pote.Memory != 4*GiB || pote.Swap != 512*MiB || pote.Vars["branch"] != "main" || pote.Vars["env_file"] != "/srv/app/.env.{{ berth_environment }}" {
		t.Errorf("%+v", pote)
	}
	if base := f.Resource("play/base").Spec.(*Playbook); len(base.Targets) != 6 {
		t.Errorf("targets %v", base.Targets)
	}
	if vars, ok := pote.Vars["env_vars"].(map[string]any); !ok || vars["DB_PASSWORD"] != (SecretRef{"apps", "pote.prod.db"}) {
		t.Errorf("variables %+v", pote.Vars)
	}
	app := f.Resource("play/app").Spec.(*Playbook)
	if n, known := app.MaxFail.Of(6); n != 1 || !known || app.Drift != "check" || app.Serial != "2" {
		t.Errorf("app %+v", app)
	}
	if run := app.Due["pote-prod"]; !slices.Equal(run.Secrets, []SecretRef{{"apps", "pote.prod.db"}}) {
		t.Errorf("due %+v", run)
	}
	if s := f.Secrets["apps"]; s == nil || s.Path != "secrets/apps.sops.yaml" {
		t.Errorf("secret %+v", s)
	}
}

// TestMultiSiteWithoutTheRest holds that one Project spreads over sites, nodes
// and numbers.
func TestMultiSiteWithoutTheRest(t *testing.T) {
	d := otherDraft(t, "multisite")
	d.edit("fleet.yaml", `(?s)build:.*?\n---`, "find: {tag: k8s-node}\n---")
	f := load(t, d.files)
	sites, nodes := map[string]int{}, map[string]int{}
	for _, r := range f.Resources {
		if g := f.Guest(r.ID); g != nil {
			sites[r.Site+" "+g.Environment]++
			nodes[r.Site+" "+g.Node]++
			if g.VMID < 20000 || g.VMID > 20999 || g.Clone.Template != "k8s-node" || g.Project != "k8s" {
				t.Errorf("%s: %+v", r.ID, g)
			}
		}
	}
	if got := fmt.Sprint(sites); got != "map[lille lille:6 marseille marseille:6 paris paris:6 toulouse toulouse:8]" {
		t.Errorf("sites %s", got)
	}
	if got := fmt.Sprint(nodes); got != "map[lille pve1:6 marseille pve1:6 paris pve1:2 paris pve2:2 paris pve3:2 toulouse pve1:3 toulouse pve2:3 toulouse pve3:2]" {
		t.Errorf("nodes %s", got)
	}
	if g := f.Guest("vm/toulouse-worker-5"); g == nil || g.Disks["scsi1"].Size != 200*GiB || g.Node != "pve2" {
		t.Errorf("the fifth worker: %+v", g)
	}
	if addOns := f.Resource("play/add-ons").Spec.(*Playbook); len(addOns.Targets) != 12 {
		t.Errorf("targets %v", addOns.Targets)
	}
}

// TestLibvirtWithoutTheRest holds that a template which is found is what guests
// are made from, unless they say otherwise.
func TestLibvirtWithoutTheRest(t *testing.T) {
	d := otherDraft(t, "libvirt")
	f := load(t, d.files)
	for id, want := range map[ID]string{
		"vm/lenny-1": "134002 debian-12", "vm/lenny-2": "134003 debian-12", "vm/lenny-3": "134004 debian-12",
		"vm/matrix": "199002 debian-12", "vm/openbsd74": "144004 openbsd-7.4", "vm/nixostest1": "144009 ",
	} {
		g := f.Guest(id)
		if g == nil {
			t.Errorf("no %s", id)
			continue
		}
		if got := fmt.Sprintf("%d %s", g.VMID, g.Clone.Template); got != want {
			t.Errorf("%s: %s", id, got)
		}
	}
	if find := f.Templates["debian-12"].Find; find.Tag != "debian-12" {
		t.Errorf("%+v", find)
	}
	if len(f.Approvals) != 1 || f.Approvals[0].Target != "vm/matrix" {
		t.Errorf("%+v", f.Approvals)
	}
}
