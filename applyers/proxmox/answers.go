package proxmox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

const (
	// pingTime is how long pings are waited for, knockTime how long a port.
	pingTime  = 400 * time.Millisecond
	knockTime = 300 * time.Millisecond
	// knocks is how many ports are tried at once.
	knocks = 256
)

// asker asks addresses whether anybody is there.
type asker struct {
	ping func(ctx context.Context, addrs []netip.Addr) map[netip.Addr]bool
	dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// AskNetwork is [Options.Answers] by the network: all addresses are pinged at once,
// which takes no privilege where the kernel lets everybody (net.ipv4.ping_group_range),
// and on those that are silent a few ports are tried that machines commonly have. A
// refused connection is an answer, too, though a firewall's on the way looks the
// same. It takes less than a second, unless some fifty addresses are silent.
func AskNetwork(ctx context.Context, addrs []netip.Addr) map[netip.Addr]string {
	return asker{ping: ping, dial: (&net.Dialer{}).DialContext}.ask(ctx, addrs)
}

func (a asker) ask(ctx context.Context, addrs []netip.Addr) map[netip.Addr]string {
	answers := make(map[netip.Addr]string)
	pinged := a.ping(ctx, addrs)
	var mu sync.Mutex
	var wg sync.WaitGroup
	room := make(chan struct{}, knocks)
	for _, addr := range addrs {
		if pinged[addr] {
			mu.Lock()
			answers[addr] = "answers to ping"
			mu.Unlock()
			continue
		}
		heard := make([]string, len(knockPorts()))
		var tries sync.WaitGroup
		for i, port := range knockPorts() {
			tries.Go(func() {
				room <- struct{}{}
				defer func() { <-room }()
				heard[i] = a.knock(ctx, addr, port)
			})
		}
		wg.Go(func() {
			tries.Wait()
			for _, how := range heard {
				if how != "" {
					mu.Lock()
					defer mu.Unlock()
					answers[addr] = how
					return
				}
			}
		})
	}
	wg.Wait()
	return answers
}

// knockPorts are those that machines commonly have: SSH, the web, remote desktops and
// Proxmox.
func knockPorts() []int { return []int{22, 80, 443, 3389, 8006} }

// knock tells how a port answers; "" if it doesn't.
func (a asker) knock(ctx context.Context, addr netip.Addr, port int) string {
	ctx, cancel := context.WithTimeout(ctx, knockTime)
	defer cancel()
	conn, err := a.dial(ctx, "tcp", net.JoinHostPort(addr.String(), strconv.Itoa(port)))
	switch {
	case err == nil:
		_ = conn.Close()
		return fmt.Sprintf("answers on port %d", port)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Sprintf("answers on port %d, which it refuses", port)
	}
	return ""
}

// ping tells which addresses answer to ping; none where that is not permitted.
func ping(ctx context.Context, addrs []netip.Addr) map[netip.Addr]bool {
	families := [2][]netip.Addr{}
	for _, addr := range addrs {
		i := 0
		if addr.Is6() {
			i = 1
		}
		families[i] = append(families[i], addr)
	}
	var found [2]map[netip.Addr]bool
	var wg sync.WaitGroup
	for i, family := range families {
		if len(family) > 0 {
			wg.Go(func() { found[i] = pingFamily(ctx, i == 1, family) })
		}
	}
	wg.Wait()
	all := make(map[netip.Addr]bool)
	for _, part := range found {
		for addr := range part {
			all[addr] = true
		}
	}
	return all
}

// pingFamily pings addresses of one kind, each twice: the first ping to a neighbour
// may be lost while it is looked for.
func pingFamily(ctx context.Context, v6 bool, addrs []netip.Addr) map[netip.Addr]bool {
	network, local, protocol := "udp4", "0.0.0.0", 1
	var echo, reply icmp.Type = ipv4.ICMPTypeEcho, ipv4.ICMPTypeEchoReply
	if v6 {
		network, local, protocol = "udp6", "::", 58
		echo, reply = ipv6.ICMPTypeEchoRequest, ipv6.ICMPTypeEchoReply
	}
	conn, err := icmp.ListenPacket(network, local)
	if err != nil {
		return nil
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	waiting := make(map[netip.Addr]bool)
	for _, addr := range addrs {
		waiting[addr] = true
	}
	found := make(map[netip.Addr]bool)
	for round := range 2 {
		// The kernel sets the id to the socket's own (icmp(7)), so that no one
		// else's replies come here.
		message := icmp.Message{Type: echo, Body: &icmp.Echo{Seq: round + 1, Data: []byte("berth")}}
		packet, err := message.Marshal(nil)
		if err != nil || conn.SetReadDeadline(time.Now().Add(pingTime/2)) != nil {
			return found
		}
		for addr := range waiting {
			// What can't be sent is silent.
			_, _ = conn.WriteTo(packet, &net.UDPAddr{IP: addr.AsSlice()})
		}
		buffer := make([]byte, 1500)
		for len(waiting) > 0 {
			n, peer, err := conn.ReadFrom(buffer)
			if err != nil {
				break
			}
			from, ok := peer.(*net.UDPAddr)
			if !ok {
				continue
			}
			addr := from.AddrPort().Addr().Unmap().WithZone("")
			if answer, err := icmp.ParseMessage(protocol, buffer[:n]); err == nil && answer.Type == reply && waiting[addr] {
				found[addr] = true
				delete(waiting, addr)
			}
		}
	}
	return found
}
