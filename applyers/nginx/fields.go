package nginx

import (
	"fmt"
	"maps"

	"berth/desired"
)

// targetAt is the target at a path of an edge; ok is false where there is none, or
// where no target stands.
func targetAt(e *desired.Edge, path desired.Path) (t desired.Target, ok bool) {
	keys := path.Keys()
	switch {
	case path == tlsDefault:
		return e.TLS.Default, true
	case path == httpDefault:
		return e.HTTP.Default, true
	case len(keys) == 3 && path.Within(tlsRoutes):
		t, ok = e.TLS.Routes[keys[2]]
	case len(keys) == 3 && path.Within(httpRoutes):
		t, ok = e.HTTP.Routes[keys[2]]
	case len(keys) == 2 && keys[0] == "tcp":
		t, ok = e.TCP[keys[1]]
	case len(keys) == 2 && keys[0] == "udp":
		t, ok = e.UDP[keys[1]]
	}
	return t, ok
}

// isTarget tells whether a target stands at a path.
func isTarget(path desired.Path) bool {
	_, ok := targetAt(aimed(path, desired.Target{}), path)
	return ok
}

// aimed is an edge that has one target alone; an empty one, if none stands at the path.
func aimed(path desired.Path, t desired.Target) *desired.Edge {
	e := new(desired.Edge)
	keys := path.Keys()
	switch {
	case path == tlsDefault:
		e.TLS.Default = t
	case path == httpDefault:
		e.HTTP.Default = t
	case len(keys) == 3 && path.Within(tlsRoutes):
		e.TLS.Routes = map[string]desired.Target{keys[2]: t}
	case len(keys) == 3 && path.Within(httpRoutes):
		e.HTTP.Routes = map[string]desired.Target{keys[2]: t}
	case len(keys) == 2 && keys[0] == "tcp":
		e.TCP = map[string]desired.Target{keys[1]: t}
	case len(keys) == 2 && keys[0] == "udp":
		e.UDP = map[string]desired.Target{keys[1]: t}
	}
	return e
}

// copyOf is an edge with the maps of its own; nil gives an empty one.
func copyOf(e *desired.Edge) *desired.Edge {
	out := new(desired.Edge)
	if e != nil {
		*out = *e
	}
	out.Edits = maps.Clone(out.Edits)
	own := func(m map[string]desired.Target) map[string]desired.Target {
		if m = maps.Clone(m); m == nil {
			m = make(map[string]desired.Target)
		}
		return m
	}
	out.TLS.Routes, out.HTTP.Routes = own(out.TLS.Routes), own(out.HTTP.Routes)
	out.TCP, out.UDP = own(out.TCP), own(out.UDP)
	if out.Upstreams = maps.Clone(out.Upstreams); out.Upstreams == nil {
		out.Upstreams = make(map[string]desired.Upstream)
	}
	return out
}

// move makes the value at a path that of another edge: what is not there is taken
// out.
func move(to, from *desired.Edge, path desired.Path) error {
	keys := path.Keys()
	target := func(m map[string]desired.Target, name string) error {
		if t, ok := targetAt(from, path); ok && t.Text != "" {
			m[name] = t
		} else {
			delete(m, name)
		}
		return nil
	}
	switch {
	case len(keys) == 3 && path.Within(upstreamsPath):
		return moveUpstream(to, from, keys[1], keys[2])
	case len(keys) == 3 && path.Within(tlsRoutes):
		return target(to.TLS.Routes, keys[2])
	case len(keys) == 3 && path.Within(httpRoutes):
		return target(to.HTTP.Routes, keys[2])
	case len(keys) == 2 && keys[0] == "tcp":
		return target(to.TCP, keys[1])
	case len(keys) == 2 && keys[0] == "udp":
		return target(to.UDP, keys[1])
	case path.Within(editsPath):
		if text, stays := from.Edits[keys[1]]; stays {
			to.Edits[keys[1]] = text
		} else {
			delete(to.Edits, keys[1])
		}
		return nil
	}
	switch path {
	case tlsDefault:
		to.TLS.Default = from.TLS.Default
	case httpDefault:
		to.HTTP.Default = from.HTTP.Default
	case "tls.listen":
		to.TLS.Listen = from.TLS.Listen
	case "http.listen":
		to.HTTP.Listen = from.HTTP.Listen
	case "tls.proxyProtocol.from":
		to.TLS.ProxyProtocol = from.TLS.ProxyProtocol
	case "http.proxyProtocol.from":
		to.HTTP.ProxyProtocol = from.HTTP.ProxyProtocol
	default:
		return fmt.Errorf("%s is nothing that an edge can do", path)
	}
	return nil
}

// moveUpstream makes one option of an upstream that of another edge. One whose last
// option goes, goes.
func moveUpstream(to, from *desired.Edge, name, option string) error {
	up, there := to.Upstreams[name]
	other, stays := from.Upstreams[name]
	if !stays {
		if option == "servers" {
			delete(to.Upstreams, name)
		}
		return nil
	}
	if !there {
		// The rest is as a new one has it, until its own fields say more.
		up.Connect, up.Idle = other.Connect, other.Idle
	}
	switch option {
	case "servers":
		up.Servers = other.Servers
	case "proxyProtocol":
		up.ProxyProtocol = other.ProxyProtocol
	case "keepalive":
		up.Keepalive = other.Keepalive
	case "connect":
		up.Connect = other.Connect
	case "idle":
		up.Idle = other.Idle
	default:
		return fmt.Errorf("upstreams.%s.%s is nothing that an edge can do", name, option)
	}
	to.Upstreams[name] = up
	return nil
}

// resolved is an edge with the addresses that are known; what is not known stays.
func resolved(e *desired.Edge, fact desired.Lookup) *desired.Edge {
	out := copyOf(e)
	target := func(t desired.Target) desired.Target {
		value, _ := t.Resolve(fact)
		if to, ok := value.(desired.Target); ok {
			return to
		}
		return t
	}
	out.TLS.Default, out.HTTP.Default = target(out.TLS.Default), target(out.HTTP.Default)
	for _, m := range []map[string]desired.Target{out.TLS.Routes, out.HTTP.Routes, out.TCP, out.UDP} {
		for name, t := range m {
			m[name] = target(t)
		}
	}
	for name, up := range out.Upstreams {
		value, _ := up.Servers.Resolve(fact)
		if servers, ok := value.(desired.Servers); ok {
			up.Servers = servers
		}
		out.Upstreams[name] = up
	}
	return out
}

// texts are the values of an edge, as fields say them.
func texts(e *desired.Edge) map[desired.Path]string {
	all := make(map[desired.Path]string)
	if e == nil {
		return all
	}
	for _, leaf := range desired.Leaves(desired.KindEdge, e) {
		all[leaf.Path] = desired.Text(leaf.Value)
	}
	return all
}
