package desired

import "fmt"

// Edge is the document of kind Edge: an nginx that passes TLS on by SNI.
type Edge struct {
	// Name is what expose says in via.
	Name string `yaml:"name" default:"required" example:"edge"`
	// Description is for people.
	Description string `yaml:"description" example:"what the router forwards to"`
	// At is where nginx runs: local, the agent's own host.
	At string `yaml:"at" default:"local" example:"local"`
	// Nginx is where nginx keeps its files, and how it is tested and reloaded.
	Nginx Nginx `yaml:"nginx" default:"Debian's ways"`
	// TLS are the names, and where they go.
	TLS EdgeTLS `yaml:"tls" default:"required" example:"{default: reject, routes: {git.example.com: \"vm/web-1:443\"}}"`
	// Ignore are fields, by dotted path, that Berth lets go: live may differ.
	Ignore List `yaml:"ignore" example:"[tls.routes]"`

	// Upstreams are targets with options, by name.
	Upstreams *Later `yaml:"upstreams" later:"named upstreams are not built yet: write the target at the route"`
	// HTTP is the twin on port 80.
	HTTP *Later `yaml:"http" later:"the port-80 twin is not built yet: leave it out"`
	// TCP are further ports.
	TCP *Later `yaml:"tcp" later:"extra TCP ports are not built yet: leave them out"`
	// UDP are further ports.
	UDP *Later `yaml:"udp" later:"extra UDP ports are not built yet: leave them out"`
	// Probe asks each name after a change.
	Probe *Later `yaml:"probe" later:"probes are not built yet: leave it out"`
}

// Nginx is where an edge's nginx keeps what Berth manages, and how it is
// tested and reloaded; Debian's ways unless set.
type Nginx struct {
	// Stream is the one managed file, included by nginx's stream block.
	Stream string `yaml:"stream" form:"path" default:"/etc/nginx/berth/stream.conf" example:"/etc/nginx/berth/stream.conf"`
	// Config is nginx's main file.
	Config string `yaml:"config" form:"path" default:"/etc/nginx/nginx.conf" example:"/etc/nginx/nginx.conf"`
	// Test is the command that tests a configuration.
	Test List `yaml:"test" list:"replace" default:"[nginx, -t]" example:"[nginx, -t]"`
	// Reload is the command that makes nginx take it.
	Reload List `yaml:"reload" list:"replace" default:"[nginx, -s, reload]" example:"[systemctl, reload, nginx]"`

	// HTTP is the managed file of the twin on port 80.
	HTTP *Later `yaml:"http" later:"the port-80 twin is not built yet: leave it out"`
	// Container is the container that nginx runs in.
	Container *Later `yaml:"container" later:"nginx in a container is not built yet: use a local one"`
	// Engine is what runs that container.
	Engine *Later `yaml:"engine" later:"nginx in a container is not built yet: use a local one"`
	// Sudo tests and reloads as root.
	Sudo *Later `yaml:"sudo" later:"a local nginx is tested and reloaded as the agent's own user: leave it out"`
}

// EdgeTLS is the port-443 side: names to targets, by SNI.
type EdgeTLS struct {
	// Listen are ports, or address:port.
	Listen List `yaml:"listen" list:"replace" drift:"online" default:"[443]" example:"[443]"`
	// Default gets what no route names; reject closes the connection.
	Default Target `yaml:"default" drift:"online" default:"required" example:"reject"`
	// Routes are names, or .apex for the name and all below it, and where each
	// goes. A guest's expose adds routes.
	Routes map[string]Target `yaml:"routes" drift:"online" exact:"yes" keys:"route" example:"{.lab.example.net: \"vm/web-1:443\"}"`

	// ProxyProtocol takes from a proxy before this one who asks.
	ProxyProtocol *Later `yaml:"proxyProtocol" later:"PROXY protocol is not built yet: leave it out"`
}

// Target is where a route goes: "vm/web-1:443", "host/nas:443",
// "10.1.1.9:443" or "reject". Its address may be known only once the guest
// stands.
type Target struct {
	Text string
}

// Equal tells whether both say the same.
func (t Target) Equal(other Target) bool { return t == other }

// String is the text.
func (t Target) String() string { return t.Text }

// Resolve turns a guest into its address.
func (t Target) Resolve(fact Lookup) (leaf any, from string) {
	id, port, ok := t.Guest()
	if !ok {
		return t, ""
	}
	addr, known := fact(id, FactAddress)
	if !known {
		return t, string(id) + " " + FactAddress
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

// check that the interface is met where it is used.
var _ Deferred = Target{}

// GoString keeps test failures readable.
func (t Target) GoString() string { return fmt.Sprintf("Target(%q)", t.Text) }
