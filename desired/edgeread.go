package desired

// Targets are the targets of an edge, by the paths where they stand: both defaults,
// the names of tls and http, and the ports of tcp and udp. Those of upstreams are
// their servers, see [Edge.Servers].
func (e *Edge) Targets() map[Path]Target {
	all := make(map[Path]Target, len(e.TLS.Routes)+len(e.HTTP.Routes)+len(e.TCP)+len(e.UDP)+2)
	for path, t := range map[Path]Target{"tls.default": e.TLS.Default, "http.default": e.HTTP.Default} {
		if t != (Target{}) {
			all[path] = t
		}
	}
	for path, targets := range e.tables() {
		for key, t := range targets {
			all[path.Sub(key)] = t
		}
	}
	return all
}

// tables are the maps of targets, by path.
func (e *Edge) tables() map[Path]map[string]Target {
	return map[Path]map[string]Target{"tls.routes": e.TLS.Routes, "http.routes": e.HTTP.Routes, "tcp": e.TCP, "udp": e.UDP}
}

// Servers are where a target leads: the servers of the upstream that it names, or
// itself; none where it is reject or redirect.
func (e *Edge) Servers(t Target) Servers {
	if up, named := e.Upstreams[t.Text]; named {
		return up.Servers
	}
	switch t.Text {
	case "", RejectTarget, RedirectTarget:
		return nil
	}
	return Servers{{To: t, Weight: 1}}
}

// TargetsOf are the targets that a leaf of an edge holds: one, or those of an
// upstream's servers; none where it is something else.
func TargetsOf(leaf any) []Target {
	switch value := leaf.(type) {
	case Target:
		return []Target{value}
	case Servers:
		targets := make([]Target, len(value))
		for i, server := range value {
			targets[i] = server.To
		}
		return targets
	}
	return nil
}
