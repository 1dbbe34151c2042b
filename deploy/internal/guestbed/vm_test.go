//go:build linux

package guestbed_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/deploy/internal/guestbed"
)

// bootTime bounds a boot of an emulated machine, which a quiet one makes in 40 s.
const bootTime = 8 * time.Minute

// TestASeedOnARealMachine lets a whole turn of the agent make a virtual machine, boots
// what Proxmox was given, and holds the machine to its manifest: after its first boot,
// and after a second one from a seed that says something else.
func TestASeedOnARealMachine(t *testing.T) {
	require(t)
	g := newGarden(t)
	began := time.Now()
	g.sync(t)
	t.Logf("made and ready after %s", time.Since(began).Round(time.Second))
	g.reachedBySSH(t)
	vm := g.vm.Load()
	asTheManifestSays(t, vm)

	vm.Run(t, "/bin/sh", "-c", "echo kept > /srv/data/kept && sync")
	before := state(t, vm)
	vm.Off(t, bootTime)
	g.reseed(t)
	began = time.Now()
	again := guestbed.StartVM(t, g.dir, g.machine(t, seedling))
	g.vm.Store(again)
	again.Await(t, bootTime, "/run/cloud-init/result.json")
	t.Logf("booted again after %s", time.Since(began).Round(time.Second))
	if diff := cmp.Diff(before, state(t, again)); diff != "" {
		t.Errorf("a second boot has changed the machine (-first +second):\n%s", diff)
	}
	mounted(t, again)
	if got := again.Run(t, "cat", "/srv/data/kept", "/var/log/boots"); got != "kept\n"+strings.Repeat("boot\n", 2) {
		t.Errorf("the data disk and the list of boots hold %q", got)
	}
	if out := g.sync(t); !strings.Contains(out, "no differences") {
		t.Errorf("a second turn is not empty:\n%s", out)
	}
}

// seedling is the machine's VMID.
const seedling = 4001

// reachedBySSH holds that the key which the agent has learnt by way of Proxmox is the
// machine's, and that its users are let in with their rights.
func (g *garden) reachedBySSH(t *testing.T) {
	t.Helper()
	guest, _ := g.sim.Guest(seedling)
	learnt := regexp.MustCompile(`hostkey=(ssh-ed25519):(\S+)`).FindStringSubmatch(guest.Config["description"])
	if learnt == nil {
		t.Fatalf("the agent has learnt no host key: %q", guest.Config["description"])
	}
	known := t.TempDir()
	write(t, known, "known_hosts", "seedling "+learnt[1]+" "+learnt[2]+"\n")
	host, port, _ := strings.Cut(g.vm.Load().SSH, ":")
	for _, c := range []struct {
		user, command, want string
	}{
		{"ops", "id -un; sudo -n id -u", "ops\n0\n"},
		{"limited", "sudo -n /usr/bin/id -u; sudo -n /bin/true || echo refused", "0\nrefused\n"},
		{"debian", "id -un; sudo -n id -u", "debian\n0\n"},
	} {
		cmd := exec.CommandContext(t.Context(), "ssh", "-F", "none", "-i", g.key, "-p", port, "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes",
			"-o", "ConnectTimeout=60", "-o", "HostKeyAlias=seedling", "-o", "StrictHostKeyChecking=yes", "-o", "UserKnownHostsFile="+filepath.Join(known, "known_hosts"),
			c.user+"@"+host, c.command)
		var said bytes.Buffer
		cmd.Stderr = &said
		if out, err := cmd.Output(); err != nil || string(out) != c.want {
			t.Errorf("ssh %s@seedling %s: %v\n%s%s", c.user, c.command, err, out, &said)
		}
	}
}

// asTheManifestSays compares what stands in the machine with testdata/seedling.
func asTheManifestSays(t *testing.T, vm *guestbed.VM) {
	t.Helper()
	for name, c := range map[string]struct {
		script string
		want   string
	}{
		"the image's cloud-init finds no fault": {
			`cloud-init schema --system; python3 -c 'import json; s = json.load(open("/run/cloud-init/status.json"))["v1"]; print(s["datasource"].split()[0], [e for k in s if isinstance(s[k], dict) for e in s[k]["errors"]])'`,
			"Valid cloud-config: system userdata\nDataSourceNoCloud []\n",
		},
		"users": {
			"getent passwd ops limited | cut -d: -f1,6,7; id -nG ops; id -nG debian; getent shadow ops limited debian | cut -d: -f1,2; cat /home/ops/.ssh/authorized_keys | cut -d' ' -f1,3",
			"ops:/home/ops:/bin/sh\nlimited:/home/limited:/bin/bash\nops adm gardeners\ndebian adm dialout cdrom floppy sudo audio dip video plugdev netdev\nops:!\nlimited:!\ndebian:!\nssh-ed25519 ops@example.test\n",
		},
		"files": {
			`stat -c '%a %U:%G %n' /usr/local/bin/greet /home/ops/notes/first /etc/umlaut; greet you; cat /home/ops/notes/first /etc/umlaut "/srv/data/seeded"; od -An -c /etc/bytes; head -n 1 /etc/issue | cut -c-6; tail -n 1 /etc/issue`,
			"755 root:root /usr/local/bin/greet\n640 ops:gardeners /home/ops/notes/first\n644 root:root /etc/umlaut\nhello: you\n begins blank\n\nends blank \ngrößer — ☃\non the data disk\n   a  \\0   b  \\r  \\n   c\nDebian\nappended\n",
		},
		"commands, in order": {"cat /var/log/garden", "one\ntwo: a  b\nhello: three\nroot\n4: no\n"},
		"boot commands and the rest": {
			"cat /var/log/boots; date +%Z; ls /etc/ssh/ssh_host_*.pub; hostname; hostname --fqdn",
			"boot\nCET\n/etc/ssh/ssh_host_ecdsa_key.pub\n/etc/ssh/ssh_host_ed25519_key.pub\nseedling\nseedling.lab.example.net\n",
		},
		"authorities":        {"openssl x509 -in /etc/ssl/certs/ca-certificates.crt -noout -subject", "subject=CN = Garden CA\n"},
		"addresses":          {"ip -br -4 addr show scope global | tr -s ' '; ip -6 addr show dev lan0 | grep -c 'inet6 fd00:91:1::4/64 scope global'", "lan0 UP 10.91.1.4/24 \nenp0s5 UP 10.92.1.4/24 \n1\n"},
		"routes":             {"ip -4 route show default", "default via 10.91.1.1 dev lan0 proto static \n"},
		"name servers":       {"grep -h -e ^DNS= -e ^Domains= /run/systemd/network/*.network", "DNS=10.91.1.3\nDNS=fd00:91:1::3\nDomains=lab.example.net example.net\n"},
		"the root has grown": {"test $(df --output=size -B1M / | tail -n 1) -gt 2800 && echo yes", "yes\n"},
	} {
		if got := vm.Run(t, "/bin/sh", "-c", c.script); got != c.want {
			t.Errorf("%s: %s\n got %q\nwant %q", name, c.script, got, c.want)
		}
	}
	mounted(t, vm)
}

// mounted holds the data disks to the manifest: each its own, by its UUID.
func mounted(t *testing.T, vm *guestbed.VM) {
	t.Helper()
	const script = `for directory in /srv/data /srv/data/logs; do
findmnt -no FSTYPE,OPTIONS,LABEL $directory | tr -s ' '
grep -c "^UUID=$(findmnt -no UUID $directory) $directory ext4 " /etc/fstab
readlink /dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_* | grep -c "$(basename $(findmnt -no SOURCE $directory))$"
done
grep -c . /etc/fstab`
	const want = "ext4 rw,noatime data\n1\n1\next4 rw,nodev,noexec,relatime \n1\n1\n3\n"
	if got := vm.Run(t, "/bin/sh", "-c", script); got != want {
		t.Errorf("mounts: %q, want %q", got, want)
	}
}

// state is all that a boot might change.
func state(t *testing.T, vm *guestbed.VM) map[string]string {
	t.Helper()
	sums := vm.Sums(t, "/etc", "/home", "/root", "/srv", "/usr/local", "/var/log/garden", "/srv/data", "/srv/data/logs")
	if len(sums) < 100 || sums["/srv/data/seeded"] == "" {
		t.Fatalf("only %d files of the machine were seen", len(sums))
	}
	sums["filesystems"] = vm.Run(t, "/bin/sh", "-c", "lsblk -rno FSTYPE,UUID,LABEL,MOUNTPOINT | sort; getent passwd; getent group; ip -br -4 addr")
	return sums
}

// reseed replaces the seed by another one of the same instance, as long as it.
func (g *garden) reseed(t *testing.T) {
	t.Helper()
	file := filepath.Join(g.dir, "scsi30.raw")
	image, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{
		{"echo one", "echo ONE"},
		{"name: limited", "name: another"},
		{"hello: ", "hallo: "},
		{"10.92.1.4", "10.92.1.7"},
		{"Berlin", "London"},
		{"BEGIN CERTIFICATE-----\n      MII", "BEGIN CERTIFICATE-----\n      NII"},
	} {
		if !bytes.Contains(image, []byte(change[0])) || len(change[0]) != len(change[1]) {
			t.Fatalf("the seed has no %q that could be %q", change[0], change[1])
		}
		image = bytes.ReplaceAll(image, []byte(change[0]), []byte(change[1]))
	}
	if err := os.WriteFile(file, image, 0o600); err != nil {
		t.Fatal(err)
	}
}
