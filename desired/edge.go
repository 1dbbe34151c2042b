package desired

// Edge is the document of kind Edge: an nginx that passes TLS on by SNI, and
// what else comes in from outside.
type Edge struct {
	// Name is what expose says in via.
	Name string `yaml:"name" default:"required" example:"edge"`
	// Description is for people.
	Description string `yaml:"description" example:"what the router forwards to"`
	// At is where nginx runs: local, the agent's own host, or a guest or Host that
	// is reached by SSH. Two edges on one machine need files and ports of their own.
	At string `yaml:"at" default:"local" example:"vm/web-1"`
	// Nginx is where nginx keeps its files, and how it is tested and reloaded.
	Nginx Nginx `yaml:"nginx" default:"Debian's ways"`
	// Upstreams are targets by name, for what is used twice or has options. A guest
	// that exposes a name with proxyProtocol gets one of its own, called GUEST.PORT.
	Upstreams map[string]Upstream `yaml:"upstreams" drift:"online" exact:"yes" keys:"upstream" example:"{lab: {servers: [\"vm/web-1:443\"], proxyProtocol: true}}"`
	// TLS are the names on port 443, and where they go; by SNI, unopened.
	TLS EdgeTLS `yaml:"tls" exact:"yes" zero:"none" example:"{default: reject, routes: {git.example.com: \"vm/web-1:443\"}}"`
	// HTTP is the twin on port 80: the same names in clear, which may go elsewhere.
	// Where default is redirect that is all it needs. Else each name of tls needs one
	// here, or one above it that stands for it, so that none goes to default unseen.
	HTTP EdgeHTTP `yaml:"http" exact:"yes" zero:"none" example:"{default: redirect}"`
	// TCP are further ports, or address:port, and where each goes: kind/name:port,
	// address:port, or an upstream.
	TCP map[string]Target `yaml:"tcp" drift:"online" exact:"yes" keys:"listen" example:"{25: \"10.1.1.9:25\"}"`
	// UDP are further ports, or address:port, and where each goes, as those of tcp.
	UDP map[string]Target `yaml:"udp" drift:"online" exact:"yes" keys:"listen" example:"{3478: \"10.1.1.10:3478\"}"`
	// Probe is how names are asked after a change.
	Probe Probe `yaml:"probe"`
	// Ignore are fields, by dotted path, that Berth lets go: live may differ.
	Ignore List `yaml:"ignore" example:"[tls.routes]"`
	// Early holds the paths of the names that are routed as soon as their guests are
	// ready, whether or not playbooks have run there.
	Early map[Path]bool `yaml:"-"`
	// Edits are what people changed in the managed files that no other field shows, by
	// file and line. A manifest has none: what is live is to go.
	Edits map[string]string `yaml:"-" path:"edits" drift:"online" exact:"yes"`
}

// Nginx is where an edge's nginx keeps what Berth manages, and how it is
// tested and reloaded; Debian's ways unless set.
type Nginx struct {
	// Stream is the one managed file that nginx's stream block includes.
	Stream string `yaml:"stream" form:"path" default:"/etc/nginx/berth/stream.conf" example:"/etc/nginx/berth/stream.conf"`
	// HTTP is the one managed file that nginx's http block includes.
	HTTP string `yaml:"http" form:"path" default:"/etc/nginx/berth/http.conf" example:"/etc/nginx/berth/http.conf"`
	// Config is nginx's main file; in a container, the container's.
	Config string `yaml:"config" form:"path" default:"/etc/nginx/nginx.conf" example:"/etc/nginx/nginx.conf"`
	// Test is the command that tests a configuration.
	Test List `yaml:"test" list:"replace" default:"[nginx, -t]" example:"[nginx, -t]"`
	// Reload is the command that makes nginx take it. The default does with systemd
	// and without, as in a container.
	Reload List `yaml:"reload" list:"replace" default:"[nginx, -s, reload]" example:"[systemctl, reload, nginx]"`
	// Container is the container that nginx runs in: it is tested and reloaded
	// there, and sees the managed files by a mount of their directory.
	Container string `yaml:"container" form:"dotted" example:"nginx"`
	// Engine is what runs that container.
	Engine string `yaml:"engine" enum:"docker|podman" default:"docker" example:"podman"`
	// Sudo writes, tests and reloads by sudo.
	Sudo *bool `yaml:"sudo" default:"true unless the user is root" example:"false"`
}

// Upstream is a target by name: servers, and how they are spoken to.
type Upstream struct {
	// Servers take connections in turn, by weight: each kind/name:port, address:port
	// (IPv6 in brackets), or a map with options. Their order means nothing.
	Servers Servers `yaml:"servers" drift:"online" default:"required" example:"[\"vm/web-1:443\", {to: \"vm/db-1:443\", backup: true}]"`
	// ProxyProtocol tells the servers who asks, by a PROXY header, which they must
	// expect. Not for http, which tells it in X-Forwarded-For, and not for udp.
	ProxyProtocol bool `yaml:"proxyProtocol" drift:"online" default:"false" example:"true"`
	// Keepalive is how many idle connections each worker keeps; for http alone.
	Keepalive int `yaml:"keepalive" form:"natural" drift:"online" default:"0" example:"32"`
	// Connect is how long a server may take to accept.
	Connect Duration `yaml:"connect" drift:"online" default:"5s" example:"2s"`
	// Idle is how long a connection may be silent.
	Idle Duration `yaml:"idle" drift:"online" default:"10m" example:"1h"`
}

// EdgeTLS is the port-443 side: names to targets, by SNI. The zero value is none.
type EdgeTLS struct {
	// Listen are ports, on all addresses of the machine, or address:port.
	Listen List `yaml:"listen" list:"replace" drift:"online" default:"[443]" example:"[443]"`
	// ProxyProtocol takes who asks from the proxy before this one.
	ProxyProtocol Trust `yaml:"proxyProtocol" example:"{from: [10.0.0.0/8]}"`
	// Default gets what no route names, and who names nothing: kind/name:port,
	// address:port, an upstream, or reject, which closes the connection.
	Default Target `yaml:"default" drift:"online" default:"required" example:"reject"`
	// Routes are names, or .apex for the name and all below it, or *.name for all
	// below it, and where each goes, as default. The name itself wins over these, and
	// of these the longest. A guest's expose adds routes. A file may have 1 MiB, which is
	// some 20,000 names.
	Routes map[string]Target `yaml:"routes" drift:"online" exact:"yes" keys:"route" example:"{.lab.example.net: \"vm/web-1:443\"}"`
}

// EdgeHTTP is the port-80 side: names to targets, by Host. The zero value is none.
type EdgeHTTP struct {
	// Listen are ports, or address:port.
	Listen List `yaml:"listen" list:"replace" drift:"online" default:"[80]" example:"[80]"`
	// ProxyProtocol takes who asks from the proxy before this one.
	ProxyProtocol Trust `yaml:"proxyProtocol" example:"{from: [10.0.0.0/8]}"`
	// Default gets what no route names: as that of tls, or redirect, which sends to
	// the same name by https.
	Default Target `yaml:"default" drift:"online" default:"required" example:"redirect"`
	// Routes are as those of tls.
	Routes map[string]Target `yaml:"routes" drift:"online" exact:"yes" keys:"route" example:"{.lab.example.net: \"vm/web-1:80\"}"`
}

// Trust is the PROXY protocol on a listener. The zero value does without.
type Trust struct {
	// From are the addresses of the proxies that are believed. Everybody else must
	// send the header, too, but stands under their own address.
	From List `yaml:"from" drift:"online" list:"replace" default:"required" example:"[10.0.0.0/8]"`
}

// Probe is how names are asked after a change, each by a ClientHello of its own.
type Probe struct {
	// Timeout is how long an answer may take.
	Timeout Duration `yaml:"timeout" default:"3s" example:"10s"`
	// Sample is how many of the names that did not change are asked, too.
	Sample int `yaml:"sample" form:"natural" default:"20" example:"100"`
}
