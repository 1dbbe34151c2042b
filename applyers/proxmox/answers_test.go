package proxmox

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestWhatAnAddressAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		dialed := make(map[string]int)
		a := asker{
			ping: func(context.Context, []netip.Addr) map[netip.Addr]bool {
				return map[netip.Addr]bool{netip.MustParseAddr("10.1.1.1"): true}
			},
			dial: func(ctx context.Context, _, to string) (net.Conn, error) {
				host, _, _ := net.SplitHostPort(to)
				mu.Lock()
				dialed[host]++
				mu.Unlock()
				switch to {
				case "10.1.1.2:443":
					here, there := net.Pipe()
					_ = there.Close()
					return here, nil
				case "10.1.1.3:3389", "[fd00::3]:22":
					return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
				case "10.1.1.4:22":
					return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EHOSTUNREACH)}
				}
				<-ctx.Done()
				return nil, ctx.Err()
			},
		}
		var all []netip.Addr
		for _, text := range []string{"10.1.1.1", "10.1.1.2", "10.1.1.3", "fd00::3", "10.1.1.4", "10.1.1.5"} {
			all = append(all, netip.MustParseAddr(text))
		}
		begun := time.Now()
		got := make(map[string]string)
		for addr, how := range a.ask(t.Context(), all) {
			got[addr.String()] = how
		}
		want := map[string]string{
			"10.1.1.1": "answers to ping", "10.1.1.2": "answers on port 443",
			"10.1.1.3": "answers on port 3389, which it refuses", "fd00::3": "answers on port 22, which it refuses",
		}
		if !maps.Equal(got, want) {
			t.Errorf("answers: %q", got)
		}
		if dialed["10.1.1.1"] != 0 || dialed["10.1.1.5"] != len(knockPorts()) {
			t.Errorf("dialed: %v", dialed)
		}
		if took := time.Since(begun); took > knockTime {
			t.Errorf("it took %s", took)
		}
	})
}

// TestManyPortsAreNotTriedAtOnce: an agent has so many files, and no more.
func TestManyPortsAreNotTriedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		now, most := 0, 0
		a := asker{
			ping: func(context.Context, []netip.Addr) map[netip.Addr]bool { return nil },
			dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
				mu.Lock()
				now++
				most = max(most, now)
				mu.Unlock()
				<-ctx.Done()
				mu.Lock()
				now--
				mu.Unlock()
				return nil, errors.New("silent")
			},
		}
		all := make([]netip.Addr, 200)
		for i := range all {
			all[i] = netip.AddrFrom4([4]byte{10, 1, 1, byte(i)})
		}
		if got := a.ask(t.Context(), all); len(got) != 0 || most != knocks {
			t.Errorf("%d at once, %v", most, got)
		}
	})
}

// TestTheNetworkIsAsked asks this very machine. Where it lets nobody ping, its
// ports answer.
func TestTheNetworkIsAsked(t *testing.T) {
	here := netip.MustParseAddr("127.0.0.1")
	how := AskNetwork(t.Context(), []netip.Addr{here})[here]
	pinged := ping(t.Context(), []netip.Addr{here})[here]
	if pinged && how != "answers to ping" || !slices.Contains([]string{"answers to ping", "answers on port 22", "answers on port 22, which it refuses"}, how) {
		t.Errorf("ping %v, %s %q", pinged, here, how)
	}
	t.Logf("%s %s", here, how)
}
