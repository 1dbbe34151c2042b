//go:build linux

package deploy_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"berth/applyers/proxmox/pvesim/lxc"
	"berth/deploy/internal/standin"
)

// control is a fresh Debian with systemd, on a stand-in network: the machine on which
// somebody installs the agent. Ansible is the test machine's own.
type control struct {
	network *standin.Network
	dir     string
	pid     int // Of its first process.
}

const controlAddress = "10.77.0.9"

// controlBoot makes the machine's file system, which nobody else sees and which goes with
// it, and becomes the program that runs it.
//
//nolint:dupword // That is how mount is called.
const controlBoot = `set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$1"
mkdir -p "$1/upper/etc/ssh" "$1/work" "$1/root"
: >"$1/upper/etc/resolv.conf"
mount -t overlay overlay -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work" "$1/root"
cp /usr/bin/ansible /usr/bin/ansible-playbook /usr/bin/ansible-config "$1/root/usr/bin/"
ln -s /dev/null "$1/root/etc/systemd/system/ssh.service"
cat >"$1/to-bridge" <<X
#!/bin/sh
exec ip link set dev "\$5" master vmbr0 up
X
chmod +x "$1/to-bridge"
cat >"$1/config" <<X
lxc.include = /usr/share/lxc/config/common.conf
lxc.uts.name = control
lxc.rootfs.path = dir:$1/root
lxc.apparmor.profile = unconfined
lxc.signal.halt = SIGRTMIN+3
lxc.console.path = none
lxc.tty.max = 0
lxc.tty.dir =
lxc.net.0.type = veth
lxc.net.0.name = eth0
lxc.net.0.flags = up
lxc.net.0.ipv4.address = $3/16
lxc.net.0.script.up = $1/to-bridge
lxc.mount.entry = /usr/lib/python3/dist-packages usr/lib/python3/dist-packages none bind,ro 0 0
X
exec lxc-start -F -P "$1" -n "$4" -f "$1/config"
`

func newControl(t *testing.T, network *standin.Network) *control {
	t.Helper()
	cache, err := lxc.DefaultCache()
	if err != nil {
		t.Fatal(err)
	}
	rootfs, err := lxc.Rootfs(t.Context(), cache, "debian-12", func(line string) { t.Log(line) })
	if err != nil {
		t.Fatalf("BERTH_REAL=1 asks for real containers: %v; deploy/test installs what they need", err)
	}
	c := &control{network: network, dir: t.TempDir()}
	name := network.Namespace() + "-control"
	var said bytes.Buffer
	cmd := network.Command(context.WithoutCancel(t.Context()), "unshare", "--mount", "sh", "-c", controlBoot, "boot", c.dir, rootfs, controlAddress, name)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"}
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.SysProcAttr.Setsid = true
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }() // It ends when the machine does.
	t.Cleanup(func() {
		if c.pid != 0 {
			_ = syscall.Kill(c.pid, syscall.SIGKILL) // All that is in it goes with it.
		} else {
			_ = cmd.Process.Kill()
		}
		<-ended
	})
	eventually(t, 20*time.Second, "the machine boots", func() error {
		select {
		case <-ended:
			t.Fatalf("the machine does not start: %s", &said)
		default:
		}
		// Its first process is lxc-start's child; all names of it are in other namespaces.
		children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", cmd.Process.Pid))
		if err != nil {
			return err
		}
		for child := range strings.FieldsSeq(string(children)) {
			if program, err := os.ReadFile(filepath.Join("/proc", child, "comm")); err == nil && strings.TrimSpace(string(program)) == "systemd" {
				if c.pid, err = strconv.Atoi(child); err != nil {
					return err
				}
			}
		}
		if c.pid == 0 {
			return fmt.Errorf("no systemd among %s", children)
		}
		if out, err := c.try(t, "systemctl is-system-running"); err != nil {
			return fmt.Errorf("it is %s", out)
		}
		return nil
	})
	return c
}

// try runs a command on the machine, as its root.
func (c *control) try(t *testing.T, command string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "nsenter", "--target="+strconv.Itoa(c.pid), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd", "--", "sh", "-c", command)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "DEBIAN_FRONTEND=noninteractive"}
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (c *control) do(t *testing.T, command string) string {
	t.Helper()
	out, err := c.try(t, command)
	if err != nil {
		t.Fatalf("%s: %v: %s\n%s", command, err, out, c.journal(t))
	}
	return out
}

// journal is what the service has said.
func (c *control) journal(t *testing.T) string {
	t.Helper()
	out, err := c.try(t, "journalctl --no-pager --output=cat --unit berth.service")
	if err != nil {
		t.Logf("read the journal: %v", err)
	}
	return out
}

// path is a file of the machine as the test sees it.
func (c *control) path(file string) string {
	return filepath.Join("/proc", strconv.Itoa(c.pid), "root", file)
}

func (c *control) write(t *testing.T, file, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(c.path(file), []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}
