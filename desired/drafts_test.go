package desired

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// drafts finds the fleets that the language was tried on; the test is skipped
// where they are not.
func drafts(t *testing.T, name string) fstest.MapFS {
	t.Helper()
	dir := filepath.Join("..", "..", "shared", "fleets", "drafts", name)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("the draft fleets are not here: %v", err)
	}
	out := fstest.MapFS{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, name))
		out[name] = &fstest.MapFile{Data: data}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestPegasus holds that the owner's fleet has no mistake. The draft leaves Ansible's files out and names those of guests from the
// root; both are put right here.
func TestPegasus(t *testing.T) {
	fleet := drafts(t, "pegasus")
	for name, text := range map[string]string{
		"ansible/playbook.yml": "- hosts: all\n", "ansible/update-certificates.yml": "- hosts: all\n", "ansible/requirements.yml": "roles: []\n",
		"ansible/vault/lab.yml":      "$ANSIBLE_VAULT;1.1;AES256\n6162\n",
		"secrets/ssh-key.age":        "age-encryption.org/v1\n-> X25519 a\n",
		"secrets/vault-password.age": "age-encryption.org/v1\n-> X25519 a\n",
	} {
		fleet[name] = &fstest.MapFile{Data: []byte(text)}
	}
	fleet["ansible/.berthignore"] = &fstest.MapFile{}
	fleet["files/lab-ansible.crt"] = &fstest.MapFile{Data: []byte("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n")}
	for name, f := range fleet {
		if strings.HasPrefix(name, "guests/") {
			f.Data = regexp.MustCompile(`([ \[])files/`).ReplaceAll(f.Data, []byte("${1}../files/"))
		}
	}
	got := load(t, fleet)
	coder := got.Resource("play/coder").Spec.(*Playbook)
	if coder.Git.Ref != "main" || coder.File != "playbook.yml" || !slices.Equal(coder.RequirementFiles, []string{"ansible/coder-requirements.yml"}) || !coder.Scheduled() {
		t.Errorf("coder %+v", coder)
	}
	whole := got.Resource("play/pegasus").Spec.(*Playbook)
	if !slices.Equal(whole.VarsFilePaths, []string{"ansible/vault/lab.yml"}) || whole.Vaults["lab"] != (SecretRef{Secret: "vault-password"}) {
		t.Errorf("pegasus %+v", whole)
	}
	for _, run := range whole.Due {
		if !slices.Equal(run.Secrets, []SecretRef{{Secret: "vault-password"}}) {
			t.Errorf("due %+v", run)
		}
	}
	if place := got.Secrets["ssh-key"]; place.Path != "secrets/ssh-key.age" {
		t.Errorf("ssh-key %+v", place)
	}
}

// TestPegasusWithoutTheRest takes what is not built yet out of the fleet and
// holds that all else is read as it is meant.
func TestPegasusWithoutTheRest(t *testing.T) {
	fleet := drafts(t, "pegasus")
	drop := func(name, pattern string) {
		t.Helper()
		before := fleet[name].Data
		fleet[name].Data = regexp.MustCompile(pattern).ReplaceAll(before, nil)
		if string(before) == string(fleet[name].Data) {
			t.Errorf("%s: nothing is %s", name, pattern)
		}
	}
	delete(fleet, "playbooks.yaml")
	drop("fleet.yaml", `(?s)kind: Secret.*?---\n`)
	drop("guests/lab-certbot.yaml", `  caCerts: .*\n`)
	drop("guests/lab-ansible.yaml", `  files:\n(    .*\n){2}`)

	got, err := Load(fleet)
	if err != nil {
		t.Fatal(err)
	}
	want := map[ID]int{
		"vm/prod-ansible": 4000001, "vm/prod-proxy-passthrough": 4000004, "vm/lab-ansible": 5001022,
		"vm/lab-certbot": 5000001, "vm/lab-coder": 5001021, "vm/lab-proxy": 5000000,
	}
	for id, vmid := range want {
		if g := got.Guest(id); g == nil || g.VMID != vmid {
			t.Errorf("%s: %+v", id, g)
		}
	}
	ansible := got.Resource("vm/lab-ansible").Spec.(*VM)
	if s := ansible.Tags.String(); s != "devsecops lab manual_start" {
		t.Errorf("tags %s", s)
	}
	var users []string
	for _, u := range ansible.CloudInit.Users {
		users = append(users, u.Name)
	}
	if strings.Join(users, " ") != "ops" {
		t.Errorf("users %v", users)
	}
	if s := ansible.CloudInit.Packages.String(); s != "ansible git python3-pip qemu-guest-agent" {
		t.Errorf("packages %s", s)
	}
	if addr, known := got.Address("vm/lab-ansible"); addr != "10.111.1.22" || !known {
		t.Errorf("address %s", addr)
	}
	certbot := got.Guest("vm/lab-certbot").Disks["scsi1"]
	if certbot.Mount != "/etc/letsencrypt" || !certbot.IOThread || certbot.ReadOnly {
		t.Errorf("lab-certbot scsi1: %+v", certbot)
	}
	keys := ansible.Disks["scsi1"]
	if keys.Mount != "/var/lib/ansible" || keys.Label != "ssh_keys" || !keys.ReadOnly {
		t.Errorf("lab-ansible scsi1: %+v", keys)
	}
	if users := got.VolumeUsers("lab-ansible-data/ssh_keys"); !slices.Equal(users, []ID{"vm/lab-ansible"}) {
		t.Errorf("users %v", users)
	}
	for id, vmid := range map[ID]int{"data/prod-ansible-data": 94000001, "data/lab-ansible-data": 95001022, "data/lab-certbot-data": 95000001} {
		if m := got.Machine(id); m == nil || m.VMID != vmid || m.Tags.String() == "" {
			t.Errorf("%s: %+v", id, m)
		}
	}
	image := got.Resource("image/ubuntu-22.04-20240126@home").Spec.(*ImageAt)
	if image.Store != "local-hdd" || image.Content != "import" || image.File != "ubuntu-22.04-server-cloudimg-amd64-20240126.qcow2" {
		t.Errorf("image %+v", image)
	}
}
