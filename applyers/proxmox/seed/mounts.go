package seed

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Mount is a disk that the guest mounts.
type Mount struct {
	// Slot is the drive's, "scsi1", and Serial its serial number: the disk is found
	// by either, whatever the kernel calls it.
	Slot, Serial string
	// Directory is where it is mounted.
	Directory string
	// Filesystem is made where there is none; ext4 if "". Label is its label.
	Filesystem, Label string
	// Options are those of mount, beside ro.
	Options  []string
	ReadOnly bool
}

// mountScript mounts disks, those first that others are mounted below. It runs at
// every boot and may be repeated: what is mounted or in /etc/fstab stays as it is.
// A disk is known by what QEMU calls it, whole: a serial may be the end of another
// one. A filesystem is made only on a disk that can be read and has none, and never
// again once the disk was mounted: data that can't be seen for a moment must not
// be written over. blkid says "nothing there" of a disk that it could not read, too
// (util-linux), so it is asked twice, and the disk must begin with zeros, as each
// that was just allocated does. A guest whose disk was taken from it comes up all
// the same: what systemd waits for, it need not find.
const mountScript = `(
failed=0
listed() {
  while read -r _ at _; do
    [ "$at" = "$1" ] && return 0
  done < /etc/fstab
  return 1
}
# mount_disk SLOT SERIAL DIRECTORY FSTAB-DIRECTORY FILESYSTEM LABEL OPTIONS
mount_disk() {
  dev=
  tries=30
  while [ -z "$dev" ] && [ "$tries" -gt 0 ]; do
    udevadm settle --timeout=5 2> /dev/null
    for id in /dev/disk/by-id/*; do
      case "${id##*/}" in
      scsi-*QEMU_HARDDISK_"$2" | ata-QEMU_HARDDISK_"$2" | virtio-"$2" | scsi-*QEMU_HARDDISK_drive-"$1") ;;
      *) continue ;;
      esac
      is=$(readlink -f "$id")
      if [ -n "$dev" ] && [ "$is" != "$dev" ]; then
        echo "berth: $dev and $is both go by $1 or serial $2: $3 is not mounted" >&2
        return 1
      fi
      dev=$is
    done
    tries=$((tries - 1))
    [ -n "$dev" ] || sleep 1
  done
  if [ -z "$dev" ]; then
    echo "berth: there is no disk $1 (serial $2): $3 is not mounted" >&2
    return 1
  fi
  mountpoint -q "$3" && return 0
  blkid -p "$dev" > /dev/null 2>&1
  if [ "$?" -eq 2 ]; then
    case ",$7," in
    *,ro,*)
      echo "berth: $1 is read-only and has no filesystem: $3 is not mounted" >&2
      return 1
      ;;
    esac
    if listed "$4"; then
      echo "berth: $1 was mounted on $3 before and has no filesystem now: it is left alone" >&2
      return 1
    fi
    head -c 1048576 "$dev" > /dev/null || return 1
    if [ "$(head -c 4096 "$dev" | tr -dc '\000' | wc -c)" -ne 4096 ]; then
      echo "berth: $1 has no filesystem and is not blank: $3 is not mounted; to use it anew: dd if=/dev/zero of=$dev bs=4096 count=1" >&2
      return 1
    fi
    blkid -p "$dev" > /dev/null 2>&1
    if [ "$?" -ne 2 ]; then
      echo "berth: what $1 holds can't be told: $3 is not mounted" >&2
      return 1
    fi
    if ! command -v "mkfs.$5" > /dev/null; then
      echo "berth: the image has no mkfs.$5: $3 is not mounted" >&2
      return 1
    fi
    "mkfs.$5" -q ${6:+-L "$6"} "$dev" || return 1
  fi
  uuid=$(blkid -p -s UUID -o value "$dev")
  type=$(blkid -p -s TYPE -o value "$dev")
  use=$(blkid -p -s USAGE -o value "$dev")
  if [ -z "$uuid" ] || [ "$use" != filesystem ]; then
    echo "berth: $1 holds something that is no filesystem: $3 is not mounted" >&2
    return 1
  fi
  mkdir -p "$3"
  opts=$7
  [ ! -d /run/systemd/system ] || opts=$7,nofail,x-systemd.before=local-fs.target
  listed "$4" || printf '%s\n' "UUID=$uuid $4 $type $opts 0 2" >> /etc/fstab
  mount "$3"
}
`

// bootCommands mount the disks before anything else is done at a boot, and then do
// what the manifest says itself.
func bootCommands(mounts []Mount, raw any) ([]any, error) {
	own, ok := raw.([]any)
	if raw != nil && !ok {
		return nil, fmt.Errorf("cloudInit.raw.bootcmd: it is a %T, write a list", raw)
	}
	if len(mounts) == 0 {
		return own, nil
	}
	mounts = slices.SortedFunc(slices.Values(mounts), func(a, b Mount) int { return strings.Compare(a.Directory, b.Directory) })
	var script strings.Builder
	script.WriteString(mountScript)
	for _, m := range mounts {
		if err := m.check(); err != nil {
			return nil, err
		}
		words := []string{
			m.Slot, m.Serial, m.Directory, fstabWord(m.Directory), cmp.Or(m.Filesystem, "ext4"), m.Label, m.options(),
		}
		for i := range words {
			words[i] = "'" + words[i] + "'"
		}
		fmt.Fprintf(&script, "mount_disk %s || failed=1\n", strings.Join(words, " "))
	}
	script.WriteString("exit \"$failed\"\n)\n")
	return append([]any{script.String()}, own...), nil
}

// check refuses what a shell or /etc/fstab would take for something else.
func (m Mount) check() error {
	switch m.Filesystem {
	case "", "ext4", "xfs", "btrfs":
	default:
		return fmt.Errorf("mount %s: filesystem %q: write ext4, xfs or btrfs", m.Directory, m.Filesystem)
	}
	if !strings.HasPrefix(m.Directory, "/") {
		return fmt.Errorf("mount %q: write the whole path, from /", m.Directory)
	}
	if m.Slot == "" || m.Serial == "" {
		return errors.New("mount " + m.Directory + ": nothing tells which disk it is")
	}
	for _, word := range append([]string{m.Slot, m.Serial, m.Directory, m.Label}, m.Options...) {
		if strings.ContainsAny(word, "'\n\r\t\\") {
			return fmt.Errorf("mount %s: %q: write it without quotes, backslashes and line breaks", m.Directory, word)
		}
	}
	for _, option := range m.Options {
		if strings.ContainsAny(option, " ,#") {
			return fmt.Errorf("mount %s: option %q: write one option each, without blanks", m.Directory, option)
		}
	}
	return nil
}

func (m Mount) options() string {
	first := "defaults"
	if m.ReadOnly {
		first = "ro"
	}
	return strings.Join(append([]string{first}, slices.Sorted(slices.Values(m.Options))...), ",")
}

// fstabWord is a path as /etc/fstab writes it (fstab(5)).
func fstabWord(path string) string { return strings.ReplaceAll(path, " ", `\040`) }
