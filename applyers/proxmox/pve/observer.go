package pve

import (
	"net/http"
	"strings"
	"time"
)

// Request is one that was sent, as whoever watches the API learns of it.
type Request struct {
	// Site is the name of the site.
	Site, Method string
	// Path is the kind of path, as in "/nodes/{node}/qemu/{vmid}/config": it holds no name
	// and no number. One that this package does not know is [OtherPath].
	Path string
	// Status is that of the answer; 0 if none came.
	Status int
	Took   time.Duration
}

// Observer is told of each request once it is over, repeated ones each time. It comes back
// at once, and may be called by many at once.
type Observer func(Request)

// OtherPath stands for all paths that [PathKind] does not know.
const OtherPath = "other"

// kinds are the paths that there are, without what differs from guest to guest: a word in
// braces stands for one part, {volume} for all that is left. Where two fit, the first does.
var kinds = []string{
	"/access/permissions",
	"/access/users/{user}",
	"/access/users/{user}/token/{token}",
	"/cluster/ha/resources",
	"/cluster/ha/resources/{sid}",
	"/cluster/log",
	"/cluster/nextid",
	"/cluster/options",
	"/cluster/resources",
	"/cluster/status",
	"/cluster/tasks",
	"/nodes",
	"/nodes/{node}/lxc",
	"/nodes/{node}/lxc/{vmid}",
	"/nodes/{node}/lxc/{vmid}/clone",
	"/nodes/{node}/lxc/{vmid}/config",
	"/nodes/{node}/lxc/{vmid}/interfaces",
	"/nodes/{node}/lxc/{vmid}/migrate",
	"/nodes/{node}/lxc/{vmid}/move_volume",
	"/nodes/{node}/lxc/{vmid}/pending",
	"/nodes/{node}/lxc/{vmid}/resize",
	"/nodes/{node}/lxc/{vmid}/status/{verb}",
	"/nodes/{node}/lxc/{vmid}/template",
	"/nodes/{node}/network",
	"/nodes/{node}/qemu",
	"/nodes/{node}/qemu/{vmid}",
	"/nodes/{node}/qemu/{vmid}/agent/{verb}",
	"/nodes/{node}/qemu/{vmid}/clone",
	"/nodes/{node}/qemu/{vmid}/cloudinit",
	"/nodes/{node}/qemu/{vmid}/config",
	"/nodes/{node}/qemu/{vmid}/migrate",
	"/nodes/{node}/qemu/{vmid}/move_disk",
	"/nodes/{node}/qemu/{vmid}/pending",
	"/nodes/{node}/qemu/{vmid}/resize",
	"/nodes/{node}/qemu/{vmid}/status/{verb}",
	"/nodes/{node}/qemu/{vmid}/template",
	"/nodes/{node}/qemu/{vmid}/unlink",
	"/nodes/{node}/status",
	"/nodes/{node}/storage",
	"/nodes/{node}/storage/{storage}/content",
	"/nodes/{node}/storage/{storage}/content/{volume}",
	"/nodes/{node}/storage/{storage}/download-url",
	"/nodes/{node}/storage/{storage}/status",
	"/nodes/{node}/storage/{storage}/upload",
	"/nodes/{node}/tasks",
	"/nodes/{node}/tasks/{upid}",
	"/nodes/{node}/tasks/{upid}/log",
	"/nodes/{node}/tasks/{upid}/status",
	"/pools",
	"/pools/{pool}",
	"/storage",
	"/storage/{storage}",
	"/version",
}

// PathKind is the kind of an API path, which may begin with /api2/json and end with a
// query. There is but a fixed number of kinds, whatever Proxmox or manifests say.
func PathKind(path string) string {
	path, _, _ = strings.Cut(strings.TrimPrefix(path, "/api2/json"), "?")
	for _, kind := range kinds {
		if isKind(path, kind) {
			return kind
		}
	}
	return OtherPath
}

func isKind(path, kind string) bool {
	for kind != "" {
		if path == "" || path[0] != '/' {
			return false
		}
		var want, is string
		want, kind = part(kind)
		if want == "{volume}" || want == "{pool}" {
			return len(path) > 1
		}
		is, path = part(path)
		if is == "" || want[0] != '{' && is != want {
			return false
		}
	}
	return path == ""
}

// part takes the first part off a path that begins with a slash.
func part(path string) (first, rest string) {
	path = path[1:]
	if at := strings.IndexByte(path, '/'); at >= 0 {
		return path[:at], path[at:]
	}
	return path, ""
}

// observe tells who watches of one request.
func (w *wire) observe(req *http.Request, began time.Time, res *http.Response, err error) {
	if w.observer == nil {
		return
	}
	status := Status(err)
	if res != nil {
		status = res.StatusCode
	}
	w.observer(Request{Site: w.site, Method: req.Method, Path: PathKind(req.URL.EscapedPath()), Status: status, Took: time.Since(began)})
}
