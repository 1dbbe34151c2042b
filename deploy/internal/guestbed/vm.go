// Package guestbed gives tests real guests: machines that boot, as Proxmox would let them.
// They take root and BERTH_REAL=1.
package guestbed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// VMImage is a Debian that virtual machines boot from, see the script vm-image.
type VMImage struct{ Kernel, Initrd, Root string }

// vmImageTime bounds building the image, which a busy machine does in three minutes.
const vmImageTime = 8 * time.Minute

// NewVMImage builds the image, unless it was built before. script is where vm-image
// lies.
func NewVMImage(t *testing.T, script string) VMImage {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), vmImageTime)
	defer cancel()
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, script)
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("build the image of virtual machines: %v\n%s", err, said.Bytes())
	}
	dir := strings.TrimSpace(string(out))
	return VMImage{filepath.Join(dir, "vmlinuz"), filepath.Join(dir, "initrd.img"), filepath.Join(dir, "root.raw")}
}

// VMSpec is a virtual machine as Proxmox would start it.
type VMSpec struct {
	Image VMImage
	// RootSize is how large scsi0 is, in bytes.
	RootSize int64
	// Drives are SCSI disks by slot, as Proxmox names and numbers them: scsi0 to
	// scsi30. scsi0 is made from the image and need not be here.
	Drives map[string]Drive
	// NICs are the machine's, in order. They reach nothing but each other's gateways.
	NICs []NIC
}

// Drive is a raw disk.
type Drive struct {
	File   string
	Serial string
}

// NIC is a network card with a network of its own: a gateway that answers, and nothing
// behind it.
type NIC struct {
	MAC string
	// Subnet and Gateway, and Subnet6 and Gateway6, are what the card's network is.
	Subnet, Gateway, Subnet6, Gateway6 string
	// SSH, if it is not "", is the machine's address, whose port 22 is reached at
	// [VM.SSH].
	SSH string
}

// VM is a virtual machine that runs.
type VM struct {
	// SSH is where the machine's port 22 is reached, "127.0.0.1:PORT".
	SSH string
	// Agent speaks with the machine's guest agent.
	Agent *GuestAgent

	cmd     *exec.Cmd
	console string
	ended   chan struct{}
}

// memory is enough for cloud-init and its Python; tbSize bounds what emulation takes
// beside it.
const memory, tbSize = "512", "256"

// StartVM starts a machine in dir, which holds what it has written from one start to
// the next. It is killed when the test ends.
func StartVM(t *testing.T, dir string, spec VMSpec) *VM {
	t.Helper()
	vm := &VM{console: filepath.Join(dir, "console"), ended: make(chan struct{})}
	root := filepath.Join(dir, "scsi0.qcow2")
	if _, err := os.Stat(root); err != nil {
		out, err := exec.CommandContext(t.Context(), "qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", spec.Image.Root, root, strconv.FormatInt(spec.RootSize, 10)).CombinedOutput()
		if err != nil {
			t.Fatalf("make the disk of a virtual machine: %v\n%s", err, out)
		}
	}
	// A Unix socket's path may not be long.
	sockets, err := os.MkdirTemp("", "vm") //nolint:usetesting // t.TempDir's is too long a path for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(sockets) })
	vm.Agent = &GuestAgent{socket: filepath.Join(sockets, "qga")}

	args := []string{
		"-machine", "q35", "-cpu", "qemu64,+rdrand", "-smp", "1", "-m", memory, "-nodefaults", "-display", "none",
		"-accel", "tcg,tb-size=" + tbSize,
		"-kernel", spec.Image.Kernel, "-initrd", spec.Image.Initrd, "-append", "root=LABEL=root rw console=ttyS0 quiet",
		"-serial", "file:" + vm.console,
		"-device", "virtio-rng-pci",
		"-device", "virtio-serial-pci", "-chardev", "socket,id=qga0,server=on,wait=off,path=" + vm.Agent.socket,
		"-device", "virtserialport,chardev=qga0,name=org.qemu.guest_agent.0",
		"-device", "virtio-scsi-pci,id=scsihw0",
	}
	args = append(args, drive("scsi0", root, "qcow2", "")...)
	for slot, d := range spec.Drives {
		args = append(args, drive(slot, d.File, "raw", d.Serial)...)
	}
	for i, nic := range spec.NICs {
		args = append(args, vm.network(t, i, nic)...)
	}
	said := &bytes.Buffer{}
	vm.cmd = exec.CommandContext(context.WithoutCancel(t.Context()), "qemu-system-x86_64", args...)
	vm.cmd.Stdout, vm.cmd.Stderr = said, said
	if err := vm.cmd.Start(); err != nil {
		t.Fatalf("start a virtual machine: %v; deploy/test installs QEMU", err)
	}
	go func() {
		defer close(vm.ended)
		_ = vm.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = vm.cmd.Process.Kill()
		<-vm.ended
		if t.Failed() {
			t.Logf("the end of the machine's console:\n%s\nQEMU said: %s", vm.Console(), said)
		}
	})
	return vm
}

// drive is a disk as Proxmox gives it to QEMU: the guest knows it by its slot, and by
// its serial number.
func drive(slot, file, format, serial string) []string {
	device := fmt.Sprintf("scsi-hd,bus=scsihw0.0,channel=0,lun=0,scsi-id=%s,drive=drive-%s,id=%s", strings.TrimPrefix(slot, "scsi"), slot, slot)
	if serial != "" {
		device += ",serial=" + serial
	}
	return []string{
		"-drive", fmt.Sprintf("if=none,id=drive-%s,file=%s,format=%s,cache=unsafe,discard=on", slot, file, format),
		"-device", device,
	}
}

func (vm *VM) network(t *testing.T, number int, nic NIC) []string {
	t.Helper()
	id := "net" + strconv.Itoa(number)
	words := []string{"user", "restrict=on", "id=" + id}
	for _, word := range [][2]string{{"net", nic.Subnet}, {"host", nic.Gateway}, {"ipv6-net", nic.Subnet6}, {"ipv6-host", nic.Gateway6}} {
		if word[1] != "" {
			words = append(words, word[0]+"="+word[1])
		}
	}
	if nic.Subnet6 == "" {
		words = append(words, "ipv6=off")
	}
	if nic.SSH != "" {
		vm.SSH = freePort(t)
		words = append(words, "hostfwd=tcp:"+vm.SSH+"-"+nic.SSH+":22")
	}
	return []string{"-netdev", strings.Join(words, ","), "-device", "virtio-net-pci,netdev=" + id + ",id=" + id + ",romfile=,mac=" + nic.MAC}
}

func freePort(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// consoleShown and outputShown are how many bytes of a console, or of a command's
// output, say enough.
const consoleShown, outputShown = 6000, 1000

// Console is the end of what the machine has written to its serial console.
func (vm *VM) Console() string {
	text, _ := os.ReadFile(vm.console)
	return string(text[max(0, len(text)-consoleShown):])
}

// Off lets the guest agent switch the machine off, and waits until it is.
func (vm *VM) Off(t *testing.T, within time.Duration) {
	t.Helper()
	// It answers by going down.
	_, err := vm.Agent.Ask(t.Context(), "guest-shutdown", nil)
	if lost := (*NoAnswerError)(nil); err != nil && !errors.As(err, &lost) {
		t.Fatalf("switch the machine off: %v", err)
	}
	select {
	case <-vm.ended:
	case <-time.After(within):
		t.Fatalf("the machine is still on after %s", within)
	}
}

// Await waits until the machine has a file.
func (vm *VM) Await(t *testing.T, within time.Duration, file string) {
	t.Helper()
	late := time.After(within)
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		_, err := vm.Agent.ReadFile(t.Context(), file)
		if err == nil {
			return
		}
		select {
		case <-late:
			t.Fatalf("%s is not in the machine after %s: %v", file, within, err)
		case <-tick.C:
		}
	}
}

// Run runs a command in the machine and gives what it wrote to its standard output.
// The test fails where it does not succeed.
func (vm *VM) Run(t *testing.T, args ...string) string {
	t.Helper()
	out, said, code, err := vm.Agent.Run(t.Context(), args)
	if err != nil {
		t.Fatalf("run %s in the machine: %v", strings.Join(args, " "), err)
	}
	if code != 0 {
		t.Fatalf("%s in the machine: exit %d\n%s%s", strings.Join(args, " "), code, out[max(0, len(out)-outputShown):], said)
	}
	return out
}

// Sums are owner, mode and content of all that lies below some directories of the
// machine, by path.
func (vm *VM) Sums(t *testing.T, directories ...string) map[string]string {
	t.Helper()
	const script = `find "$@" -xdev -printf '%p\t%u:%g %m %l\n'
find "$@" -xdev -type f -exec sha256sum {} + | sed 's/^\([0-9a-f]*\)  \(.*\)$/\2\t\1/'`
	sums := make(map[string]string)
	for line := range strings.Lines(vm.Run(t, append([]string{"/bin/sh", "-c", script, "sh"}, directories...)...)) {
		path, what, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		sums[path] += what + " "
	}
	return sums
}
