package pvesim

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// seed makes the lab that the recordings come from (one node without KVM, two
// directory storages, one bridge, three tokens; recordings 00, 09 and 10 show it),
// and puts in what the first reads of this recording show.
func (r *replay) seed() {
	lab := []string{"iso", "vztmpl", "backup", "import", "images", "rootdir", "snippets"}
	r.c = New(Options{
		Seed: 7, Now: r.now, TaskTime: r.duration, Deaf: true, Bare: true, SyncLimit: time.Nanosecond, Lag: 10 * time.Second, MaxCPUs: 2, Memory: 25276510208,
		Storages: []Storage{
			{Name: "local", Type: "dir", Content: lab, Size: 270553174016},
			{Name: "data", Type: "dir", Content: []string{"images", "rootdir"}, Size: 270553174016},
		},
	})
	r.c.Downloads(r.download)
	r.seedSpace()
	r.token("root@pam", "lab", false)
	r.token("gitops@pve", "agent", true)
	r.token("ro@pve", "ro", false)
	r.c.lock()
	r.c.access.set(aclEntry{path: "/", kind: "user", id: "ro@pve", role: "PVEAuditor", propagate: true})
	r.c.unlock()
	r.c.AddVolume(Volume{ID: "local:vztmpl/debian-12-tiny_12.5-1_amd64.tar.gz", Size: 1032374})
	r.passwords()
	r.checksums()
	made := r.created()
	r.seedVolumes()
	for _, id := range slices.Sorted(maps.Keys(made)) {
		if s := made[id]; s.seed {
			r.seedGuest(id, s)
		}
	}
	r.given()
	r.c.lock()
	defer r.c.unlock()
	for _, s := range r.c.storages {
		for _, v := range s.volumes {
			v.counted = s.Used > 0
		}
	}
}

// seedSpace takes the used space of the lab's file system from the first reads;
// it holds what was on it before the recording, volumes too.
func (r *replay) seedSpace() {
	num := func(row map[string]any, keys ...string) int64 {
		for _, k := range keys {
			if n, ok := row[k].(float64); ok {
				return int64(n)
			}
		}
		return 0
	}
	var look func(v any) bool
	look = func(v any) bool {
		switch v := v.(type) {
		case []any:
			return slices.ContainsFunc(v, look)
		case map[string]any:
			if look(v["data"]) || look(v["members"]) {
				return true
			}
			used, total := num(v, "used", "disk"), num(v, "total", "maxdisk")
			if v["storage"] == nil || used == 0 {
				return false
			}
			r.c.lock()
			defer r.c.unlock()
			for _, s := range r.c.storages {
				s.Used = used
				if avail := num(v, "avail"); avail > 0 {
					s.Reserved = total - used - avail
				}
			}
			return true
		}
		return false
	}
	for _, e := range r.list {
		if e.Request != nil && look(e.Response.JSON) {
			return
		}
	}
}

func (r *replay) token(user, id string, privsep bool) {
	full := r.c.AddToken(user, id, privsep)
	name, secret, _ := strings.Cut(full, "=")
	r.secrets[name] = secret
}

// passwords are those with which the recording got tickets.
func (r *replay) passwords() {
	for _, e := range r.list {
		if e.Request != nil && strings.HasSuffix(e.Request.URL, "/access/ticket") && e.Response.Status == 200 {
			r.c.SetPassword(fmt.Sprint(e.Request.Form["username"]), fmt.Sprint(e.Request.Form["password"]))
		}
	}
}

// checksums pairs the sum of a downloaded file that was not kept with that of its
// stand-in, where the recorded download verified it.
func (r *replay) checksums() {
	for i, e := range r.list {
		if e.Request == nil || !strings.HasSuffix(e.Request.URL, "/download-url") || e.Request.Form["checksum"] == nil {
			continue
		}
		upid, _ := body(e)["data"].(string)
		for _, o := range r.list[i+1:] {
			if polled(o) != upid {
				continue
			}
			if d, _ := body(o)["data"].(map[string]any); d["exitstatus"] == "OK" {
				r.texts[fmt.Sprint(e.Request.Form["checksum"])] = sumOf(string(r.image()), fmt.Sprint(e.Request.Form["checksum-algorithm"]))
			}
		}
	}
}

// sight is what a recording tells of a guest that was there before it began.
type sight struct {
	seed    bool
	kind    string
	config  map[string]any // the first read of it
	pending []any
	row     map[string]any // the first row of a list
	running *bool
	set     map[string]bool // options that requests before the first read had set
}

var (
	guestURL    = regexp.MustCompile(`/nodes/\w+/(qemu|lxc)/(\d+)(/[^?]*)?`)
	createURL   = regexp.MustCompile(`/nodes/\w+/(qemu|lxc)/?$`)
	existsRE    = regexp.MustCompile(`(VM|CT) (\d+) already exists on node`)
	isRunningRE = regexp.MustCompile(`is running`)
	stoppedRE   = regexp.MustCompile(`^VM (\d+) is not running`)
)

// created walks the recording and finds the guests that it did not make itself.
func (r *replay) created() map[int]*sight {
	seen := map[int]*sight{}
	get := func(id int, kind string, seed bool) *sight {
		if seen[id] == nil {
			seen[id] = &sight{seed: seed, kind: kind, set: map[string]bool{}}
		}
		return seen[id]
	}
	for _, e := range r.list {
		if e.Request == nil {
			continue
		}
		ok := e.Response.Status == http.StatusOK && body(e)["success"] != 0.0
		if m := existsRE.FindStringSubmatch(e.Response.Reason); m != nil {
			get(atoi(m[2]), map[string]string{"VM": KindVM, "CT": KindCT}[m[1]], true)
		}
		if m := stoppedRE.FindStringSubmatch(e.Response.Reason); m != nil {
			get(atoi(m[1]), KindVM, true)
		}
		if m := createURL.FindStringSubmatch(e.Request.URL); m != nil && e.Request.Method == http.MethodPost && ok {
			get(atoi(fmt.Sprint(e.Request.Form["vmid"])), kindOf(m[1]), false)
		}
		if id := e.Request.Form["newid"]; id != nil && ok {
			get(atoi(fmt.Sprint(id)), KindVM, false)
		}
		if m := guestURL.FindStringSubmatch(e.Request.URL); m != nil {
			failedWrite := m[3] == "/config" && e.Request.Method == http.MethodPut && !strings.Contains(e.Response.Reason, "does not exist")
			if ok || failedWrite && seen[atoi(m[2])] == nil && e.Response.Status == http.StatusInternalServerError || isRunningRE.MatchString(e.Response.Reason) || strings.Contains(e.Response.Reason, "Permission check failed (/vms/"+m[2]+", VM.Config") {
				get(atoi(m[2]), kindOf(m[1]), true).look(e, m[3], ok)
			}
		}
		if ok && e.Request.Method == http.MethodGet {
			r.rows(body(e)["data"], e.Request.URL, get)
		}
	}
	return seen
}

func kindOf(api string) string {
	if api == "lxc" {
		return KindCT
	}
	return KindVM
}

// rows takes guests from the lists of nodes, clusters and pools.
func (r *replay) rows(data any, at string, get func(int, string, bool) *sight) {
	list, _ := data.([]any)
	for _, e := range list {
		row, ok := e.(map[string]any)
		if !ok {
			continue
		}
		r.rows(row["members"], at, get)
		id, isGuest := row["vmid"].(float64)
		if !isGuest || row["maxmem"] == nil {
			continue
		}
		kind := KindVM
		if row["type"] == "lxc" || strings.HasSuffix(at, "/lxc") {
			kind = KindCT
		}
		s := get(int(id), kind, true)
		if s.row == nil {
			s.row = row
		}
		if s.running == nil {
			on := row["status"] == "running"
			s.running = &on
		}
	}
}

// look takes what an exchange with a guest tells of it.
func (s *sight) look(e exchange, rest string, ok bool) {
	data := body(e)["data"]
	write := e.Request.Method != http.MethodGet
	switch {
	case isRunningRE.MatchString(e.Response.Reason) && s.running == nil:
		on := true
		s.running = &on
	case strings.HasPrefix(rest, "/status/") && write && s.running == nil:
		off := false
		if rest == "/status/suspend" || rest == "/status/stop" || rest == "/status/shutdown" {
			off = s.kind == KindCT
		}
		s.running = &off
	case rest == "/status/current" && s.running == nil:
		m, _ := data.(map[string]any)
		on := m["status"] == "running"
		s.running = &on
		if s.row == nil {
			s.row = m
		}
	case rest == "/config" && !write && s.config == nil && !strings.Contains(e.Request.URL, "?"):
		s.config, _ = data.(map[string]any)
	case rest == "/pending" && s.pending == nil && len(s.set) == 0:
		s.pending, _ = data.([]any)
	case write && s.config == nil && rest == "/config":
		for k, v := range e.Request.Form {
			// A drive that asks for a volume gets it even where a later one fails.
			_, _, makes := parseDrive(k, fmt.Sprint(v)).allocates()
			if ok && !isDrive(k) || isDrive(k) && makes {
				s.set[k] = true
			}
		}
	}
}

// given pairs every address that requests and first reads name with itself: ours
// are the same, since they were given.
func (r *replay) given() {
	keep := func(v any) {
		for _, m := range macRE.FindAllString(text(v), -1) {
			r.macs[m], r.taken[m] = m, true
		}
	}
	for _, e := range r.list {
		if e.Request != nil {
			keep(e.Request.Form)
		}
	}
	for _, g := range r.c.Guests() {
		keep(g.Config)
	}
}

func (r *replay) seedGuest(id int, s *sight) {
	g := Guest{Kind: s.kind, VMID: id, Config: map[string]string{}, Pending: map[string]string{}}
	switch {
	case s.pending != nil:
		for _, e := range s.pending {
			row, _ := e.(map[string]any)
			k := fmt.Sprint(row["key"])
			if v, ok := row["value"]; ok {
				g.Config[k] = plain(v)
			}
			if v, ok := row["pending"]; ok {
				g.Pending[k] = plain(v)
			}
			if row["delete"] != nil {
				g.PendingDelete = append(g.PendingDelete, k)
			}
		}
		// Scrubbed in lists of pending changes, kept elsewhere.
		if v, ok := s.config["vmgenid"]; ok && g.Config["vmgenid"] != "" {
			g.Config["vmgenid"] = plain(v)
		}
	case s.config != nil:
		for k, v := range s.config {
			if !s.set[k] {
				g.Config[k] = plain(v)
			}
		}
		if t, ok := s.row["tags"].(string); ok && s.set["tags"] {
			g.Config["tags"] = t
		}
	case s.row != nil:
		s.fromRow(id, g.Config)
	}
	for _, k := range []string{"digest", "lock", "snaptime"} {
		delete(g.Config, k)
	}
	if d, ok := g.Config["cipassword"]; ok && strings.HasPrefix(d, "*") {
		g.Config["cipassword"] = "unknown"
	}
	for _, e := range r.list {
		// A slot that a reassigned disk came to was empty before.
		if e.Request != nil && fmt.Sprint(e.Request.Form["target-vmid"]) == itoa(id) {
			delete(g.Config, fmt.Sprint(e.Request.Form["target-disk"]))
		}
	}
	if p := g.Config["parent"]; p != "" {
		delete(g.Config, "parent")
	}
	g.Running = s.running != nil && *s.running
	r.c.AddGuest(g)
}

func plain(v any) string {
	switch v := v.(type) {
	case float64:
		return trimFloat(v)
	case string:
		return strings.TrimSuffix(v, " ")
	}
	return fmt.Sprint(v)
}

// fromRow makes a configuration that a list would show so.
func (s *sight) fromRow(id int, conf map[string]string) {
	name := "name"
	if s.kind == KindCT {
		name = "hostname"
	}
	num := func(k string) float64 {
		n, _ := s.row[k].(float64)
		return n
	}
	conf[name] = fmt.Sprint(s.row["name"])
	conf["memory"] = trimFloat(num("maxmem") / (1 << 20))
	conf["cores"] = trimFloat(max(num("cpus"), num("maxcpu")))
	if t, ok := s.row["tags"].(string); ok {
		conf["tags"] = t
	}
	if num("template") == 1 {
		conf["template"] = "1"
	}
	if num("serial") == 1 {
		conf["serial0"] = "socket"
	}
	if n := num("maxdisk"); n > 0 && s.kind == KindVM {
		conf["scsi0"] = fmt.Sprintf("local:%d/vm-%d-disk-0.raw,size=%s", id, id, formatSize(int64(n)))
		conf["boot"] = "order=scsi0"
	}
}

// seedVolumes puts in the volumes that a first listing shows with a time before
// the recording began.
func (r *replay) seedVolumes() {
	var began time.Time
	listed := map[string]bool{}
	for _, e := range r.list {
		if e.Request == nil {
			continue
		}
		if began.IsZero() {
			for _, h := range e.Response.Headers {
				if h[0] == "Date" {
					began, _ = http.ParseTime(h[1])
				}
			}
		}
		rows, _ := body(e)["data"].([]any)
		for _, x := range rows {
			row, _ := x.(map[string]any)
			id, ok := row["volid"].(string)
			ctime, _ := row["ctime"].(float64)
			if !ok || listed[id] || int64(ctime) >= began.Unix() {
				continue
			}
			listed[id] = true
			size, _ := row["size"].(float64)
			used, _ := row["used"].(float64)
			r.c.AddVolume(Volume{ID: id, Size: int64(size), Used: int64(used)})
		}
	}
}
