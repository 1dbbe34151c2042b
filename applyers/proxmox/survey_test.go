package proxmox

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"berth/applyers/proxmox/pvesim"
	"berth/applyers/proxmox/pvesim/schemacheck"
	"berth/desired"
)

// surveyed reads a whole cluster.
func surveyed(t *testing.T, sim *pvesim.Cluster) (*Survey, *Applyer) {
	t.Helper()
	schemacheck.Watch(t, sim)
	token := sim.AddToken("berth@pve", "agent", false, pvesim.ACL{Path: "/", Role: "PVEAuditor", Propagate: true})
	a := New(Options{
		Token:     func(context.Context, *desired.Site) (string, error) { return token, nil },
		Transport: func(*desired.Site) (http.RoundTripper, error) { return sim.Transport(), nil },
	})
	s, err := a.Survey(context.Background(), &desired.Site{Name: "home", Endpoints: desired.List{"https://pve1.test:8006"}})
	if err != nil {
		t.Fatal(err)
	}
	return s, a
}

// TestASurveyCostsOneRequestAGuest counts: three for the cluster, three a node, one
// a guest. It reads 300 guests well within the time that is promised for the whole
// import, and writes nothing, which the token would not let it either.
func TestASurveyCostsOneRequestAGuest(t *testing.T) {
	sim := pvesim.Mixed(pvesim.Options{}, pvesim.Mix{Guests: 300, Troubled: true})
	began := time.Now()
	s, a := surveyed(t, sim)
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it took %v", took)
	}
	if got, want := a.TakeRequests()[http.MethodGet], 3+3*3+300; got != want {
		t.Errorf("%d requests, want %d", got, want)
	}
	if len(s.Guests) != 300 || len(s.Nodes) != 3 || len(s.Stores) != 4 || len(s.Bridges) != 6 {
		t.Errorf("%d guests, %d nodes, %d storages, %d bridges", len(s.Guests), len(s.Nodes), len(s.Stores), len(s.Bridges))
	}
	for _, r := range sim.Requests() {
		if r.Write() {
			t.Errorf("%s %s", r.Method, r.Path)
		}
	}
	if testing.Verbose() {
		said := map[string]int{}
		for _, g := range s.Guests {
			for _, u := range g.Unsaid {
				said[g.Kind+" "+u.Option+": "+u.Reason]++
			}
			for k := range guestPart(g.Spec).Options {
				said[g.Kind+" options."+k]++
			}
			for _, p := range g.Pending {
				said["pending "+string(p.Path)+" "+p.Option]++
			}
		}
		for k, n := range said {
			t.Log(n, k)
		}
	}
}

// TestSurveyTellsAGuest reads one guest with all that an import has to know.
func TestSurveyTellsAGuest(t *testing.T) {
	sim := pvesim.New(pvesim.Options{})
	sim.AddGuest(pvesim.Guest{VMID: 104, Pool: "prod", Lock: "backup", Running: true, Config: map[string]string{
		"name": "Web-1", "scsi0": "local-lvm:base-200-disk-0/vm-104-disk-0,shared=1,size=8G", "scsi1": "local-lvm:vm-911-disk-3,size=1G",
		"scsi2": "/dev/sdb,size=1G", "ide2": "local:104/vm-104-cloudinit.qcow2,media=cdrom", "ide0": "none,media=cdrom", "unused0": "local-lvm:vm-104-disk-7",
		"net0": "virtio=bc:24:11:00:00:01,bridge=vmbr0,tag=30,trunks=1;2", "ipconfig0": "ip=10.1.1.4/24,gw=10.1.1.1", "nameserver": "10.1.1.1 10.1.1.2",
		"args": "-x", "acpi": "1", "serial0": "socket", "serial1": "socket", "smbios1": "uuid=0a-b,serial=x", "tags": "berth.pegasus;prod", "cipassword": "secret", "digest": "no",
		"description": "Hello\n\nberth: pegasus/vm/web home#104 uid=5b1f0c2e",
	}, Pending: map[string]string{"memory": "1024"}})
	s, _ := surveyed(t, sim)
	g := s.Guests[0]
	if g.What() != `vm 104 "Web-1" on pve1` || g.Pool != "prod" || g.Lock != "backup" || !g.Running || g.UUID != "0a-b" {
		t.Errorf("%+v", g)
	}
	if g.Fleet != "pegasus" || g.UID != "5b1f0c2e" || g.ID != "vm/web" {
		t.Errorf("%+v", g)
	}
	for slot, want := range map[string]Volume{
		"scsi0": {ID: "local-lvm:base-200-disk-0/vm-104-disk-0", Owner: 104, Base: 200}, "scsi1": {ID: "local-lvm:vm-911-disk-3", Owner: 911},
		"scsi2": {ID: "/dev/sdb", Host: true}, "ide0": {ID: "none", CDROM: true}, "ide2": {ID: "local:104/vm-104-cloudinit.qcow2", CDROM: true, Seed: true},
	} {
		got := g.Volumes[slot]
		if slot == "ide2" {
			got.Owner = 0
		}
		if got != want {
			t.Errorf("%s: %+v", slot, got)
		}
	}
	if got := g.NICs["net0"]; got != (Attachment{Bridge: "vmbr0", MAC: "bc:24:11:00:00:01", VLAN: 30, Address: "10.1.1.4/24", Gateway: "10.1.1.1"}) {
		t.Errorf("%+v", got)
	}
	if strings.Join(g.DNS, " ") != "10.1.1.1 10.1.1.2" || strings.Join(g.CloudInit, " ") != "cipassword ipconfig0 nameserver" || len(g.Unused) != 1 {
		t.Errorf("%+v", g)
	}
	if len(g.Pending) == 0 || g.Pending[0].Option != "memory" {
		t.Errorf("%+v", g.Pending)
	}
	var unsaid []string
	for _, u := range g.Unsaid {
		unsaid = append(unsaid, u.Option)
	}
	for _, option := range []string{"args", "scsi2", "smbios1"} {
		if !strings.Contains(" "+strings.Join(unsaid, " ")+" ", " "+option+" ") {
			t.Errorf("%s is not told to be left out: %v", option, unsaid)
		}
	}
	vm := g.Spec.(*desired.VM)
	if vm.Options["serial1"] != "socket" || vm.Serial0 != "socket" || vm.Options["serial0"] != "" {
		t.Errorf("%+v", vm)
	}
	if vm.Options["acpi"] != "1" || vm.Options["args"] != "" || vm.Hostname != "Web-1" || vm.Networks["net0"].Network != "vmbr0.30" {
		t.Errorf("%+v", vm)
	}
	if plain := g.Plain.(*desired.VM); plain.Hostname != "" || plain.Disks["scsi0"].Storage != "local-lvm" || len(plain.Tags) > 0 {
		t.Errorf("%+v", plain)
	}
}

// TestSurveySaysWhatToDo tells refusals apart.
func TestSurveySaysWhatToDo(t *testing.T) {
	sim := pvesim.New(pvesim.Options{})
	site := &desired.Site{Name: "home", Endpoints: desired.List{"https://pve1.test:8006"}}
	for token, want := range map[string]string{
		"": "make one with pveum user token add", "aa@pve!bb=00000000-0000-0000-0000-000000000000": "401, the token has expired or is wrong",
	} {
		a := New(Options{
			Token:     func(context.Context, *desired.Site) (string, error) { return token, nil },
			Transport: func(*desired.Site) (http.RoundTripper, error) { return sim.Transport(), nil },
		})
		if _, err := a.Survey(context.Background(), site); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", token, err)
		}
	}
	// A guest that can't be read, and a node that is away.
	sim.AddGuest(strange(101, nil))
	sim.Inject(pvesim.Fault{Path: "/nodes/pve1/qemu/101/pending", Status: 403, Reason: "Permission check failed (/vms/101, VM.Audit)"})
	s, _ := surveyed(t, sim)
	if g := s.Guests[0]; !strings.Contains(g.Unread, "pveum acl modify /vms/101") || g.Spec != nil {
		t.Errorf("%+v", g)
	}
}
