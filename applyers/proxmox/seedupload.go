package proxmox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"berth/applyers/proxmox/notation"
	"berth/applyers/proxmox/pve"
	"berth/applyers/proxmox/seed"
	"berth/desired"
	"berth/drift"
)

// seedDrive builds the seed, uploads it, and adds the drive that imports it: the
// seed is then a disk of the guest's own, goes where it goes and dies with it
// (FACTS 6).
func (j *job) seedDrive(ctx context.Context, vm *desired.VM, options pve.Params, instance string) error {
	image, err := j.buildSeed(vm, options, instance)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(image)
	store := j.seedStore()
	if store == "" {
		return errors.New("the site names no storage for seeds: set seeds, or images")
	}
	name := fmt.Sprintf("%s%s.raw", j.seedPrefix(), hex.EncodeToString(sum[:6]))
	j.uploaded = name
	upid, err := j.Upload(ctx, j.node, store, "import", name, image, hex.EncodeToString(sum[:]))
	if err != nil {
		return fmt.Errorf("upload the seed: %w", err)
	}
	if err := j.Begun(ctx, j.p, j.limit(anyTask), upid); err != nil {
		return fmt.Errorf("upload the seed: %w", err)
	}
	slot := seedSlot(vm)
	if options[slot] != "" {
		return fmt.Errorf("slot %s is the seed's and the manifest's disk's: set cloudInit.slot", slot)
	}
	p := notation.Props{First: "file"}
	p.Set("file", j.besideBoot(vm)+":0")
	p.Set("import-from", store+":import/"+name)
	options[slot] = p.String()
	return nil
}

// seedUsual is where a seed goes that the manifest names no slot for.
const seedUsual = "scsi30"

func seedSlot(vm *desired.VM) string {
	if vm.CloudInit != nil && vm.CloudInit.Slot != "" {
		return vm.CloudInit.Slot
	}
	return seedUsual
}

func (j *job) seedPrefix() string { return "berth-" + strconv.Itoa(j.vmid) + "-" }

// seedStore is where seeds are uploaded.
func (j *job) seedStore() string { return seedStore(j.site, j.node) }

func seedStore(site *desired.Site, node string) string {
	if site.Seeds != "" {
		return storeOn(site, site.Seeds, node)
	}
	return storeOn(site, site.Images, node)
}

// besideBoot is the storage of the disk that the guest boots from.
func (j *job) besideBoot(vm *desired.VM) string {
	if j.beside != "" {
		return j.beside
	}
	for _, slot := range bootOrder(vm) {
		if d, ok := vm.Disks[slot]; ok {
			return storeOn(j.site, d.Storage, j.node)
		}
	}
	return j.seedStore()
}

// buildSeed writes the image that cloud-init reads. Its interfaces are found by
// their MACs, which are made before the guest is.
func (j *job) buildSeed(vm *desired.VM, options pve.Params, instance string) ([]byte, error) {
	in := seed.Input{
		InstanceID: instance, Rerun: j.Step != drift.Create, Hostname: vm.Hostname, CloudInit: vm.CloudInit, DNS: vm.DNS, Search: vm.Search,
		Mounts: mounts(vm),
	}
	for _, slot := range slices.Sorted(maps.Keys(vm.Networks)) {
		nic := vm.Networks[slot]
		if nic.State != "" {
			continue
		}
		_, mac := nicModel(parseNIC(desired.KindVM, options[slot]))
		address := nic.Address
		if address == "" {
			address = "dhcp"
		}
		in.NICs = append(in.NICs, seed.NIC{MAC: mac, Name: nic.Name, Address: address, Gateway: nic.Gateway, Address6: nic.Address6, Gateway6: nic.Gateway6})
	}
	s, err := seed.Build(in)
	if err != nil {
		return nil, err
	}
	image, err := s.ISO()
	if err != nil {
		return nil, fmt.Errorf("write the seed's image: %w", err)
	}
	return image, nil
}

// removeSeeds removes what was uploaded for this guest: by this attempt alone, or
// also by one that was killed.
func (j *job) removeSeeds(ctx context.Context, all bool) error {
	store := j.seedStore()
	if store == "" {
		return nil
	}
	volumes, err := j.content(ctx, j.node, store, "import")
	if err != nil {
		return err
	}
	for _, v := range volumes {
		name := v.Volid[strings.LastIndexByte(v.Volid, '/')+1:]
		stale := all && strings.HasPrefix(name, j.seedPrefix())
		if name != j.uploaded && !stale {
			continue
		}
		// One that is not there any more is a success (FACTS 7).
		if err := j.Do(ctx, j.p, j.limit(anyTask), "DELETE", "/nodes/"+j.node+"/storage/"+store+"/content/"+v.Volid, nil); err != nil {
			return err
		}
	}
	return nil
}
