package pvesim

import (
	"strings"
)

// target is the size that a resize asks for.
func target(size string, now int64) (int64, bool) {
	rest, relative := strings.CutPrefix(size, "+")
	n, ok := parseSize(rest)
	if relative {
		n += now
	}
	return n, ok
}

func (q *call) resizeVM() (any, error) {
	if err := q.rootOnlySkiplock(); err != nil {
		return nil, err
	}
	g, err := q.find(KindVM)
	if err != nil {
		return nil, err
	}
	key, size, digest := q.args["disk"], q.args["size"], q.args["digest"]
	return q.spawn(job{kind: "resize", id: itoa(g.vmid), holds: []*guest{g}, run: func(t *task) error {
		if err := q.alive(g); err != nil {
			return err
		}
		if err := g.checkDigest(digest); err != nil {
			return err
		}
		if err := g.checkLock(); err != nil {
			return err
		}
		value, ok := g.conf[key]
		if !ok {
			return fail("disk '%s' does not exist", key)
		}
		d := parseDrive(key, value)
		if d.empty() {
			return fail("unable to parse volume ID '%s'", d["file"])
		}
		if d.cdrom() {
			return fail("you can't resize a cdrom")
		}
		if key == "efidisk0" || key == "tpmstate0" {
			// In our own words: their size is that of the firmware's variables.
			return fail("the size of %s is fixed", key)
		}
		st, _, _ := strings.Cut(d["file"], ":")
		if err := q.check("/storage/"+st, "Datastore.AllocateSpace"); err != nil {
			return err
		}
		v := q.volume(g.node, d["file"])
		if v == nil {
			return fail("volume '%s' does not exist", d["file"])
		}
		if err := q.busy(t, g, v); err != nil {
			return err
		}
		want, ok := target(size, v.size)
		switch {
		case !ok:
			return fail("unable to parse size '%s'", size)
		case want < v.size:
			return fail("shrinking disks is not supported")
		case want == v.size:
			return nil
		case v.frozen:
			path := q.storages[v.storage].path(v.name)
			t.logf("qemu-img: Could not open '%s': Could not open '%s': Operation not permitted", path, path)
			return fail("command '/usr/bin/qemu-img resize -f %s %s %d' failed: exit code 1", v.format, path, want)
		case q.fault != nil && q.fault.Full:
			return fail("qemu-img: Failed to grow the image: No space left on device")
		}
		if v.format == "qcow2" && v.base == "" {
			v.used = v.usage() + 4096 // growing makes no tables ahead of need
		}
		v.size = want
		t.logf("Image resized.")
		d["size"] = formatSize(want)
		g.conf[key] = printDrive(key, d)
		return nil
	}}), nil
}

func (q *call) resizeCT() (any, error) {
	g, err := q.find(KindCT)
	if err != nil {
		return nil, err
	}
	key, size := q.args["disk"], q.args["size"]
	if err := g.checkDigest(q.args["digest"]); err != nil {
		return nil, err
	}
	if err := g.checkLock(); err != nil {
		return nil, err
	}
	if g.conf[key] == "" {
		return nil, &apiError{status: 500, message: "format error\n", errors: map[string]string{
			"volume": "property is missing and it is not optional", "mp": "property is missing and it is not optional",
		}}
	}
	p := parseMount(key, g.conf[key])
	v, err := q.mountVolume(g, p)
	if err != nil {
		return nil, err
	}
	if v.owner != g.vmid {
		return nil, fail("can't resize mount point owned by another container (%d)", v.owner)
	}
	if err := q.check("/storage/"+v.storage, "Datastore.AllocateSpace"); err != nil {
		return nil, err
	}
	want, ok := target(size, v.size)
	if !ok || want < v.size {
		return nil, fail("unable to shrink disk size")
	}
	return q.spawn(job{kind: "resize", id: itoa(g.vmid), holds: []*guest{g}, run: func(t *task) error {
		if err := q.alive(g); err != nil {
			return err
		}
		if want == v.size {
			return nil
		}
		q.logResizeCT(t, v, want)
		v.size = want
		p["size"] = formatSize(want)
		g.conf[key] = printMount(key, p)
		return nil
	}}), nil
}

// logResizeCT tells what the file system tools say, without their numbers of files.
func (q *call) logResizeCT(t *task, v *volume, want int64) {
	path := q.storages[v.storage].path(v.name)
	t.logf("Image resized.")
	t.logf("e2fsck 1.47.0 (5-Feb-2023)")
	t.logf("resize2fs 1.47.0 (5-Feb-2023)")
	t.logf("Resizing the filesystem on %s to %d (4k) blocks.", path, want/4096)
	t.logf("The filesystem on %s is now %d (4k) blocks long.", path, want/4096)
	t.logf("")
}
