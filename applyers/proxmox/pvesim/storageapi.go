package pvesim

import (
	"crypto/sha1" //nolint:gosec // the server's own choice for its digests
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

func (q *call) seesStorage(name string) bool {
	return q.may("/storage/"+name, "Datastore.Audit", "Datastore.AllocateSpace")
}

func (s *storage) contentText() string { return strings.Join(s.Content, ",") }

func (q *call) storageDigest() string {
	var b strings.Builder
	for _, n := range q.storageNames() {
		s := q.storages[n]
		fmt.Fprintln(&b, n, s.Type, s.Content, s.Nodes, s.Shared, s.off, s.options)
	}
	return fmt.Sprintf("%x", sha1.Sum([]byte(b.String()))) //nolint:gosec // the server's own choice
}

func (q *call) storageConfig(s *storage) map[string]any {
	row := map[string]any{"storage": s.Name, "type": s.Type, "content": s.contentText(), "digest": q.storageDigest()}
	if s.files() {
		row["path"] = s.Path
	}
	if s.Shared {
		row["shared"] = 1
	}
	if len(s.Nodes) > 0 {
		row["nodes"] = strings.Join(s.Nodes, ",")
	}
	if s.off {
		row["disable"] = 1
	}
	for k, v := range s.options {
		row[k] = v
	}
	return row
}

func (q *call) storageIndex() (any, error) {
	rows := []any{}
	for _, n := range q.storageNames() {
		if q.seesStorage(n) {
			rows = append(rows, q.storageConfig(q.storages[n]))
		}
	}
	return rows, nil
}

func (q *call) storageGet() (any, error) {
	s := q.storages[q.args["storage"]]
	if s == nil {
		return nil, fail("storage '%s' does not exist", q.args["storage"])
	}
	return q.storageConfig(s), nil
}

func (q *call) storageCreate() (any, error) {
	name := q.args["storage"]
	if q.storages[name] != nil {
		return nil, fail("create storage failed: storage ID '%s' already defined", name)
	}
	s := q.addStorage(Storage{Name: name, Type: q.args["type"], Path: q.args["path"]})
	q.storageSet(s)
	return map[string]any{"storage": name, "type": s.Type}, nil
}

func (q *call) storageSet(s *storage) {
	if c, ok := q.args["content"]; ok {
		s.Content = splitList(c)
	}
	if n, ok := q.args["nodes"]; ok {
		s.Nodes = splitList(n)
	}
	if v, ok := q.args["shared"]; ok {
		s.Shared = v == "1"
	}
	if v, ok := q.args["disable"]; ok {
		s.off = v == "1"
	}
}

func (q *call) storageUpdate() (any, error) {
	name := q.args["storage"]
	s := q.storages[name]
	if s == nil {
		return nil, fail("update storage failed: storage '%s' does not exist", name)
	}
	if d := q.args["digest"]; d != "" && d != q.storageDigest() {
		return nil, fail("update storage failed: detected modified configuration - file changed by other user? Try again.")
	}
	q.storageSet(s)
	return map[string]any{"storage": name, "type": s.Type}, nil
}

func (q *call) storageDelete() (any, error) {
	name := q.args["storage"]
	if q.storages[name] == nil {
		return nil, fail("delete storage failed: storage '%s' does not exist", name)
	}
	delete(q.storages, name)
	return null{}, nil
}

func (q *call) storageStatusRow(s *storage) map[string]any {
	active, enabled, shared := 1, 1, 0
	if s.off {
		active, enabled = 0, 0
	}
	if s.Shared {
		shared = 1
	}
	used := s.usage()
	return map[string]any{
		"type": s.Type, "content": s.contentText(), "active": active, "enabled": enabled, "shared": shared,
		"total": s.Size, "used": used, "avail": max(s.Size-used-s.Reserved, 0),
	}
}

func (q *call) nodeStorages() (any, error) {
	rows := []any{}
	for _, n := range q.storageNames() {
		s := q.storages[n]
		if !s.on(q.node) || !q.seesStorage(n) {
			continue
		}
		if want := q.args["storage"]; want != "" && want != n {
			continue
		}
		if !slices.ContainsFunc(splitList(q.args["content"]), s.holds) && q.args["content"] != "" {
			continue
		}
		if q.args["enabled"] == "1" && s.off {
			continue
		}
		row := q.storageStatusRow(s)
		row["storage"] = n
		row["used_fraction"] = perlFloat(float64(s.usage()) / float64(max(s.Size, 1)))
		rows = append(rows, row)
	}
	return rows, nil
}

// perlFloat cuts a number to the digits that Perl writes.
func perlFloat(f float64) float64 {
	out, err := strconv.ParseFloat(strconv.FormatFloat(f, 'g', 15, 64), 64)
	if err != nil {
		return f
	}
	return out
}

func (q *call) storageStatus() (any, error) {
	s, err := q.storageOn(q.node, q.args["storage"])
	if err != nil {
		return nil, err
	}
	return q.storageStatusRow(s), nil
}

func (q *call) contentList() (any, error) {
	s, err := q.storageOn(q.node, q.args["storage"])
	if err != nil {
		return nil, err
	}
	rows := []any{}
	for _, k := range slices.Sorted(maps.Keys(s.volumes)) {
		v := s.volumes[k]
		if !s.Shared && v.node != q.node {
			continue
		}
		if c := q.args["content"]; c != "" && c != v.content {
			continue
		}
		// Asked for a guest's volumes, images to import are listed all the same.
		if id := q.args["vmid"]; id != "" && v.owner != atoi(id) && v.content != "import" && v.content != "snippets" {
			continue
		}
		row := map[string]any{"volid": v.id(), "content": v.content, "format": v.format, "size": v.length(), "ctime": v.ctime.Unix()}
		if v.owner != 0 {
			row["vmid"], row["size"] = v.owner, v.size
			if s.files() {
				row["used"] = v.usage()
				row["parent"] = nil
				if v.base != "" {
					row["parent"] = "../" + v.base
				}
			} else if v.base != "" {
				row["parent"] = v.base
			}
		}
		if v.content == "iso" {
			row["format"] = "iso"
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// length is the length of a file; an image kept in it may be larger.
func (v *volume) length() int64 {
	if v.data != nil {
		return int64(len(v.data))
	}
	if v.file > 0 {
		return v.file
	}
	return v.size
}

func (q *call) contentAlloc() (any, error) {
	s, err := q.storageOn(q.node, q.args["storage"])
	if err != nil {
		return nil, err
	}
	vmid, name, format := atoi(q.args["vmid"]), q.args["filename"], q.args["format"]
	if format == "" {
		format = "raw"
		if i := strings.LastIndex(name, "."); i > 0 {
			format = name[i+1:]
		}
	}
	size, ok := parseSize(q.args["size"])
	if !ok {
		return nil, badParam("size", "value does not match the regex pattern")
	}
	if isInteger(q.args["size"]) {
		size <<= 10 // a bare number is KiB
	}
	if s.files() {
		name = itoa(vmid) + "/" + name
	}
	if _, owner, _, err := s.parseName(name); err != nil || owner != vmid {
		return nil, fail("illegal name '%s' - should be 'vm-%d-*'", q.args["filename"], vmid)
	}
	v, err := q.allocate(nil, s, vmid, name, format, size, "images")
	if err != nil {
		return nil, err
	}
	return v.id(), nil
}

// volumeArg reads the volume of the path, with or without its storage.
func (q *call) volumeArg() (*storage, string, error) {
	name, rest, ok := strings.Cut(q.args["volume"], ":")
	if !ok {
		name, rest = q.args["storage"], q.args["volume"]
	}
	s, err := q.storageOn(q.node, name)
	if err != nil {
		return nil, "", err
	}
	if _, _, _, err := s.parseName(rest); err != nil {
		return nil, "", err
	}
	return s, rest, nil
}

func (q *call) contentGet() (any, error) {
	s, name, err := q.volumeArg()
	if err != nil {
		return nil, err
	}
	if err := q.checkVolume(0, s.Name+":"+name); err != nil {
		return nil, err
	}
	v := s.volumes[s.key(q.node, name)]
	if v == nil {
		return nil, fail("volume_size_info on '%s:%s' failed - no such volume", s.Name, name)
	}
	size := v.size
	if v.owner == 0 && v.format == "raw" {
		size = (size + 511) / 512 * 512
	}
	return map[string]any{"path": s.path(name), "size": size, "used": v.usage(), "format": v.format}, nil
}

func (q *call) contentDelete() (any, error) {
	s, name, err := q.volumeArg()
	if err != nil {
		return nil, err
	}
	_, owner, _, err := s.parseName(name)
	if err != nil {
		return nil, err
	}
	// Whatever the volume is: to be allowed to allocate is not enough.
	if err := q.check("/storage/"+s.Name, "Datastore.Allocate"); err != nil {
		return nil, err
	}
	id := s.Name
	if owner != 0 {
		id = itoa(owner) + "@" + s.Name
	}
	upid := q.spawn(job{kind: "imgdel", id: id, run: func(t *task) error {
		v := s.volumes[s.key(q.node, name)]
		if v == nil {
			// That it is not there is not an error (FACTS 7).
			t.logf("disk image '%s' does not exist", s.path(name))
		} else if err := q.freeVolume(v); err != nil {
			return err
		}
		t.logf("Removed volume '%s:%s'", s.Name, name)
		return nil
	}})
	// Like the background_delay of a configuration's POST (by the sources).
	return q.within(upid, q.args["delay"], "")
}
