//go:build linux

package lxc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"berth/applyers/proxmox/pvesim"
)

// begin makes a runtime, or skips the test where nobody asked for the real one.
func begin(t *testing.T) *Runtime {
	t.Helper()
	if os.Getenv("BERTH_REAL") != "1" {
		t.Skip("needs real LXC: set BERTH_REAL=1, or run deploy/test")
	}
	r, err := New(t.Context(), Options{Address: netip.MustParsePrefix("10.77.9.1/24"), Bridges: []string{"vmbr0", "vmbr1"}, Say: func(line string) { t.Log(line) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if left, _ := filepath.Glob(mountedGroups + "/*/*" + filepath.Base(r.run) + "*"); len(left) > 0 {
			t.Errorf("cgroups are left: %s", left)
		}
		for _, path := range []string{r.run, "/run/netns/" + r.namespace} {
			if _, err := os.Stat(path); err == nil && strings.HasPrefix(r.namespace, label) {
				t.Errorf("%s is left", path)
			}
		}
	})
	return r
}

// inCT runs a command in a container.
func (r *Runtime) inCT(t *testing.T, vmid int, command string) string {
	t.Helper()
	out, err := r.tryCT(t.Context(), vmid, command)
	if err != nil {
		t.Fatalf("in container %d: %s: %v: %s", vmid, command, err, out)
	}
	return out
}

func (r *Runtime) tryCT(ctx context.Context, vmid int, command string) (string, error) {
	ct, err := r.find(vmid)
	if err != nil {
		return "", err
	}
	pid, err := r.first(ctx, ct)
	if err != nil {
		return "", err
	}
	out, err := exec.CommandContext(ctx, "nsenter", fmt.Sprint("--target=", pid), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd", "--", "sh", "-c", command).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// until waits until look finds nothing wrong.
func until(t *testing.T, what string, look func() error) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		err := look()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// answers waits for a container's sshd.
func (r *Runtime) answers(t *testing.T, address string) {
	t.Helper()
	until(t, address+" answers SSH", func() error {
		return inNetwork(r.namespaceFile(), func() error {
			conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(t.Context(), "tcp", address+":22")
			if err != nil {
				return err
			}
			defer conn.Close()
			greeting := make([]byte, 4)
			if _, err := conn.Read(greeting); err != nil || string(greeting) != "SSH-" {
				return fmt.Errorf("it says %q: %w", greeting, err)
			}
			return nil
		})
	})
}

func (r *Runtime) start(t *testing.T, c pvesim.Container) <-chan struct{} {
	t.Helper()
	ended := make(chan struct{})
	if err := r.Start(t.Context(), c, func() { close(ended) }); err != nil {
		t.Fatal(err)
	}
	return ended
}

// A container lives through all that can be asked for.
func TestContainer(t *testing.T) {
	r := begin(t)
	ctx := t.Context()
	c := pvesim.Container{
		VMID: 300, Hostname: "web.example.test", Memory: 256 << 20, Swap: 64 << 20, Cores: 1, Features: []string{"nesting"},
		Nameservers: []string{"10.77.9.1"}, SearchDomains: []string{"example.test"},
		Networks: []pvesim.Network{{Name: "eth0", MAC: "BC:24:11:00:00:01", Bridge: "vmbr0", Address: "10.77.9.11/24", Gateway: netip.MustParseAddr("10.77.9.1"), Address6: "fd77::11/64"}},
		Mounts:   []pvesim.Mount{{Path: "/srv/data here", Volume: "local:300/vm-300-disk-1.raw", Owner: 300}},
		Volumes:  []string{"local:300/vm-300-disk-0.raw", "local:300/vm-300-disk-1.raw"},
	}
	if err := r.Create(ctx, c, pvesim.Origin{Template: "debian-12-standard_12.7-1_amd64.tar.zst", Keys: "ssh-ed25519 AAAA ann", Password: "correct horse"}); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	ended := r.start(t, c)
	t.Logf("started after %s", time.Since(began))
	r.answers(t, "10.77.9.11")
	t.Logf("answers SSH after %s", time.Since(began))
	r.inCT(t, 300, "echo kept >'/srv/data here/file'; echo root >/root/file")
	for command, want := range map[string]string{
		"hostname | cmp - /etc/hostname; hostname":        "web",
		"cat /etc/resolv.conf":                            "search example.test\nnameserver 10.77.9.1",
		"cat /root/.ssh/authorized_keys":                  "ssh-ed25519 AAAA ann",
		"stat -c %a /root /root/.ssh /etc /etc/shadow":    "700\n700\n755\n640",
		"ip -4 -br addr show dev eth0 | awk '{print $3}'": "10.77.9.11/24",
		"ip route show default":                           "default via 10.77.9.1 dev eth0",
		"systemctl is-system-running --wait":              "running",
		"grep -c '^root:\\$6\\$' /etc/shadow":             "1",
	} {
		if got := r.inCT(t, 300, command); got != want {
			t.Errorf("%s: %q, not %q", command, got, want)
		}
	}
	s := r.State(300)
	if s.PID == 0 || s.Memory < 1<<20 || time.Since(s.Since) > time.Minute {
		t.Errorf("state: %+v", s)
	}
	if text := fmt.Sprint(s.Interfaces); !strings.Contains(text, "bc:24:11:00:00:01") || !strings.Contains(text, "10.77.9.11/24") || !strings.Contains(text, "fd77::11/64") {
		t.Errorf("interfaces: %s", text)
	}

	// What changes while it runs.
	limit := func(want string) {
		t.Helper()
		l := r.groups.limits(c)[0]
		if got, err := r.groups.read(r.State(300).PID, r.cts[300].name, l); err != nil || got != want {
			t.Errorf("%s is %s, not %s: %v", l.file, got, want, err)
		}
	}
	limit("268435456")
	for _, memory := range []int64{512 << 20, 128 << 20} {
		c.Memory = memory
		if err := r.Change(ctx, c); err != nil {
			t.Error(err)
		}
		limit(strconv.FormatInt(memory, 10))
	}
	allowed := func(cores int) {
		t.Helper()
		var set unix.CPUSet
		if err := unix.SchedGetaffinity(r.State(300).PID, &set); err != nil || set.Count() != min(cores, len(r.groups.cpus)) {
			t.Errorf("it may use %d processors, not %d: %v", set.Count(), cores, err)
		}
	}
	allowed(1)
	c.Cores, c.Hostname = 2, "shop"
	c.Networks = append([]pvesim.Network{}, c.Networks...)
	c.Networks[0].Address = "10.77.9.12/24"
	c.Networks = append(c.Networks, pvesim.Network{Name: "eth1", MAC: "BC:24:11:00:00:02", Bridge: "vmbr1", Address: "10.78.0.2/24"})
	c.Mounts = append(append([]pvesim.Mount{}, c.Mounts...), pvesim.Mount{Path: "/srv/more", Volume: "local:300/vm-300-disk-2.raw", Owner: 300, ReadOnly: true})
	c.Volumes = append(c.Volumes, "local:300/vm-300-disk-2.raw")
	if err := r.Change(ctx, c); err != nil {
		t.Fatal(err)
	}
	r.answers(t, "10.77.9.12")
	allowed(2)
	for command, want := range map[string]string{
		"hostname": "shop",
		"ip -4 -br addr show dev eth1 | awk '{print $3}'": "10.78.0.2/24",
		"ip route show default":                           "default via 10.77.9.1 dev eth0",
		"findmnt -no OPTIONS /srv/more | cut -d, -f1":     "ro",
	} {
		if got := r.inCT(t, 300, command); got != want {
			t.Errorf("%s: %q, not %q", command, got, want)
		}
	}
	if _, err := os.Stat("lxc_test.go"); err != nil {
		t.Errorf("a thread has lost its directory: %v", err)
	}
	c.Networks = c.Networks[:1]
	if err := r.Change(ctx, c); err != nil {
		t.Fatal(err)
	}
	if out, err := r.tryCT(ctx, 300, "ip link show eth1"); err == nil {
		t.Errorf("eth1 is there still: %s", out)
	}

	// Rebooted from within, it is another process and the same container.
	was := r.State(300).PID
	r.inCT(t, 300, "systemctl reboot")
	until(t, "it has rebooted", func() error {
		ct, _ := r.find(300)
		if pid, err := r.first(ctx, ct); err != nil || pid == was {
			return fmt.Errorf("process %d, %w", pid, err)
		}
		return nil
	})
	r.answers(t, "10.77.9.12")
	if err := r.Stop(ctx, 300, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	default:
		t.Error("Stop returns before it is told that the container has ended")
	}
	if s := r.State(300); s.PID != 0 {
		t.Errorf("it is off, and yet %+v", s)
	}

	// Started again, it has what was written into it; shut down from within, we are told.
	ended = r.start(t, c)
	if got := r.inCT(t, 300, "cat /root/file '/srv/data here/file'"); got != "root\nkept" {
		t.Errorf("what was written is %q", got)
	}
	r.answers(t, "10.77.9.12")
	r.inCT(t, 300, "systemctl poweroff")
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Error("nobody tells that it was shut down from within")
	}
	if err := r.Destroy(ctx, 300); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(r.run + "/*/*300*"); len(left) > 0 {
		t.Errorf("left of it is %s", left)
	}
}

// Two at once, one of which asks for its address; and a copy of one.
func TestSeveral(t *testing.T) {
	r := begin(t)
	ctx := t.Context()
	a := pvesim.Container{VMID: 301, Hostname: "a", Memory: 128 << 20, Networks: []pvesim.Network{{Name: "eth0", MAC: "BC:24:11:00:00:03", Bridge: "vmbr0", Address: "10.77.9.21/24"}}}
	b := pvesim.Container{VMID: 302, Hostname: "b", Memory: 128 << 20, Networks: []pvesim.Network{{Name: "eth0", MAC: "BC:24:11:00:00:04", Bridge: "vmbr0", Address: "dhcp"}}}
	done := make(chan error)
	for _, c := range []pvesim.Container{a, b} {
		go func() {
			err := r.Create(ctx, c, pvesim.Origin{Template: "debian-12.tar.zst"})
			if err == nil {
				err = r.Start(ctx, c, func() {})
			}
			done <- err
		}()
	}
	if err := errors.Join(<-done, <-done); err != nil {
		t.Fatal(err)
	}
	r.answers(t, "10.77.9.21")
	address := ""
	until(t, "it has an address", func() error {
		for _, i := range r.State(302).Interfaces {
			for _, p := range i.Addresses {
				if prefix, err := netip.ParsePrefix(p); err == nil && prefix.Addr().Is4() {
					address = prefix.Addr().String()
					return nil
				}
			}
		}
		return fmt.Errorf("%v", r.State(302).Interfaces)
	})
	if last := netip.MustParseAddr(address).As4()[3]; last < 191 {
		t.Errorf("%s is not from the upper end", address)
	}
	r.answers(t, address)
	r.inCT(t, 301, "touch /root/mine")
	if err := r.Stop(ctx, 301, 0); err != nil {
		t.Fatal(err)
	}
	a.VMID, a.Hostname = 303, "copy"
	if err := r.Create(ctx, a, pvesim.Origin{Clone: 301}); err != nil {
		t.Fatal(err)
	}
	r.start(t, a)
	r.answers(t, "10.77.9.21")
	if got := r.inCT(t, 303, "ls /root; hostname"); got != "mine\ncopy" {
		t.Errorf("the copy has %q", got)
	}
}

// What a killed run has left is removed by the next, and nothing else.
func TestLeftovers(t *testing.T) {
	r := begin(t)
	c := pvesim.Container{VMID: 304, Hostname: "orphan", Memory: 128 << 20, Networks: []pvesim.Network{{Name: "eth0", MAC: "BC:24:11:00:00:05", Bridge: "vmbr0", Address: "10.77.9.31/24"}}}
	if err := r.Create(t.Context(), c, pvesim.Origin{Template: "debian-12.tar.zst"}); err != nil {
		t.Fatal(err)
	}
	r.start(t, c)
	pid := r.State(304).PID
	// As after a kill: nobody has the lock, and nobody waits for the container.
	if err := r.lock.Close(); err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(filepath.Dir(r.run), label+"foreign")
	if err := os.MkdirAll(filepath.Join(foreign, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(foreign)
	if err := sweep(t.Context(), filepath.Dir(r.run)); err != nil {
		t.Fatal(err)
	}
	until(t, "the container ends", func() error {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err == nil && !strings.Contains(string(text), ") Z") {
			return errors.New("it runs")
		}
		return nil
	})
	if _, err := os.Stat(r.run); err == nil {
		t.Errorf("%s is left", r.run)
	}
	if _, err := os.Stat(filepath.Join(foreign, "data")); err != nil {
		t.Errorf("a directory without our mark was removed: %v", err)
	}
	r.lock, _ = os.Open("/")
}

// What cannot be had is refused, by its name.
func TestRefusals(t *testing.T) {
	for want, c := range map[string]pvesim.Container{
		"net0: real containers have no VLANs: take tag and trunks out":                                {Networks: []pvesim.Network{{Name: "eth0", Tag: 30}}},
		"mount point /media: real containers do not get directories of the host, such as /tank/media": {Mounts: []pvesim.Mount{{Path: "/media", Host: "/tank/media"}}},
		"device /dev/kvm: real containers do not get devices of the host":                             {Devices: []string{"/dev/kvm"}},
		`mount point "/srv/../../etc" leads out of the container`:                                     {Mounts: []pvesim.Mount{{Path: "/srv/../../etc", Volume: "local:a"}}},
	} {
		if err := refuse(c); err == nil || err.Error() != want {
			t.Errorf("%v, not %s", err, want)
		}
	}
	if _, err := suite("ubuntu-24.04-standard.tar.zst"); err == nil || !strings.Contains(err.Error(), "Debian 12 and 13 alone") {
		t.Error(err)
	}
}

func TestMirror(t *testing.T) {
	const targets = `http://a.example/security bookworm-security main Debian
http://b.example/tools stable main Tools
http://a.example/debian bookworm-updates main Debian
http://a.example/debian bookworm main Debian
http://c.example/debian bookworm contrib Debian
`
	for release, want := range map[string]string{"bookworm": "http://a.example/debian", "trixie": "http://a.example/debian"} {
		if got, err := chooseMirror(targets, release); err != nil || got != want {
			t.Errorf("%s from %s: %v", release, got, err)
		}
	}
	if _, err := chooseMirror("http://b.example/tools stable main Tools\n", "trixie"); err == nil {
		t.Error("a mirror of something else serves")
	}
}

func TestPool(t *testing.T) {
	for prefix, want := range map[string]string{"10.1.2.1/24": "10.1.2.191-10.1.2.254", "10.77.0.1/16": "10.77.255.191-10.77.255.254", "10.1.2.9/29": "10.1.2.13-10.1.2.14"} {
		from, to := pool(netip.MustParsePrefix(prefix))
		if got := from.String() + "-" + to.String(); got != want {
			t.Errorf("%s: %s, not %s", prefix, got, want)
		}
	}
}
