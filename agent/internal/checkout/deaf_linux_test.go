package checkout_test

import (
	"net"
	"strconv"
	"syscall"
	"testing"
	"time"

	"berth/agent/internal/checkout"
)

// TestSSHDeaf has a peer that never even takes the connection: its queue is full, so
// that the kernel leaves a further greeting without an answer.
func TestSSHDeaf(t *testing.T) {
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(socket)
	if err := syscall.Bind(socket, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(socket, 0); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(socket)
	if err != nil {
		t.Fatal(err)
	}
	address := "127.0.0.1:" + strconv.Itoa(name.(*syscall.SockaddrInet4).Port)
	for {
		dialer := net.Dialer{Timeout: 200 * time.Millisecond}
		conn, err := dialer.DialContext(t.Context(), "tcp", address)
		if err != nil {
			break
		}
		defer conn.Close()
	}
	f := newSSHForge(t)
	src := f.source()
	src.URL, src.Timeout = "ssh://git@"+address+"/fleet.git", 300*time.Millisecond
	began := time.Now()
	follow(t, src).fetchFails(checkout.ErrUnreachable, "no answer for 300ms while waiting that "+address+" takes a connection")
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it took %s", took)
	}
}
