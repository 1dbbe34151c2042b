package nginx

import (
	"bytes"
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"

	crossplane "github.com/nginxinc/nginx-go-crossplane"

	"berth/applyers/nginx/conf"
)

// listener is what a server of nginx's own configuration, that is not ours, listens on.
type listener struct {
	file    string
	line    int
	block   string
	address netip.AddrPort // of no address in particular: of all of its family
	udp     bool
	// first tells that it is the default server of its address.
	first bool
}

// listens notes what one server listens on.
func (w *walk) listens(name, block string, server *crossplane.Directive) {
	if content := w.tree.files[name].content; bytes.HasPrefix(content, []byte(markStart)) {
		return // Another edge's, which the language looks after.
	}
	for _, d := range server.Block {
		if d.Directive != "listen" || len(d.Args) == 0 {
			continue
		}
		address, ok := listened(d.Args[0])
		if !ok {
			continue
		}
		w.others = append(w.others, listener{
			file: name, line: d.Line, block: block, address: address, udp: slices.Contains(d.Args[1:], "udp"),
			first: slices.Contains(d.Args[1:], "default_server") || slices.Contains(d.Args[1:], "default"),
		})
	}
}

// markStart begins the first line of every managed file.
const markStart = "# berth: "

// listened reads what a listen directive names. Names of hosts, and sockets, are not
// read: they are in nobody's way.
func listened(word string) (address netip.AddrPort, ok bool) {
	if port, err := strconv.ParseUint(word, 10, 16); err == nil {
		return netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(port)), true
	}
	if port, any := strings.CutPrefix(word, "*:"); any {
		word = "0.0.0.0:" + port
	}
	if alone, err := netip.ParseAddr(strings.Trim(word, "[]")); err == nil {
		return netip.AddrPortFrom(alone, 80), true
	}
	address, err := netip.ParseAddrPort(word)
	return address, err == nil
}

// inTheWay tells what keeps nginx from taking a side's file for the first time, be it as
// it may: a server of its own that has an address which the edge listens on.
func (st *state) inTheWay() []*setupError {
	var all []*setupError
	told := make(map[string]bool)
	for _, ours := range st.wanted() {
		for _, other := range st.others {
			if !ours.clashes(other) || told[other.file+ours.field] {
				continue
			}
			told[other.file+ours.field] = true
			all = append(all, &setupError{
				fmt.Sprintf("%s:%d: a server of nginx's own has %s, as this edge (%s)", other.file, other.line, other.address, ours.field),
				remove(other),
			})
		}
	}
	return all
}

// remove says how a server goes out of an edge's way.
func remove(other listener) string {
	if path.Base(path.Dir(other.file)) == "sites-enabled" && path.Base(other.file) == "default" {
		return fmt.Sprintf("rm %s, unless there is more in it than Debian's welcome page", other.file)
	}
	return "move its names into this edge and take it out there, with no reload, which the turn makes; or give either another address"
}

// place is what an edge listens on.
type place struct {
	listener
	field string
}

// wanted is what the sides of an edge that have no file yet are to listen on.
func (st *state) wanted() []place {
	var all []place
	add := func(field, block string, udp bool, listen ...string) {
		words, err := conf.Listens(listen, st.ipv6)
		if err != nil {
			return // To render it says so.
		}
		for _, word := range words {
			if address, ok := listened(word); ok {
				all = append(all, place{listener{block: block, address: address, udp: udp, first: true}, field})
			}
		}
	}
	if part(st.raw, httpSide) == nil && st.spec.HTTP.Default.Text != "" {
		add("http.listen", "http", false, st.spec.HTTP.Listen...)
	}
	if part(st.raw, streamSide) != nil {
		return all
	}
	if st.spec.TLS.Default.Text != "" {
		add("tls.listen", "stream", false, st.spec.TLS.Listen...)
	}
	for port := range st.spec.TCP {
		add("tcp", "stream", false, port)
	}
	for port := range st.spec.UDP {
		add("udp", "stream", true, port)
	}
	slices.SortFunc(all, func(a, b place) int { return a.address.Compare(b.address) })
	return all
}

// clashes tells whether nginx can't have both. Within a block it takes one address and
// all of them apart; and any number of servers of http, of which one is the default.
func (p place) clashes(other listener) bool {
	a, b := p.address, other.address
	if p.udp != other.udp || a.Port() != b.Port() || a.Addr().Is4() != b.Addr().Is4() {
		return false
	}
	if p.block != other.block {
		return a.Addr() == b.Addr() || a.Addr().IsUnspecified() || b.Addr().IsUnspecified()
	}
	return a.Addr() == b.Addr() && (p.block == "stream" || other.first)
}
