package seed

import (
	"cmp"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"berth/desired"
)

// script is what a seed does at boot.
func script(t *testing.T, mounts ...Mount) string {
	t.Helper()
	commands, err := bootCommands(mounts, nil)
	if err != nil || len(commands) != 1 {
		t.Fatal(commands, err)
	}
	text, ok := commands[0].(string)
	if !ok {
		t.Fatalf("%T", commands[0])
	}
	check := exec.CommandContext(t.Context(), "sh", "-n")
	check.Stdin = strings.NewReader(text)
	if out, err := check.CombinedOutput(); err != nil {
		t.Fatalf("sh -n: %v\n%s\n%s", err, out, text)
	}
	return text
}

// machine is a guest's disks and tools, as files.
type machine struct {
	t   *testing.T
	dir string
}

// blank is what a disk holds that was just allocated.
var blank = strings.Repeat("\x00", 4096)

// stubs are the guest's tools: a disk is a file that holds the name of what is on
// it, or zeros; what is done is written down. One that is called flaky can't be
// read when blkid first asks.
const stubs = `#!/bin/sh
case "${0##*/}" in
udevadm | sleep) ;;
readlink) for last; do :; done; echo "$last" ;;
mountpoint) [ -f "$DIR/mounted" ] && grep -qxF "$2" "$DIR/mounted" ;;
mount) echo "$1" >> "$DIR/mounted"; echo "mount $1" >> "$DIR/log" ;;
mkdir) echo "mkdir $2" >> "$DIR/log" ;;
blkid)
  for last; do :; done
  [ -r "$last" ] || exit 4
  fs=$(tr -d '\000' < "$last")
  [ -n "$fs" ] && [ "$fs" != unknown ] || exit 2
  case "$last" in
  *flaky) [ -f "$DIR/asked" ] || { touch "$DIR/asked"; exit 2; } ;;
  esac
  case "$*" in
  *UUID*) [ "$fs" = dos ] || echo "uuid-of-${last##*/}" ;;
  *TYPE*) [ "$fs" = dos ] || echo "$fs" ;;
  *USAGE*)
    case "$fs" in
    ext4 | xfs | btrfs) echo filesystem ;;
    LVM2_member | zfs_member) echo raid ;;
    crypto_LUKS) echo crypto ;;
    swap) echo other ;;
    esac ;;
  esac ;;
mkfs.*)
  for last; do :; done
  echo "${0##*/} $*" >> "$DIR/log"
  printf %s "${0##*mkfs.}" > "$last" ;;
esac
`

func newMachine(t *testing.T, disks map[string]string) *machine {
	t.Helper()
	m := &machine{t: t, dir: t.TempDir()}
	for _, dir := range []string{"bin", "by-id", "etc"} {
		if err := os.Mkdir(filepath.Join(m.dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, tool := range []string{"udevadm", "sleep", "readlink", "mountpoint", "mount", "mkdir", "blkid", "mkfs.ext4", "mkfs.xfs"} {
		m.write("bin/"+tool, stubs)
	}
	m.write("etc/fstab", "# made by the image\nLABEL=root / ext4 defaults 0 1\n")
	for id, holds := range disks {
		m.write("by-id/"+id, cmp.Or(holds, blank))
	}
	return m
}

func (m *machine) write(name, text string) {
	m.t.Helper()
	if err := os.WriteFile(filepath.Join(m.dir, name), []byte(text), 0o755); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) read(name string) string {
	text, err := os.ReadFile(filepath.Join(m.dir, name))
	if err != nil {
		return ""
	}
	return string(text)
}

// boot runs the script and gives what it said and whether it succeeded.
func (m *machine) boot(text string) (said string, ok bool) {
	m.t.Helper()
	_ = os.Remove(filepath.Join(m.dir, "mounted"))
	_ = os.Remove(filepath.Join(m.dir, "log"))
	text = strings.NewReplacer("/dev/disk/by-id", m.dir+"/by-id", "/etc/fstab", m.dir+"/etc/fstab", "/run/systemd/system", m.dir+"/systemd").Replace(text)
	cmd := exec.CommandContext(m.t.Context(), "sh", "-c", text)
	cmd.Env = []string{"PATH=" + m.dir + "/bin:/usr/bin:/bin", "DIR=" + m.dir}
	out, err := cmd.CombinedOutput()
	return string(out), err == nil
}

func TestDisksAreMountedAndMadeOnce(t *testing.T) {
	text := script(t,
		Mount{Slot: "scsi2", Serial: "berth-scsi2", Directory: "/srv/my data/logs", Filesystem: "xfs", Options: []string{"noatime"}},
		Mount{Slot: "scsi1", Serial: "certs", Directory: "/srv/my data", Label: "certs"},
	)
	m := newMachine(t, map[string]string{"scsi-0QEMU_QEMU_HARDDISK_drive-scsi1": "", "scsi-0QEMU_QEMU_HARDDISK_berth-scsi2": "ext4", "scsi-0QEMU_QEMU_HARDDISK_berth-scsi21": "", "other-part1": ""})
	if said, ok := m.boot(text); !ok || said != "" {
		t.Errorf("first boot: %v %s", ok, said)
	}
	one, two := m.dir+"/by-id/scsi-0QEMU_QEMU_HARDDISK_drive-scsi1", m.dir+"/by-id/scsi-0QEMU_QEMU_HARDDISK_berth-scsi2"
	want := "mkfs.ext4 -q -L certs " + one + "\nmkdir /srv/my data\nmount /srv/my data\nmkdir /srv/my data/logs\nmount /srv/my data/logs\n"
	if got := m.read("log"); got != want {
		t.Errorf("done:\n%s\nwant:\n%s", got, want)
	}
	fstab := "# made by the image\nLABEL=root / ext4 defaults 0 1\n" +
		"UUID=uuid-of-" + filepath.Base(one) + ` /srv/my\040data ext4 defaults 0 2` + "\n" +
		"UUID=uuid-of-" + filepath.Base(two) + ` /srv/my\040data/logs ext4 defaults,noatime 0 2` + "\n"
	if got := m.read("etc/fstab"); got != fstab {
		t.Errorf("fstab:\n%s\nwant:\n%s", got, fstab)
	}
	// At the next boot nothing is made and nothing is listed twice.
	if said, ok := m.boot(text); !ok || said != "" || m.read("etc/fstab") != fstab || strings.Contains(m.read("log"), "mkfs") {
		t.Errorf("second boot: %v %s\n%s\n%s", ok, said, m.read("log"), m.read("etc/fstab"))
	}
	// A filesystem that is not seen is not made again, and the others are mounted.
	m.write("by-id/"+filepath.Base(one), blank)
	said, ok := m.boot(text)
	if ok || !strings.Contains(said, "was mounted on /srv/my data before and has no filesystem now") || m.read("log") != "mkdir /srv/my data/logs\nmount /srv/my data/logs\n" {
		t.Errorf("third boot: %v %s\n%s", ok, said, m.read("log"))
	}
}

func TestNoFilesystemIsMadeOverData(t *testing.T) {
	for name, c := range map[string]struct {
		holds string
		mount Mount
		says  string
	}{
		"read-only and empty":     {"", Mount{ReadOnly: true}, "is read-only and has no filesystem"},
		"partitioned":             {"dos", Mount{}, "holds something that is no filesystem"},
		"part of a volume group":  {"LVM2_member", Mount{}, "holds something that is no filesystem"},
		"part of a pool":          {"zfs_member", Mount{}, "holds something that is no filesystem"},
		"encrypted":               {"crypto_LUKS", Mount{}, "holds something that is no filesystem"},
		"swap":                    {"swap", Mount{}, "holds something that is no filesystem"},
		"what nothing knows":      {"unknown", Mount{}, "has no filesystem and is not blank"},
		"not to be read at first": {"xfs", Mount{Slot: "virtio2", Serial: "flaky"}, "has no filesystem and is not blank"},
		"another filesystem's":    {"", Mount{Filesystem: "btrfs"}, "the image has no mkfs.btrfs"},
		"no such disk":            {"", Mount{Slot: "scsi9", Serial: "none"}, "there is no disk scsi9 (serial none)"},
		"a filesystem of its own": {"xfs", Mount{Filesystem: "ext4"}, ""},
		"read-only and formatted": {"ext4", Mount{ReadOnly: true}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			id := "virtio-" + cmp.Or(c.mount.Serial, "data")
			if c.mount.Serial == "none" {
				id = "virtio-data"
			}
			m := newMachine(t, map[string]string{id: c.holds})
			mount := c.mount
			mount.Directory = "/srv"
			if mount.Slot == "" {
				mount.Slot, mount.Serial = "virtio1", "data"
			}
			said, ok := m.boot(script(t, mount))
			if ok != (c.says == "") || !strings.Contains(said, c.says) {
				t.Errorf("%v: %s", ok, said)
			}
			if strings.Contains(m.read("log"), "mkfs") || m.read("by-id/"+id) != cmp.Or(c.holds, blank) {
				t.Errorf("it was made:\n%s", m.read("log"))
			}
			if mounted := strings.Contains(m.read("etc/fstab"), " /srv "); mounted != ok {
				t.Errorf("fstab:\n%s", m.read("etc/fstab"))
			}
		})
	}
}

func TestMountsThatAreRefused(t *testing.T) {
	for want, m := range map[string]Mount{
		"write ext4, xfs or btrfs":  {Slot: "scsi1", Serial: "a", Directory: "/srv", Filesystem: "ntfs"},
		"write the whole path":      {Slot: "scsi1", Serial: "a", Directory: "srv"},
		"which disk it is":          {Slot: "scsi1", Directory: "/srv"},
		"without quotes":            {Slot: "scsi1", Serial: "a", Directory: "/srv'; rm -rf /; '"},
		"one option each":           {Slot: "scsi1", Serial: "a", Directory: "/srv", Options: []string{"ro,noatime"}},
		"cloudInit.raw.bootcmd: it": {},
	} {
		in := Input{InstanceID: "i", Hostname: "h", Mounts: []Mount{m}}
		if m.Slot == "" {
			in = Input{InstanceID: "i", Hostname: "h", CloudInit: &desired.CloudInit{Raw: map[string]any{"bootcmd": "x"}}}
		}
		if _, err := Build(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// A serial may be the end of another disk's name, and of what the guest's own
// volumes are called.
func TestEachMountHasItsOwnDisk(t *testing.T) {
	text := script(t, Mount{Slot: "scsi1", Serial: "data", Directory: "/srv/a"}, Mount{Slot: "scsi2", Serial: "my-data", Directory: "/srv/b"})
	disks := map[string]string{
		"scsi-0QEMU_QEMU_HARDDISK_data": "ext4", "scsi-0QEMU_QEMU_HARDDISK_my-data": "", "scsi-0QEMU_QEMU_HARDDISK_my-data-part1": "",
		"dm-name-vg-data": "", "usb-Stick_data": "", "nvme-Disk_data": "",
	}
	m := newMachine(t, disks)
	if said, ok := m.boot(text); !ok || said != "" {
		t.Errorf("%v %s", ok, said)
	}
	for id, want := range map[string]string{"a": "scsi-0QEMU_QEMU_HARDDISK_data", "b": "scsi-0QEMU_QEMU_HARDDISK_my-data"} {
		if !strings.Contains(m.read("etc/fstab"), "UUID=uuid-of-"+want+" /srv/"+id+" ") {
			t.Errorf("fstab lacks %s:\n%s", want, m.read("etc/fstab"))
		}
	}
	if got := m.read("log"); strings.Count(got, "mkfs") != 1 {
		t.Errorf("done:\n%s", got)
	}
	// Where two go by one name, neither is touched.
	m = newMachine(t, map[string]string{"scsi-0QEMU_QEMU_HARDDISK_data": "", "scsi-0QEMU_QEMU_HARDDISK_drive-scsi1": ""})
	said, ok := m.boot(script(t, Mount{Slot: "scsi1", Serial: "data", Directory: "/srv/a"}))
	if ok || !strings.Contains(said, "both go by scsi1 or serial data: /srv/a is not mounted") || m.read("log") != "" {
		t.Errorf("%v %s\n%s", ok, said, m.read("log"))
	}
}

// systemd gives a guest up that lacks what /etc/fstab asks for.
func TestAGuestComesUpWithoutItsDisk(t *testing.T) {
	m := newMachine(t, map[string]string{"virtio-data": "ext4"})
	if err := os.Mkdir(filepath.Join(m.dir, "systemd"), 0o755); err != nil {
		t.Fatal(err)
	}
	said, ok := m.boot(script(t, Mount{Slot: "virtio1", Serial: "data", Directory: "/srv", ReadOnly: true}))
	if want := "UUID=uuid-of-virtio-data /srv ext4 ro,nofail,x-systemd.before=local-fs.target 0 2\n"; !ok || !strings.HasSuffix(m.read("etc/fstab"), want) {
		t.Errorf("%v %s\n%s", ok, said, m.read("etc/fstab"))
	}
}
