package conf

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"berth/desired"
)

// Faults lists what of an edge can't be rendered, sorted by path; nil if all of it
// can. A target that is a guest's is one: its address is not known yet.
func Faults(edge *desired.Edge) []Fault {
	f := faults{edge: edge}
	f.upstreams()
	if hasTLS(edge) {
		f.listener("tls", edge.TLS.Listen, edge.TLS.ProxyProtocol)
		f.routes("tls", edge.TLS.Default, edge.TLS.Routes, f.streamTarget)
	}
	if hasHTTP(edge) {
		f.listener("http", edge.HTTP.Listen, edge.HTTP.ProxyProtocol)
		f.routes("http", edge.HTTP.Default, edge.HTTP.Routes, f.httpTarget)
	}
	f.ports("tcp", edge.TCP, f.streamTarget)
	f.ports("udp", edge.UDP, f.udpTarget)
	f.places()
	slices.SortStableFunc(f.all, func(a, b Fault) int { return strings.Compare(string(a.Path), string(b.Path)) })
	return slices.CompactFunc(f.all, func(a, b Fault) bool { return a.Path == b.Path })
}

// unforgiven are an edge's faults but for those that stand in the live files
// already and can be written again.
func unforgiven(edge, live *desired.Edge) []Fault {
	all := Faults(edge)
	if live == nil {
		return all
	}
	return slices.DeleteFunc(all, func(f Fault) bool {
		now, ok := worded(edge, f.Path)
		before, stood := worded(live, f.Path)
		return ok && stood && slices.Equal(now, before) && !slices.ContainsFunc(now, func(w string) bool { return !writable(w) })
	})
}

// worded are the words that a path's value puts into the file, with its key; ok is
// false where what is wrong is no single target.
func worded(edge *desired.Edge, path desired.Path) (words []string, ok bool) {
	keys := path.Keys()
	switch {
	case path == "tls.default":
		return []string{edge.TLS.Default.Text}, true
	case path == "http.default":
		return []string{edge.HTTP.Default.Text}, true
	case len(keys) == 3 && keys[0] == "upstreams" && keys[2] == "servers":
		for _, s := range edge.Upstreams[keys[1]].Servers {
			words = append(words, s.To.Text)
		}
		return words, len(words) > 0
	}
	var targets map[string]desired.Target
	switch {
	case len(keys) == 3 && path.Within("tls.routes"):
		targets = edge.TLS.Routes
	case len(keys) == 3 && path.Within("http.routes"):
		targets = edge.HTTP.Routes
	default:
		return nil, false
	}
	target, ok := targets[keys[2]]
	return []string{keys[2], target.Text}, ok
}

func hasTLS(e *desired.Edge) bool {
	return len(e.TLS.Listen)+len(e.TLS.ProxyProtocol.From)+len(e.TLS.Routes) > 0 || e.TLS.Default.Text != ""
}

func hasHTTP(e *desired.Edge) bool {
	return len(e.HTTP.Listen)+len(e.HTTP.ProxyProtocol.From)+len(e.HTTP.Routes) > 0 || e.HTTP.Default.Text != ""
}

// faults gathers what is wrong with an edge.
type faults struct {
	edge *desired.Edge
	all  []Fault
}

func (f *faults) wrong(path desired.Path, err error) {
	if err != nil {
		f.all = append(f.all, Fault{Path: path, Reason: err.Error()})
	}
}

func (f *faults) upstreams() {
	spelled := make(map[string]string)
	for _, name := range slices.Sorted(maps.Keys(f.edge.Upstreams)) {
		u, path := f.edge.Upstreams[name], desired.Path("upstreams").Sub(name)
		if err := validUpstream(name); err != nil {
			f.wrong(path.Sub("servers"), err)
			continue
		}
		if other, twice := spelled[strings.ToLower(name)]; twice {
			f.wrong(path.Sub("servers"), fmt.Errorf("%s is the same to nginx as %s: give it another name", name, other))
		}
		spelled[strings.ToLower(name)] = name
		f.wrong(path.Sub("servers"), validServers(u.Servers))
		f.wrong(path.Sub("connect"), validSpan(u.Connect))
		f.wrong(path.Sub("idle"), validSpan(u.Idle))
		if u.Keepalive < 0 || u.Keepalive > 65535 {
			f.wrong(path.Sub("keepalive"), fmt.Errorf("%d connections can't be kept: write 0 to 65535", u.Keepalive))
		}
	}
}

// validUpstream tells whether a name of an upstream can stand in nginx's file.
func validUpstream(name string) error {
	if name == reject || name == redirect {
		return fmt.Errorf("%q is a target of its own: name the upstream otherwise", name)
	}
	if name == "" || len(name) > 200 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") != "" {
		return fmt.Errorf("%q is no name of an upstream: write letters, digits, - and _", name)
	}
	return nil
}

func validServers(servers desired.Servers) error {
	first, seen := 0, make(map[string]bool)
	for _, s := range servers {
		if err := validAddress(s.To); err != nil {
			return err
		}
		if seen[s.To.Text] {
			return fmt.Errorf("%s stands here twice: give it a weight", s.To)
		}
		seen[s.To.Text] = true
		if s.Weight < 0 || s.Weight > 65535 {
			return fmt.Errorf("%s has weight %d: write 1 to 65535", s.To, s.Weight)
		}
		if !s.Backup {
			first++
		}
	}
	if first == 0 {
		return errors.New("it has no server that is no backup: nginx would not start")
	}
	return nil
}

func (f *faults) listener(section desired.Path, listen desired.List, trust desired.Trust) {
	f.wrong(section+".listen", listenable(listen))
	for _, from := range trust.From {
		_, err := netip.ParsePrefix(from)
		if err != nil {
			_, err = netip.ParseAddr(from)
		}
		if err != nil || strings.Contains(from, "%") {
			f.wrong(section+".proxyProtocol.from", fmt.Errorf("%q is no address: write one, or a network as in 10.0.0.0/8", from))
		}
	}
}

// listenable tells whether an edge can listen so.
func listenable(all desired.List) error {
	if _, err := Listens(all, false); err != nil {
		return err
	}
	for _, one := range all {
		if isInner(one) {
			return fmt.Errorf("%q is kept for Berth's own use: write another", one)
		}
	}
	return nil
}

func (f *faults) routes(section desired.Path, def desired.Target, routes map[string]desired.Target, check func(desired.Target) error) {
	if def.Text == "" {
		f.wrong(section+".default", errors.New("it is missing: nginx needs to know where all other names go"))
	} else {
		f.wrong(section+".default", check(def))
	}
	for name, target := range routes {
		err := validName(name)
		if err == nil {
			if other, found := clash(name, routes); found {
				err = fmt.Errorf("%s is routed, too: write %s for all below it, and nothing else", other, name[1:])
			}
		}
		if err = cmp.Or(err, check(target)); err != nil {
			f.wrong((section + ".routes").Sub(name), err)
		}
	}
}

func (f *faults) ports(section desired.Path, ports map[string]desired.Target, check func(desired.Target) error) {
	for listen, target := range ports {
		if err := cmp.Or(listenable(desired.List{listen}), check(target)); err != nil {
			f.wrong(section.Sub(listen), err)
		}
	}
}

func (f *faults) streamTarget(t desired.Target) error {
	if t.Text == reject {
		return nil
	}
	if t.Text == redirect {
		return errors.New("redirect is for http alone: write reject, or where it goes")
	}
	if _, named := f.edge.Upstreams[t.Text]; named {
		return nil
	}
	return cmp.Or(f.missing(t), validAddress(t))
}

func (f *faults) httpTarget(t desired.Target) error {
	if t.Text == redirect {
		return nil
	}
	return f.streamTarget(t)
}

func (f *faults) udpTarget(t desired.Target) error {
	if f.edge.Upstreams[t.Text].ProxyProtocol {
		return fmt.Errorf("%s gets a PROXY header, which UDP has none of: name an upstream without proxyProtocol", t)
	}
	return f.streamTarget(t)
}

// missing tells of a target that is meant to be an upstream's name.
func (f *faults) missing(t desired.Target) error {
	if t.Text == "" || strings.ContainsAny(t.Text, ":/") || validUpstream(t.Text) != nil {
		return nil
	}
	if _, err := netip.ParseAddr(t.Text); err == nil {
		return nil
	}
	return fmt.Errorf("there is no upstream %s: nginx would find out only when somebody connects", t)
}

// places refuses what can't be listened on beside one another. nginx's test
// sees within one of its blocks alone.
func (f *faults) places() {
	taken := make(map[string]desired.Path)
	take := func(path desired.Path, protocol string, listen desired.List) {
		for _, one := range listen {
			words, err := Listens(desired.List{one}, true)
			if err != nil {
				continue
			}
			for _, word := range words {
				key := protocol + " " + strings.TrimPrefix(word, "0.0.0.0:")
				if has, twice := taken[key]; twice && has != path {
					f.wrong(path, fmt.Errorf("%s is listened on for %s already", word, has))
					break
				}
				taken[key] = path
			}
		}
	}
	take("tls.listen", "tcp", f.edge.TLS.Listen)
	take("http.listen", "tcp", f.edge.HTTP.Listen)
	for _, section := range []struct {
		path  desired.Path
		ports map[string]desired.Target
	}{{"tcp", f.edge.TCP}, {"udp", f.edge.UDP}} {
		for _, listen := range slices.Sorted(maps.Keys(section.ports)) {
			take(section.path.Sub(listen), string(section.path), desired.List{listen})
		}
	}
	f.acrossBlocks()
}

// acrossBlocks refuses one port in http and in tls or tcp where either takes all
// addresses of a family: nginx binds each block's sockets for itself.
func (f *faults) acrossBlocks() {
	stream := make(map[string]desired.Path)
	wide := make(map[string]bool)
	each := func(listen string, do func(place string, wide bool)) {
		words, _ := Listens(desired.List{listen}, true)
		for _, word := range words {
			ap, err := netip.ParseAddrPort(word)
			family := "IPv4 "
			if err == nil && ap.Addr().Is6() {
				family = "IPv6 "
			}
			do(family+portOf(word), err != nil || ap.Addr().IsUnspecified())
		}
	}
	note := func(path desired.Path, listen string) {
		each(listen, func(place string, all bool) {
			stream[place] = path
			wide[place] = wide[place] || all
		})
	}
	for _, listen := range f.edge.TLS.Listen {
		note("tls.listen", listen)
	}
	for _, listen := range slices.Sorted(maps.Keys(f.edge.TCP)) {
		note(desired.Path("tcp").Sub(listen), listen)
	}
	for _, listen := range f.edge.HTTP.Listen {
		each(listen, func(place string, all bool) {
			if path, same := stream[place]; same && (wide[place] || all) {
				f.wrong("http.listen", fmt.Errorf("port %s is %s's on all addresses", portOf(listen), path))
			}
		})
	}
}
