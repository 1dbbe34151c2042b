package pvesim

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

type storage struct {
	Storage
	volumes map[string]*volume // by name, and by node and name on a local storage
	options map[string]string
	off     bool
}

type volume struct {
	storage, node, name string
	owner               int
	size                int64
	format              string
	content             string
	base                string // the volume that a linked clone stands on
	ctime               time.Time
	data                []byte
	file                int64 // length of the file, when it is not the virtual size
	sum                 string
	frozen              bool // a template's, not to be written
	used                int64
	counted             bool // in Storage.Used
}

func (c *Cluster) addStorage(s Storage) *storage {
	if len(s.Content) == 0 {
		s.Content = []string{"images", "rootdir"}
	}
	if s.Size == 0 {
		s.Size = 256 << 30
	}
	if s.Path == "" {
		s.Path = "/var/lib/" + s.Name
		if s.Name == "local" {
			s.Path = "/var/lib/vz"
		}
	}
	st := &storage{Storage: s, volumes: map[string]*volume{}, options: map[string]string{}}
	c.storages[s.Name] = st
	return st
}

// files tells a storage of files in directories, with formats, from one of raw
// block devices.
func (s *storage) files() bool {
	return slices.Contains([]string{"dir", "nfs", "cifs", "btrfs", "glusterfs", "cephfs"}, s.Type)
}

func (s *storage) holds(content string) bool { return slices.Contains(s.Content, content) }

func (s *storage) on(node string) bool { return len(s.Nodes) == 0 || slices.Contains(s.Nodes, node) }

func (s *storage) key(node, name string) string {
	if s.Shared {
		return name
	}
	return node + "/" + name
}

func (s *storage) usage() int64 {
	n := s.Used
	for _, v := range s.volumes {
		switch {
		case v.counted:
		case s.Type == "lvm":
			// All of it is set aside when it is made.
			n += v.size
		default:
			n += v.usage()
		}
	}
	return n
}

// usage is what a volume takes: files are sparse, their metadata is not.
func (v *volume) usage() int64 {
	if v.used > 0 {
		return v.used
	}
	if v.data != nil {
		return blocks(int64(len(v.data)))
	}
	switch v.format {
	case "qcow2":
		if v.base != "" {
			return 204800
		}
		tables := (v.size + 512<<20 - 1) / (512 << 20)
		return 4096 * (65 + 16*(max(tables, 1)-1))
	default:
		return min(4096, blocks(v.size))
	}
}

func blocks(n int64) int64 { return (n + 4095) / 4096 * 4096 }

func (v *volume) id() string { return v.storage + ":" + v.name }

// storageOn finds a storage that a node can use.
func (c *Cluster) storageOn(node, name string) (*storage, error) {
	s := c.storages[name]
	if s == nil {
		return nil, fail("storage '%s' does not exist", name)
	}
	if !s.on(node) {
		return nil, fail("storage '%s' is not available on node '%s'", name, node)
	}
	if s.off {
		return nil, fail("storage '%s' is disabled", name)
	}
	return s, nil
}

// volume finds a volume by its id; the name of a linked clone may be given with
// its base in front.
func (c *Cluster) volume(node, volid string) *volume {
	name, rest, ok := strings.Cut(volid, ":")
	s := c.storages[name]
	if !ok || s == nil {
		return nil
	}
	return s.volumes[s.key(node, rest)]
}

func (c *Cluster) addVolume(node string, v *volume) {
	s := c.storages[v.storage]
	v.node = node
	if s.Shared {
		v.node = ""
	}
	s.volumes[s.key(node, v.name)] = v
}

func (c *Cluster) removeVolume(v *volume) {
	s := c.storages[v.storage]
	delete(s.volumes, s.key(v.node, v.name))
}

// path is the file of a volume.
func (s *storage) path(name string) string {
	if !s.files() {
		return "/dev/" + s.Name + "/" + name[strings.LastIndex(name, "/")+1:]
	}
	kind, rest, _ := strings.Cut(name, "/")
	switch kind {
	case "iso":
		return s.Path + "/template/iso/" + rest
	case "vztmpl":
		return s.Path + "/template/cache/" + rest
	case "import":
		return s.Path + "/import/" + rest
	case "snippets":
		return s.Path + "/snippets/" + rest
	case "backup":
		return s.Path + "/dump/" + rest
	}
	parts := strings.Split(name, "/")
	if len(parts) == 4 {
		// A linked clone: base's owner/base/owner/name.
		name = parts[2] + "/" + parts[3]
	}
	return s.Path + "/images/" + name
}

// parseName takes a volume's name apart as the storage's plugin does.
func (s *storage) parseName(name string) (content string, owner int, format string, err error) {
	if s.files() {
		kind, rest, ok := strings.Cut(name, "/")
		if ok && rest != "" {
			switch kind {
			case "iso":
				return "iso", 0, "raw", nil
			case "vztmpl":
				return "vztmpl", 0, archive(rest), nil
			case "import":
				return "import", 0, rest[strings.LastIndex(rest, ".")+1:], nil
			case "snippets":
				return "snippets", 0, "snippet", nil
			case "backup":
				return "backup", 0, archive(rest), nil
			}
			last := name[strings.LastIndex(name, "/")+1:]
			if m := patterns()["image"].FindStringSubmatch(last); m != nil && m[5] != "" {
				return "images", atoi(m[2]), m[5], nil
			}
		}
		return "", 0, "", fail("unable to parse directory volume name '%s'", name)
	}
	last := name[strings.LastIndex(name, "/")+1:]
	if m := patterns()["image"].FindStringSubmatch(last); m != nil {
		return "images", atoi(m[2]), "raw", nil
	}
	return "", 0, "", fail("unable to parse %s volume name '%s'", s.Type, name)
}

func archive(name string) string {
	for _, suffix := range []string{"gz", "xz", "zst", "bz2", "lzo"} {
		if strings.HasSuffix(name, ".tar."+suffix) {
			return "t" + map[string]string{"gz": "gz", "xz": "xz", "zst": "zst", "bz2": "bz2", "lzo": "zo"}[suffix]
		}
	}
	return name[strings.LastIndex(name, ".")+1:]
}

// freeName finds the first disk number that no image of the guest uses on the
// storage. Left-over volumes count too (FACTS 6).
func (c *Cluster) freeName(s *storage, node string, vmid int, format string) string {
	taken := map[string]bool{}
	for _, v := range s.volumes {
		if v.owner == vmid && (s.Shared || v.node == node) {
			last := v.name[strings.LastIndex(v.name, "/")+1:]
			if m := patterns()["image"].FindStringSubmatch(last); m != nil {
				taken[m[3]] = true
			}
		}
	}
	for i := 0; ; i++ {
		if d := "disk-" + itoa(i); !taken[d] {
			return s.imageName(vmid, "vm", d, format)
		}
	}
}

func (s *storage) imageName(vmid int, kind, what, format string) string {
	if s.files() {
		return fmt.Sprintf("%d/%s-%d-%s.%s", vmid, kind, vmid, what, format)
	}
	return fmt.Sprintf("%s-%d-%s", kind, vmid, what)
}

// allocate makes a volume for a guest. An empty name takes the next free one.
func (q *call) allocate(t *task, s *storage, vmid int, name, format string, size int64, content string) (*volume, error) {
	if name == "" {
		name = q.freeName(s, q.node, vmid, format)
	}
	path := s.path(name)
	if s.volumes[s.key(q.node, name)] != nil {
		return nil, fail("disk image '%s' already exists", path)
	}
	q.logFormat(t, path, format, size)
	if format == "qcow2" && size > 64<<50 {
		return nil, fail("unable to create image: qemu-img: %s: The image size is too large for file format 'qcow2' (try using a larger cluster size)", path)
	}
	if q.fault != nil && q.fault.Full {
		return nil, fail("unable to create image: qemu-img: %s: No space left on device", path)
	}
	if !s.files() && s.Type == "lvm" && s.usage()+size > s.Size {
		return nil, fail("lvcreate '%s' error:   Volume group \"%s\" has insufficient free space", name, s.Name)
	}
	v := &volume{storage: s.Name, name: name, owner: vmid, size: s.roundUp(size), format: format, content: content, ctime: q.now()}
	q.addVolume(q.node, v)
	return v, nil
}

// roundUp is the size that a block device really gets: whole extents of LVM,
// whole MiB of ZFS (by the sources, not recorded).
func (s *storage) roundUp(size int64) int64 {
	unit := map[string]int64{"lvm": 4 << 20, "lvmthin": 4 << 20, "zfspool": 1 << 20}[s.Type]
	if unit == 0 {
		return size
	}
	return (size + unit - 1) / unit * unit
}

func (q *call) logFormat(t *task, path, format string, size int64) {
	if t == nil || strings.HasPrefix(path, "/dev/") {
		return
	}
	switch format {
	case "qcow2":
		t.logf("Formatting '%s', fmt=qcow2 cluster_size=65536 extended_l2=off preallocation=metadata compression_type=zlib size=%d lazy_refcounts=off refcount_bits=16", path, size)
	default:
		t.logf("Formatting '%s', fmt=%s size=%d preallocation=off", path, format, size)
	}
}

// Volumes returns all volumes, by their ids.
func (c *Cluster) Volumes() []Volume {
	c.lock()
	defer c.unlock()
	var out []Volume
	for _, s := range c.storages {
		for _, v := range s.volumes {
			out = append(out, Volume{ID: v.id(), Storage: v.storage, Node: v.node, Owner: v.owner, Size: v.size, Format: v.format, Content: v.content, Used: v.usage(), Data: v.data, SHA256: v.sum})
		}
	}
	slices.SortFunc(out, func(a, b Volume) int { return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Node, b.Node)) })
	return out
}

// storageNames are all storages, sorted.
func (c *Cluster) storageNames() []string { return slices.Sorted(maps.Keys(c.storages)) }
