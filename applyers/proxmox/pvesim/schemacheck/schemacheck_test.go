package schemacheck

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"berth/applyers/proxmox/pvesim"
)

func schema(t *testing.T) *Schema {
	t.Helper()
	s, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	if s == nil {
		t.Skip("no ../shared/pve/apischema.json")
	}
	return s
}

func TestCheck(t *testing.T) {
	s := schema(t)
	const qemu, lxc, conf = "/nodes/pve1/qemu", "/nodes/pve1/lxc", "/nodes/pve1/qemu/100/config"
	for _, x := range []struct {
		method, path, form string
		wrong              string // the parameters that are wrong, with blanks between
	}{
		{"POST", qemu, "vmid=100&scsi0=local:8,discard=on,ssd=1&net0=virtio,bridge=vmbr0,tag=5&agent=1&cpu=host&boot=order=scsi0;net0", ""},
		{"POST", qemu, "", "vmid"},
		{"POST", qemu, "vmid=99", "vmid"},
		{"POST", qemu, "vmid=100&nonsense=1", "nonsense"},
		{"POST", qemu, "vmid=100&force=1", "archive"},
		{"POST", qemu, "vmid=100&onboot=yes&cores=0&memory=x&bios=uefi", "bios cores memory onboot"},
		{"POST", qemu, "vmid=100&net32=virtio&net31=virtio&net0=carrier", "net0 net32"},
		{"POST", qemu, "vmid=100&net0=virtio=BC:24:11:00:00:01,bridge=vmbr0,colour=red", "net0"},
		{"POST", qemu, "vmid=100&net0=bridge=vmbr0", "net0"},
		{"POST", qemu, "vmid=100&net0=virtio,tag=4095", "net0"},
		{"POST", qemu, "vmid=100&ide0=local:8,iothread=1", "ide0"},
		{"POST", qemu, "vmid=100&scsi0=local:8,file=local:9", "scsi0"},
		{"POST", qemu, "vmid=100&efidisk0=local:1,efitype=8m", "efidisk0"},
		{"POST", qemu, "vmid=100&ipconfig0=ip=10.0.0.4/24,gw=10.0.0.1,ip6=auto&ipconfig1=gw=10.0.0.1&ipconfig2=ip=10.0.0.4", "ipconfig1 ipconfig2"},
		{"POST", qemu, "vmid=100&startup=order=1,up=2&sshkeys=ssh-rsa a", "sshkeys"},
		{"POST", qemu, "vmid=100&startup=first&tags=a;b&name=a_b", "name startup"},
		{"POST", qemu, "vmid=100&description=" + strings.Repeat("x", 8193), "description"},
		{"PUT", conf, "delete=a b", "delete"},
		{"PUT", conf, "delete=cores,net0&digest=" + strings.Repeat("a", 41), "digest"},
		{"PUT", conf, "password=x", "password"},
		{"PUT", "/nodes/pve1/qemu/100/resize", "disk=scsi0&size=+1G", ""},
		{"PUT", "/nodes/pve1/qemu/100/resize", "disk=scsi99&size=1 GB", "disk size"},
		{"POST", lxc, "vmid=100&ostemplate=x&rootfs=local:8&mp0=local:4,mp=/srv,backup=1&features=nesting=1&net0=name=eth0,bridge=vmbr0,ip=dhcp", ""},
		{"POST", lxc, "vmid=100&ostemplate=x&mp0=local:4&net0=bridge=vmbr0&features=1&password=1234", "features mp0 net0 password"},
		{"POST", "/nodes/pve1/storage/local/download-url", "content=iso&filename=x.iso&url=ftp://x&checksum=aa", "checksum-algorithm url"},
		{"DELETE", "/nodes/pve1/storage/local/content/local:100/vm-100-disk-0.raw", "delay=31", "delay"},
		{"PUT", "/pools/a/b", "comment=x", ""},
		{"PUT", "/pools", "poolid=a/b/c/d", "poolid"},
		{"POST", "/nodes/pve1/qemu/100/migrate", "target=pve2&targetstorage=local:nfs,local-lvm&restart=1", "restart"},
		{"POST", "/nodes/pve1/qemu/100/nonsense", "", " "},
		{"GET", "/cluster/resources", "type=vm", ""},
		{"GET", "/cluster/resources", "type=thing", "type"},
		{"GET", "/cluster/nextid", "vmid=100", ""},
	} {
		form := url.Values{}
		for kv := range strings.SplitSeq(x.form, "&") {
			if k, v, ok := strings.Cut(kv, "="); ok {
				form.Add(k, v)
			}
		}
		wrong := s.Check(x.method, x.path, form)
		var keys []string
		for k := range wrong {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		want := strings.Fields(x.wrong)
		if x.wrong == " " {
			want = []string{""}
		}
		if !slices.Equal(keys, want) {
			t.Errorf("%s %s %.80s: %v, want %q", x.method, x.path, x.form, wrong, want)
		}
	}
	if wrong := s.Check("PUT", "/pools", url.Values{"poolid": {"a"}, "comment": {"a", "b"}}); wrong["comment"] == "" {
		t.Error("a parameter that is given twice is not told")
	}
}

// A format that nobody judges would let everything pass.
func TestFormatsOfNamedEndpointsAreJudged(t *testing.T) {
	s := schema(t)
	var look func(where string, ps map[string]*Property)
	look = func(where string, ps map[string]*Property) {
		for k, p := range ps {
			if p.Format != "" && !known(p.Format) {
				t.Errorf("%s %s: the format %s is not judged", where, k, p.Format)
			}
			look(where+" "+k, p.Keys)
			look(where+" "+k, s.formats[p.Format])
			if strings.HasSuffix(k, "[n]") && counts[strings.TrimSuffix(k, "[n]")] == 0 {
				t.Errorf("%s: nobody knows how many of %s there are", where, k)
			}
		}
	}
	for _, e := range slices.Concat(endpoints, reads) {
		m := s.Method(e.method, e.path)
		if m == nil {
			t.Errorf("the schema has no %s %s", e.method, e.path)
			continue
		}
		look(e.method+" "+e.path, m.Params)
	}
}

func TestFaultsAreToldOnce(t *testing.T) {
	s := schema(t)
	r := pvesim.Request{Method: "PUT", Path: "/nodes/pve1/qemu/100/config", Form: url.Values{"cores": {"none"}, "x": {"1"}}}
	got := s.faults([]pvesim.Request{r, r})
	want := []string{`PUT /nodes/pve1/qemu/100/config: cores must be an integer, got "none"`, "PUT /nodes/pve1/qemu/100/config: x is no parameter of PUT /nodes/{node}/qemu/{vmid}/config"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
