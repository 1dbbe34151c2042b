package proxmox

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"berth/applyers"
	"berth/applyers/proxmox/notation"
	"berth/applyers/proxmox/pve"
	"berth/applyers/proxmox/stamp"
	"berth/desired"
	"berth/drift"
)

// saidSite is a site on which a bridge and a storage have names of their own.
const saidSite = `
kind: Fleet
name: pegasus
uid: 5b1f0c2e
---
kind: Site
name: home
endpoints: ["https://pve1.test:8006"]
token: {secret: pve-home}
node: pve1
storage: {ssd: {store: local-lvm, ssd: true, discard: true, iothread: true}, hdd: {store: local}}
networks:
  lan: {bridge: vmbr0, subnet: 10.1.1.0/24, gateway: 10.1.1.1, subnet6: "fd00::/64"}
  dmz: {bridge: vmbr0, vlan: 30, firewall: true, mtu: 1400}
  lab: {bridge: vmbr1}
phases: {early: {order: 100, up: 30s, down: 60s}, late: {order: 200}}
---
`

// refusal is a word that the loader does not take, and why.
type refusal struct{ text, why string }

// said takes one option of Proxmox through the manifest's words and back.
type said struct {
	t      *testing.T
	kind   string
	option string
	conf   map[string]string
	fleet  *desired.Fleet
	want   *desired.Resource
	guest  *found
	// ask holds the words that the manifest says.
	ask map[desired.Path]string
}

// saySame holds of an option's value: what it says in the manifest's words is either
// refused by the loader, which then names the field, or
//
//   - differs in nothing from the guest that it was read of;
//   - is written over the same value without a change of meaning, and without losing
//     a part that Berth does not understand;
//   - is written where nothing is, and then differs in nothing either.
//
// It gives back the words that were refused.
func saySame(t *testing.T, kind, option string, conf map[string]string) map[desired.Path]refusal {
	t.Helper()
	s := &said{t: t, kind: kind, option: option, conf: conf}
	s.guest = s.found(conf)
	refused := s.load()
	s.same("as it was read", conf)
	s.over()
	s.fresh()
	return refused
}

func (s *said) found(conf map[string]string) *found {
	all := maps.Clone(conf)
	return &found{
		row: row{kind: s.kind, node: "pve1", vmid: 4001, name: "web"}, conf: &pve.Config{Values: all, Digest: "d"},
		stamped: true, stamp: stamp.Stamp{Fleet: "pegasus", UID: "5b1f0c2e", ID: s.id(), Site: "home", VMID: 4001},
	}
}

func (s *said) id() desired.ID { return desired.MakeID(s.kind, "web") }

// about tells whether a path is said by the option.
func (s *said) about(path desired.Path) bool {
	at := optionOf(s.kind, path)
	return at == s.option || at == "startup" && s.option == "onboot"
}

// load reads the option's words back as a manifest, but for those that the loader
// refuses. It gives these back.
func (s *said) load() map[desired.Path]refusal {
	s.t.Helper()
	home, err := saidHome()
	if err != nil {
		s.t.Fatal(err)
	}
	spec := (&wording{fleet: home, site: home.Sites["home"]}).spec(s.guest)
	guest := guestPart(spec)
	guest.Name, guest.Plan = "web", "4001"
	doc := desired.Document{Kind: "VM", Name: "web", Spec: spec, Keep: map[desired.Path]bool{"id": true}}
	if s.kind == desired.KindContainer {
		doc.Kind = "Container"
	}
	for slot, nic := range guest.Networks {
		// A VLAN that makes no network of the site stands beside one on its bridge.
		bridge, tag, _ := strings.Cut(nic.Network, ".")
		if _, err := strconv.Atoi(tag); err == nil && bridge == "vmbr0" {
			nic.Network = "lan"
			guest.Networks[slot] = nic
		}
	}
	s.ask = make(map[desired.Path]string)
	for _, leaf := range desired.Leaves(s.kind, spec) {
		switch {
		case s.about(leaf.Path):
			// null would take away what a class or a network gives, and to an address
			// without the length of its prefix the loader adds that of the subnet.
			text := desired.Text(leaf.Value)
			_, err := netip.ParseAddr(text)
			if bare := err == nil && strings.Contains(string(leaf.Path), ".address"); text != "" && !bare {
				s.ask[leaf.Path], doc.Keep[leaf.Path] = text, true
			}
		case leaf.Path.Within("disks") && (strings.HasSuffix(string(leaf.Path), ".size") || strings.HasSuffix(string(leaf.Path), ".storage")) &&
			!firmware(leaf.Path.Keys()[1]) && guest.Disks[leaf.Path.Keys()[1]].Size >= desired.MiB && guest.Disks[leaf.Path.Keys()[1]].Volume == "",
			leaf.Path.Within("networks") && strings.HasSuffix(string(leaf.Path), ".network") && home.Sites["home"].Networks[desired.Text(leaf.Value)].Bridge != "",
			leaf.Path == "bios":
			doc.Keep[leaf.Path] = true
		}
	}
	if vm, ok := spec.(*desired.VM); ok && vm.Drive != nil {
		vm.CloudInit = &desired.CloudInit{Native: true}
		doc.Keep["cloudInit.native"] = true
	}
	refused := make(map[desired.Path]refusal)
	for range 50 {
		text, err := desired.Write(doc)
		if err != nil {
			s.t.Fatalf("%s %q: %v", s.option, s.conf[s.option], err)
		}
		s.fleet, err = desired.Load(fstest.MapFS{"fleet.yaml": {Data: append([]byte(saidSite), text...)}})
		if err == nil {
			s.want = s.fleet.Resource(s.id())
			return refused
		}
		problems, ok := errors.AsType[desired.Problems](err)
		if !ok {
			s.t.Fatalf("%s %q: %v\n%s", s.option, s.conf[s.option], err, text)
		}
		for _, p := range problems {
			named := namedIn(p.Text)
			for kept, value := range s.ask {
				if kept.Within(named) {
					delete(doc.Keep, kept)
					delete(s.ask, kept)
					refused[kept] = refusal{value, p.Text}
				}
			}
			// Two mistakes may be of one word.
			if !slices.ContainsFunc(slices.Collect(maps.Keys(refused)), func(gone desired.Path) bool { return gone.Within(named) }) {
				s.t.Fatalf("%s %q: %q names no field of the option in\n%s", s.option, s.conf[s.option], p, text)
			}
		}
	}
	s.t.Fatalf("%s %q: what the loader refuses has no end", s.option, s.conf[s.option])
	return nil
}

// namedIn is the field that a mistake names. What is missing was never written: then
// it is what it is missing in.
func namedIn(text string) desired.Path {
	named, rest, _ := strings.Cut(text, " ")
	if !strings.HasPrefix(rest, "is missing") {
		return desired.Path(strings.TrimSuffix(named, ":"))
	}
	if at := strings.LastIndexByte(named, '.'); at > 0 {
		named = named[:at]
	}
	return desired.Path(named)
}

// saidHome is saidSite without a guest.
var saidHome = sync.OnceValues(func() (*desired.Fleet, error) {
	return desired.Load(fstest.MapFS{"fleet.yaml": {Data: []byte(strings.TrimSuffix(saidSite, "---\n"))}})
})

// differs lists what a guest with a configuration has otherwise than its manifest.
func (s *said) differs(conf map[string]string) []string {
	s.t.Helper()
	w := &wording{fleet: s.fleet, site: s.fleet.Sites["home"], want: s.want}
	live := &drift.Live{ID: s.id(), Spec: w.spec(s.found(conf))}
	fields, notes, err := drift.Compare(&drift.World{}, s.want, live)
	if err != nil {
		s.t.Fatal(err)
	}
	var all []string
	for _, f := range fields {
		if s.ask[f.Path] != "" {
			all = append(all, fmt.Sprintf("%s %q → %q", f.Path, f.Before.Text, f.After.Text))
		}
	}
	for _, n := range notes {
		if s.ask[n.Path] != "" {
			all = append(all, n.Text)
		}
	}
	return all
}

// grows tells whether a value is made good by growing a disk, and not by writing.
func grows(path desired.Path) bool {
	return path.Within("disks") && strings.HasSuffix(string(path), ".size")
}

func (s *said) same(when string, conf map[string]string) {
	s.t.Helper()
	if all := s.differs(conf); len(all) > 0 {
		s.t.Errorf("%s %q %s, as %q, differs from its own manifest: %s", s.option, s.conf[s.option], when, conf[s.option], strings.Join(all, "; "))
	}
}

// job is what would write the guest.
func (s *said) job(fields []drift.Field) *job {
	return &job{
		cluster: &cluster{site: s.fleet.Sites["home"]}, kind: s.kind, node: "pve1", vmid: 4001,
		Job: applyers.Job{Fleet: s.fleet, Want: s.want, Change: drift.Change{Key: drift.Key{ID: s.id()}, Fields: fields}},
	}
}

// fields are those that the manifest sets and a change writes.
func (s *said) fields() []drift.Field {
	var fields []drift.Field
	for _, leaf := range desired.Leaves(s.kind, s.want.Spec) {
		if s.want.Set.Has(leaf.Path) && s.ask[leaf.Path] != "" && (leaf.Effect == desired.Online || leaf.Effect == desired.Reboot) && !grows(leaf.Path) {
			fields = append(fields, drift.Field{Path: leaf.Path, After: drift.Value{Text: desired.Text(leaf.Value)}, Effect: leaf.Effect})
		}
	}
	return fields
}

// over writes what is there already, word after word.
func (s *said) over() {
	s.t.Helper()
	fields := s.fields()
	set, err := s.job(fields).optionsFor(s.guest, fields)
	if err != nil {
		s.t.Errorf("%s %q: write: %v", s.option, s.conf[s.option], err)
		return
	}
	conf := maps.Clone(s.conf)
	write, remove := compact(set, conf)
	maps.Copy(conf, write)
	for _, option := range remove {
		delete(conf, option)
	}
	s.same("written over itself", conf)
	s.kept(conf[s.option])
	w := &wording{fleet: s.fleet, site: s.fleet.Sites["home"]}
	was, is := texts(s.kind, w.spec(s.guest)), texts(s.kind, w.spec(s.found(conf)))
	for _, path := range slices.Sorted(maps.Keys(was)) {
		if !writtenInParts(s.kind, s.option) && s.ask[path] == "" {
			continue
		}
		if was[path] != is[path] && !strings.EqualFold(was[path], is[path]) && !sameMeaning(path, was[path], is[path]) {
			s.t.Errorf("%s %q written over itself became %q: %s was %q and is %q", s.option, s.conf[s.option], conf[s.option], path, was[path], is[path])
		}
	}
}

// sameMeaning tells of two texts that both stand for the same.
func sameMeaning(path desired.Path, a, b string) bool {
	switch {
	case path == "startup":
		return notation.Parse("order", a).Equal(notation.Parse("order", b))
	case path == "cpu.limit":
		x, errX := strconv.ParseFloat(a, 64)
		y, errY := strconv.ParseFloat(b, 64)
		return errX == nil && errY == nil && x == y
	case path == "cpu.flags":
		return signed(strings.Fields(a)).Equal(signed(strings.Fields(b)))
	case strings.Contains(string(path), ".address") || strings.Contains(string(path), ".gateway"):
		return sameAddress(a, b) == b
	}
	return false
}

func texts(kind string, spec any) map[desired.Path]string {
	all := make(map[desired.Path]string)
	for _, leaf := range desired.Leaves(kind, spec) {
		all[leaf.Path] = desired.Text(leaf.Value)
	}
	return all
}

// known are the parts of lines that the words speak of, which may be written anew.
func known() []string {
	return []string{
		"discard", "ssd", "iothread", "cache", "aio", "backup", "replicate", "serial", "ro", "mbps_rd", "mbps_wr", "bps_rd", "bps_wr", "iops_rd", "iops_wr",
		"mp", "mountoptions", "bridge", "tag", "mtu", "firewall", "rate", "queues", "link_down", "ip", "gw", "ip6", "gw6", "name", "hwaddr",
		"virtio", "e1000", "e1000e", "rtl8139", "vmxnet3", "model", "macaddr", "enabled", "fstrim_cloned_disks", "type", "cputype", "flags", "order", "up", "down",
	}
}

// writtenInParts are the options that are written part by part, so that what is not
// understood of them stays.
func writtenInParts(kind, option string) bool {
	return driveSlot(kind, option) || nicSlot(option) || strings.HasPrefix(option, "ipconfig") || option == "agent" || option == "cpu"
}

// kept holds that no part is lost that nobody spoke of.
func (s *said) kept(line string) {
	s.t.Helper()
	if !writtenInParts(s.kind, s.option) {
		return
	}
	first := "cputype"
	switch {
	case driveSlot(s.kind, s.option):
		first = volumeKey(s.kind)
	case s.option == "agent":
		first = "enabled"
	case nicSlot(s.option):
		first = "model"
	}
	now := notation.Parse(first, line).Parts
	for _, part := range notation.Parse(first, s.conf[s.option]).Parts {
		if !slices.Contains(known(), part.Key) && !slices.Contains(now, part) {
			s.t.Errorf("%s %q became %q, without %s=%s", s.option, s.conf[s.option], line, part.Key, part.Value)
		}
	}
}

// fresh writes the option where nothing is. What is allocated gets the volume and the
// size that it had.
func (s *said) fresh() {
	s.t.Helper()
	conf := maps.Clone(s.conf)
	empty := &found{conf: &pve.Config{}}
	j, guest := s.job(nil), guestOf(s.want)
	switch disk, isDisk := guest.Disks[s.option]; {
	case isDisk:
		is := notation.Parse(volumeKey(s.kind), s.conf[s.option])
		line, err := "", error(nil)
		if s.kind == desired.KindContainer {
			line, err = j.lines().newVolume(s.option, disk)
		} else {
			line, err = j.lines().newDrive(s.option, disk)
		}
		if err != nil {
			return // It takes a size or a storage that the line does not have.
		}
		p := notation.Parse(volumeKey(s.kind), line)
		p.Set(volumeKey(s.kind), is.Value(volumeKey(s.kind)))
		p.Set("size", is.Value("size"))
		conf[s.option] = p.String()
	case nicSlot(s.option) && s.fleet.Sites["home"].Networks[guest.Networks[s.option].Network].Bridge == "":
		// Nothing is plugged into no network.
	case nicSlot(s.option):
		line, err := j.lines().newNIC(s.option, guest.Networks[s.option])
		if err != nil {
			s.t.Errorf("%s %q: make: %v", s.option, s.conf[s.option], err)
			return
		}
		conf[s.option] = line
	case s.option == "onboot" || s.option == "startup":
		delete(conf, "onboot")
		delete(conf, "startup")
		maps.Copy(conf, j.startupOptions())
	default:
		delete(conf, s.option)
		for _, f := range s.fields() {
			option, value := j.option(f.Path, empty)
			if option == s.option && value != "" {
				conf[option] = value
			}
		}
	}
	s.same("made anew", conf)
}
