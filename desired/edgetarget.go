package desired

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Target is where a route goes: "vm/web-1:443", "host/nas:443",
// "10.1.1.9:443", "[fd00:1::9]:443", the name of an upstream, "reject", or on port
// 80 "redirect". Its address may be known only once the guest stands.
type Target struct {
	Text string
}

// The targets that lead nowhere.
const (
	// RejectTarget closes connections.
	RejectTarget = "reject"
	// RedirectTarget sends who asks on port 80 to the same name by https.
	RedirectTarget = "redirect"
)

// Equal tells whether both say the same.
func (t Target) Equal(other Target) bool { return t == other }

// String is the text.
func (t Target) String() string { return t.Text }

// Resolve turns a guest into its address.
func (t Target) Resolve(fact Lookup) (leaf any, from string) {
	to, from := t.resolve(fact)
	return to, from
}

func (t Target) resolve(fact Lookup) (to Target, from string) {
	id, port, ok := t.Guest()
	if !ok {
		return t, ""
	}
	addr, known := fact(id, FactAddress)
	if !known {
		return t, string(id) + " " + FactAddress
	}
	if ip, err := netip.ParseAddr(addr); err == nil {
		addr = hostOf(ip.Unmap())
	}
	return Target{Text: addr + ":" + port}, ""
}

// Guest splits a target that names a guest or host.
func (t Target) Guest() (id ID, port string, ok bool) {
	for i := len(t.Text) - 1; i > 0; i-- {
		if t.Text[i] == ':' {
			id, port = ID(t.Text[:i]), t.Text[i+1:]
			break
		}
	}
	switch id.Kind() {
	case KindVM, KindContainer, KindHost:
		return id, port, id.Name() != ""
	}
	return "", "", false
}

// Server is one server of an upstream.
type Server struct {
	// To is kind/name:port or address:port.
	To Target `yaml:"to" default:"required" example:"vm/web-1:443"`
	// Weight is its share, beside the others'.
	Weight int `yaml:"weight" form:"positive" default:"1" example:"2"`
	// Backup takes connections only where no other server does.
	Backup bool `yaml:"backup" default:"false" example:"true"`
}

// String is the server as reports show it: "10.0.0.9:443 weight=2 backup".
func (s Server) String() string {
	text := s.To.Text
	if s.Weight > 1 {
		text += " weight=" + strconv.Itoa(s.Weight)
	}
	if s.Backup {
		text += " backup"
	}
	return text
}

// Servers are the servers of an upstream. Their order means nothing, and a weight
// of 0 is 1.
type Servers []Server

// Equal tells whether both hold the same servers.
func (s Servers) Equal(other Servers) bool { return slices.Equal(s.sorted(), other.sorted()) }

// sorted is the same in one order, with all weights written.
func (s Servers) sorted() []Server {
	out := slices.Clone([]Server(s))
	for i := range out {
		out[i].Weight = max(out[i].Weight, 1)
	}
	slices.SortFunc(out, func(a, b Server) int {
		return cmp.Or(strings.Compare(a.To.Text, b.To.Text), cmp.Compare(a.Weight, b.Weight), strings.Compare(a.String(), b.String()))
	})
	return out
}

// String lists the servers by their targets, each word of a target by itself:
// "10.0.0.8:443 + 10.0.0.9:443 weight=2 backup".
func (s Servers) String() string {
	words := make([]string, len(s))
	for i, server := range s.sorted() {
		words[i] = server.String()
	}
	return strings.Join(words, " + ")
}

// Resolve turns guests into their addresses. Where several are unknown, it names
// the first.
func (s Servers) Resolve(fact Lookup) (leaf any, from string) {
	out := slices.Clone(s)
	for i := range out {
		to, unknown := out[i].To.resolve(fact)
		out[i].To = to
		if from == "" || unknown != "" && unknown < from {
			from = unknown
		}
	}
	return out, from
}

// check that the interface is met where it is used.
var _, _ Deferred = Target{}, Servers{}

// GoString keeps test failures readable.
func (t Target) GoString() string { return fmt.Sprintf("Target(%q)", t.Text) }
