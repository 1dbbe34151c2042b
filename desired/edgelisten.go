package desired

import (
	"fmt"
	"hash/fnv"
	"net/netip"
	"strconv"
	"strings"
)

// A listener is one place that an edge listens on.
type listener struct {
	text string
	// addr is the zero address where it listens on all, of both families.
	addr netip.Addr
	port int
	udp  bool
	// http tells that nginx's http listens, else its stream does.
	http  bool
	field string
	src   Source
}

// listen takes a port, or an address and a port, for a field of an edge.
func (l *loader) listen(e *edge, field, text string, src Source) {
	addr, port, complaint := parseListen(text)
	if complaint != "" {
		l.wrong(e.item, src, "%s: %s", field, complaint)
		return
	}
	own := listener{text: text, addr: addr, port: port, udp: field == "udp", http: strings.HasPrefix(field, "http"), field: field, src: src}
	for _, other := range e.listeners {
		switch {
		case other.field == field && other.text == text:
			l.wrong(e.item, src, "%s: %q stands here twice: keep one", field, text)
		case other.field == field && own.field != "tcp" && own.field != "udp" && own.overlaps(other):
			l.wrong(e.item, src, "%s: %q: %s listens there already: keep one", field, text, other.text)
		case own.clashes(other):
			l.wrong(e.item, src, "%s: %s is taken by %s: %s (%s): write another", field, text, other.field, other.text, other.src.place())
		default:
			continue
		}
		return
	}
	e.listeners = append(e.listeners, own)
}

// overlaps tells whether some connection could come to both.
func (n listener) overlaps(other listener) bool {
	return n.udp == other.udp && n.port == other.port && (n.takes(other.addr) || other.takes(n.addr))
}

// takes tells whether what comes to an address comes to the listener.
func (n listener) takes(addr netip.Addr) bool {
	return !n.addr.IsValid() || n.addr == addr || n.addr.IsUnspecified() && addr.IsValid() && n.addr.Is4() == addr.Is4()
}

// clashes tells whether one nginx can't have both. Within its stream, or its http,
// it may listen on all addresses and besides on one of them.
func (n listener) clashes(other listener) bool {
	oneOfAll := n.wide() != other.wide()
	return n.overlaps(other) && (n.http != other.http || !oneOfAll)
}

func (n listener) wide() bool { return !n.addr.IsValid() || n.addr.IsUnspecified() }

// parseListen reads a port, or an address and a port; addr is the zero address
// where there is none. complaint says what is wrong.
func parseListen(text string) (addr netip.Addr, port int, complaint string) {
	host, number := "", text
	if i := strings.LastIndexByte(text, ':'); i >= 0 {
		host, number = text[:i], text[i+1:]
		switch addr, complaint = parseHost(host); {
		case complaint == notAddress:
			return addr, 0, strconv.Quote(text) + `: write a port, or an address and a port as in "10.1.1.4:443"`
		case complaint == notSo:
			return addr, 0, fmt.Sprintf(`%q: write "%s:%s"`, text, hostOf(addr), number)
		case complaint != "":
			return addr, 0, strconv.Quote(text) + ": " + complaint
		case kept.Contains(addr):
			return addr, 0, fmt.Sprintf("%q: %s is kept for Berth's own use: write another", text, kept)
		}
	}
	if !isPort(number) {
		return addr, 0, strconv.Quote(text) + ": no such port: write 1 to 65535"
	}
	port, _ = strconv.Atoi(number)
	return addr, port, ""
}

// kept are loopback addresses for listeners of nginx's own, between its servers.
var kept = netip.PrefixFrom(netip.AddrFrom4([4]byte{127, 66}), 16)

// Inside are the loopback addresses that an edge's nginx keeps to itself: each edge
// has its own, by its name, so that two may share a port by different addresses.
func (e *Edge) Inside() netip.Prefix {
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(e.Name))
	var folded byte
	for _, b := range sum.Sum(nil) {
		folded ^= b
	}
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{127, 66, folded}), 24)
}

// What parseHost says of a text: that it is no address, or one that is written in
// another way.
const (
	notAddress = "no address"
	notSo      = "not so"
)

// parseHost reads an address as it stands before a port: IPv6 in brackets.
func parseHost(host string) (addr netip.Addr, complaint string) {
	bare := host
	if inside, bracketed := strings.CutPrefix(host, "["); bracketed {
		var closed bool
		if bare, closed = strings.CutSuffix(inside, "]"); !closed {
			return addr, notAddress
		}
	}
	addr, err := netip.ParseAddr(bare)
	switch {
	case err != nil:
		return netip.Addr{}, notAddress
	case addr.Zone() != "":
		return addr, "leave out what stands after %: it means something else on each machine"
	case hostOf(addr.Unmap()) != host:
		return addr.Unmap(), notSo
	}
	return addr, ""
}

// hostOf is an address as it stands before a port.
func hostOf(addr netip.Addr) string {
	if addr.Is6() {
		return "[" + addr.String() + "]"
	}
	return addr.String()
}

func isPort(text string) bool {
	n, err := strconv.Atoi(text)
	return err == nil && n >= 1 && n <= 65535 && whole(text)
}

// ports checks the ports of tcp or udp.
func (l *loader) ports(e *edge, word string, ports map[string]Target) {
	for _, port := range sortedKeys(ports) {
		l.listen(e, word, port, e.key(word, port))
	}
}

// trust checks who is believed about where connections come from.
func (l *loader) trust(e *edge, word string, trust Trust) {
	at := Path(word).Sub("proxyProtocol")
	if !e.wrote(word, "proxyProtocol") || e.bad[at] {
		return
	}
	if len(trust.From) == 0 && !e.explained(at, "from") {
		l.wrong(e.item, e.key(word, "proxyProtocol"), "%s.from is missing: write whose PROXY headers are believed, as in [10.0.0.0/8]", at)
	}
	seen := map[string]bool{}
	for _, node := range e.items(word, "proxyProtocol", "from") {
		if node.form != scalarForm {
			continue
		}
		switch complaint := badTrust(node.text); {
		case complaint != "":
			l.wrong(e.item, node.src(), "%s.from: %q: %s", at, node.text, complaint)
		case seen[node.text]:
			l.wrong(e.item, node.src(), "%s.from: %q stands here twice: keep one", at, node.text)
		case strings.HasSuffix(node.text, "/0"):
			l.note(node.src(), e.id, "%s.from: everybody is believed, whatever address they say they have", at)
		}
		seen[node.text] = true
	}
}

// badTrust says what is wrong with an address, or a subnet.
func badTrust(text string) string {
	if strings.Contains(text, "/") {
		prefix, err := netip.ParsePrefix(text)
		switch {
		case err != nil:
			return "write an address, or a subnet as in 10.0.0.0/8"
		case prefix.Masked().String() != text:
			return "write " + prefix.Masked().String()
		}
		return ""
	}
	addr, err := netip.ParseAddr(text)
	switch {
	case err != nil || addr.Zone() != "":
		return "write an address, or a subnet as in 10.0.0.0/8"
	case addr.Unmap().String() != text:
		return "write " + addr.Unmap().String()
	}
	return ""
}

// together refuses two edges on one machine that keep one file or, outside of
// containers, listen in one place.
func (l *loader) together() {
	type at struct{ machine, file string }
	files := map[at]taken{}
	for i, e := range l.edges {
		clash := false
		for _, f := range []struct{ word, file string }{{"stream", e.Nginx.Stream}, {"http", e.Nginx.HTTP}} {
			src, key := e.at("nginx", f.word), at{e.At, f.file}
			if has, ok := files[key]; ok && has.id != e.id {
				l.wrong(e.item, src, "nginx.%s: %s is %s's file (%s): write another, as /etc/nginx/berth-%s/%s.conf", f.word, f.file, has.id, has.src.place(), e.Name, f.word)
				clash = clash || f.word == "stream"
				continue
			}
			files[key] = taken{e.id, src}
		}
		if clash {
			continue
		}
		for _, other := range l.edges[:i] {
			if other.At == e.At && other.Nginx.Container == e.Nginx.Container {
				l.apart(e, other)
			}
		}
	}
}

// apart refuses that two edges of one nginx listen in one place.
func (l *loader) apart(e, other *edge) {
	if e.Inside() == other.Inside() {
		l.apartInside(e, other)
	}
	for _, own := range e.listeners {
		for _, has := range other.listeners {
			if own.clashes(has) {
				l.wrong(e.item, own.src, "%s: %s is %s's (%s): write another", own.field, own.text, other.id, has.src.place())
				break
			}
		}
	}
}

// apartInside refuses that two edges of one nginx have the same loopback addresses for
// themselves on one port of tls, which is by chance alone.
func (l *loader) apartInside(e, other *edge) {
	for _, own := range e.listeners {
		for _, has := range other.listeners {
			if own.field == "tls.listen" && has.field == own.field && own.port == has.port && !own.clashes(has) {
				l.wrong(e.item, own.src, "%s: %s: %s listens on port %d, too (%s), and by their names both would keep %s to themselves: give one another name or port",
					own.field, own.text, other.id, own.port, has.src.place(), e.Inside())
				return
			}
		}
	}
}
