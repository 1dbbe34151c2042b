package proxmox

import (
	"bytes"
	"cmp"
	"encoding/json"
	"hash/maphash"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"berth/applyers/proxmox/notation"
	"berth/applyers/proxmox/pve"
	"berth/desired"
)

// FuzzLists holds that whatever a cluster lists is read or refused, and that what is read
// of it names guests and tags.
func FuzzLists(f *testing.F) {
	f.Add([]byte(`{"data":[{"type":"qemu","vmid":101,"name":"a","node":"pve1","tags":"a;b","template":0,"status":"running"},{"type":"storage","storage":"local","shared":1,"content":"iso"}]}`))
	f.Add([]byte(`{"data":[{"type":"lxc","vmid":"x","tags":" ","uptime":1e99,"disk":-1,"maxdisk":null},{"type":7}]}`))
	f.Add([]byte(`{"data":[{"user":"root@pam","msg":"update VM 8101: -memory 384 -delete tags"},{"msg":"update VM -1: -a b"},{"msg":null}]}`))
	fleet, err := parse(fleetYAML, siteYAML, imagesYAML)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > 1<<16 || !json.Valid(body) {
			return
		}
		base := roundTrip(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Status: "200 OK", Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: -1, Request: r}, nil
		})
		// What is asked again is waited for.
		synctest.Test(t, func(t *testing.T) {
			client, err := pve.New("home", base, []string{"https://pve1.test:8006"}, &pve.Counter{}, time.Now, pve.FirstPoll)
			if err != nil {
				t.Fatal(err)
			}
			c := &cluster{Client: client}
			look := &looked{cluster: c, fleet: fleet, seed: maphash.MakeSeed(), glances: make(map[int]brief)}
			if rows, err := c.readResources(t.Context()); err == nil {
				look.glanceOver(rows)
				sameGlance(t, c, look, rows)
				for _, r := range rows {
					if g := r.guest(); g != nil && slices.ContainsFunc(g.tags, func(tag string) bool { return tag == "" || strings.ContainsAny(tag, ",; ") }) {
						t.Errorf("tags %q", g.tags)
					}
				}
			}
			log := c.readChangelog(t.Context())
			for vmid := range log.by {
				if vmid <= 0 || log.err != nil {
					t.Errorf("the log tells of VM %d (%v)", vmid, log.err)
				}
			}
			look.log = log.place
			p := &poll{looked: look, site: &desired.Site{Name: "home"}}
			_ = p.ask(t.Context()) // It has to come to an end.
		})
	})
}

// sameGlance holds that a poll reads a list in place as a whole look reads it: else
// each poll would see a change.
func sameGlance(t *testing.T, c *cluster, look *looked, rows []*resourceRow) {
	t.Helper()
	times := make(map[int]int)
	for i := range rows {
		times[rows[i].Vmid.Int()]++
	}
	list := glances{looked: look, begin: func() {}, each: func(g *glance) {
		if was := look.glances[g.vmid]; times[g.vmid] == 1 && was != g.brief {
			t.Errorf("guest %d is %v at a glance and was %v", g.vmid, g.brief, was)
		}
	}}
	if err := c.Get(t.Context(), "/cluster/resources", &list); err == nil && list.sum != look.nodes {
		t.Error("the nodes are others at a glance")
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// FuzzVolumeName holds that the guest to whom a volume belongs stands in its name.
func FuzzVolumeName(f *testing.F) {
	for _, seed := range []string{"local:101/vm-101-disk-0.raw", "lvm:vm-7-disk-0", "zfs:subvol-9-disk-1", "local:200/base-200-disk-0.qcow2/202/vm-202-disk-0.qcow2", "local:iso/debian.iso", "none", "x:vm-99999999999999999999-disk-0"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, volid string) {
		owner := ownerOf(volid)
		if owner < 0 || owner > 0 && !strings.Contains(volid, strconv.Itoa(owner)) {
			t.Errorf("%q belongs to %d", volid, owner)
		}
	})
}

// FuzzKeys holds that the keys of Proxmox's own cloud-init drive are the same when
// they are written and read.
func FuzzKeys(f *testing.F) {
	for _, seed := range []string{"ssh-ed25519%20AAAA%20anna%0A", "ssh-rsa AAAA+/= a@b", "a%0Ab%0A%0A", "%zz", "%250A", "+"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		text = strings.ToValidUTF8(text, "\ufffd") // As JSON is read.
		keys := parseKeys(text)
		written := formatKeys(keys)
		if again := parseKeys(written); !sameKeys(again, keys) || !slices.Equal(again, keys) {
			t.Errorf("%q: %q became %q, %q", text, keys, written, again)
		}
		if strings.ContainsAny(written, " +\n\r") {
			t.Errorf("%q is written as %q", text, written)
		}
	})
}

// FuzzAddresses holds that what Proxmox's own cloud-init drive says of an interface is
// the same when it is written from the manifest's words.
func FuzzAddresses(f *testing.F) {
	for _, seed := range []string{"ip=dhcp", "ip=10.1.1.7/24,gw=10.1.1.1", "gw=10.1.1.1,ip=10.1.1.7/24,ip6=auto", "gw6=fd00::1,ip6=fd00::7/64", "", "ip6=dhcp", "ip=manual", "gw=x", "ip=,ip=1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		read := func(line string) (n desired.NIC) {
			g := &found{row: row{kind: desired.KindVM}, conf: &pve.Config{Values: map[string]string{"ipconfig0": line}}}
			addresses(&n, (&wording{}).ipconfig("net0", g), desired.NIC{})
			return n
		}
		nic := read(text)
		var p notation.Props
		for _, word := range addressWords() {
			ipconfigPart(&p, word, nic)
		}
		// DHCP brings a gateway of its own, and an address of no interface is refused:
		// this drive asks DHCP there.
		if nic.Address == "none" && nic.Address6 == "" || nic.Address == "dhcp" && nic.Gateway != "none" {
			return
		}
		if again := read(p.String()); again.Address != nic.Address || again.Address6 != nic.Address6 || again.Gateway != nic.Gateway {
			t.Errorf("%q: %q %q %q became %q, which is %q %q %q", text, nic.Address, nic.Gateway, nic.Address6, p, again.Address, again.Gateway, again.Address6)
		}
	})
}

// FuzzVerbatim holds of options that are compared as they are written that their parts
// may stand in any order, and that another value of a part is another option.
func FuzzVerbatim(f *testing.F) {
	for _, seed := range [][2]string{
		{"rng0", "source=/dev/urandom,max_bytes=512"},
		{"numa0", "cpus=0-3,memory=2048,hostnodes=0,policy=bind"},
		{"hostpci0", "0000:01:00.0,pcie=1,x-vga=1"},
		{"hostpci1", "mapping=gpu"},
		{"usb0", "host=1234:5678,usb3=1"},
		{"usb1", "spice"},
		{"watchdog", "i6300esb,action=reset"},
		{"audio0", "device=ich9-intel-hda,driver=spice"},
		{"virtiofs0", "share,cache=always"},
		{"startdate", "now"},
		{"dev0", "/dev/ttyUSB0,mode=0660"},
		{"acpi", "0"},
		{"tdf", "off"},
		{"ivshmem", "size=32,name=x"},
	} {
		f.Add(seed[0], seed[1])
	}
	name := regexp.MustCompile(`^[a-z][a-z_-]*[0-9]*$`)
	f.Fuzz(func(t *testing.T, option, text string) {
		if !name.MatchString(option) {
			return
		}
		stem := strings.TrimRight(option, "0123456789")
		p := notation.Parse(cmp.Or(firstKey(stem), stem), text)
		slices.Reverse(p.Parts)
		if !sameOption(option, text, text) || !sameOption(option, text, p.String()) {
			t.Errorf("%s %q is not %q", option, text, p)
		}
		p.Set("mark", "1")
		if sameOption(option, text, p.String()) && notation.Lookup(p.First, text, "mark") != "1" {
			t.Errorf("%s %q is %q", option, text, p)
		}
		for _, kind := range []string{desired.KindVM, desired.KindContainer} {
			why := rootsAlone(kind, desired.Path("options").Sub(option), text)
			if why != "" && !strings.HasPrefix(why, option+" ") {
				t.Errorf("%s %q: %q does not name it", option, text, why)
			}
		}
	})
}
