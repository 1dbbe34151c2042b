//go:build linux

package deploy_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/applyers/proxmox/pvesim"
	"berth/deploy/internal/standin"
)

// TestEndToEnd runs the agent as a process among real parts: git pushes over
// HTTP, ansible-playbook configures over SSH, nginx routes TLS. Proxmox alone is
// simulated. What happened, and in which order, is told by the logs of the
// others, never by the agent.
func TestEndToEnd(t *testing.T) {
	t.Parallel()
	standin.Net(t) // Skips, or fails, before anything is built.
	components(t)
	binary := buildAgent(t)
	t.Run("loop", func(t *testing.T) {
		t.Parallel()
		testLoop(t, binary)
	})
	for _, end := range ends {
		t.Run(end.name+" while a guest is made", func(t *testing.T) {
			t.Parallel()
			testEndInTask(t, binary, end)
		})
		t.Run(end.name+" while a playbook runs", func(t *testing.T) {
			t.Parallel()
			testEndInPlaybook(t, binary, end)
		})
	}
}

// testLoop takes a fleet of two guests through its life.
func testLoop(t *testing.T, binary string) {
	w := newWorld(t, pvesim.Options{})
	w.cluster.AddGuest(pvesim.Guest{Kind: pvesim.KindCT, VMID: 150, Running: true, Config: map[string]string{
		"hostname": "stranger", "memory": "512", "tags": "berth.e2e", "rootfs": "local-lvm:vm-150-disk-0,size=2G",
	}})
	stranger, _ := w.cluster.Guest(150)
	w.pages(t, binary)
	w.agent.start(t)
	w.visitors = map[int]*visitor{web: w.edge.visitor(t, webName), blog: w.edge.visitor(t, blogName)}

	for _, phase := range []struct {
		name string
		run  func(t *testing.T)
	}{{"first push", w.first}, {"change", w.change}, {"removal", w.remove}, {"revert", w.restore}, {"rest", w.quiet}} {
		if !t.Run(phase.name, phase.run) {
			t.FailNow()
		}
	}
	if now, _ := w.cluster.Guest(150); cmp.Diff(stranger, now) != "" {
		t.Errorf("a guest that is not ours was changed: %s", cmp.Diff(stranger, now))
	}
}

const (
	webName, webAddress   = "web.example.test", "10.77.1.11:443"
	blogName, blogAddress = "blog.example.test", "10.77.1.12:443"
)

// shows waits until a name leads to the guest itself, with its page.
func (w *world) shows(t *testing.T, name string, vmid int, page string) {
	t.Helper()
	eventually(t, 40*time.Second, name+" shows "+page, func() error {
		text, certificate, err := w.edge.page(t.Context(), name)
		switch {
		case err != nil:
			return err
		case strings.TrimSpace(text) != page:
			return fmt.Errorf("it shows %q", text)
		}
		own, err := w.machines.host(vmid).ReadFile("/srv/certificate.pem")
		if err == nil && !isCertificate(own, certificate.Raw) {
			err = fmt.Errorf("%q answers, not guest %d", certificate.Subject.CommonName, vmid)
		}
		return err
	})
}

// first pushes the fleet to an empty cluster: a push makes guests, configures
// them and routes to them, in this order.
func (w *world) first(t *testing.T) {
	began := w.clone.push(t, "Two pages")
	w.shows(t, webName, web, "web, first edition")
	w.shows(t, blogName, blog, "blog, first edition")
	fetched := w.cluster.wrote(t, began, "POST", "/nodes/pve1/storage/local/download-url", "url="+imageURL, "content=vztmpl")
	for _, g := range []struct {
		vmid          int
		name, address string
	}{{web, webName, webAddress}, {blog, blogName, blogAddress}} {
		begun, ended := w.machines.ran(t, g.vmid, 1)
		runs := w.playbooks(t, 1)
		w.oneTurn(t, w.remote.fetched(t, began), w.edge.routed(t, g.name, g.address, began))
		inOrder(t,
			w.remote.pushed(t, began), w.remote.fetched(t, began), fetched,
			w.cluster.wrote(t, began, "POST", "/nodes/pve1/lxc", fmt.Sprint("vmid=", g.vmid), "ostemplate=local:vztmpl/", "memory=256"),
			w.cluster.wrote(t, began, "POST", fmt.Sprintf("/nodes/pve1/lxc/%d/status/start", g.vmid)),
			w.machines.booted(t, g.vmid, 1), runs[0], begun, ended,
			w.edge.routed(t, g.name, g.address, began),
		)
	}
}

// oneTurn fails the test where the agent has looked at Proxmox again before it
// came from one event to another: something was left for another turn.
func (w *world) oneTurn(t *testing.T, from, to event) {
	t.Helper()
	looks := 0
	for _, r := range w.cluster.Requests() {
		// The version is asked for when a turn begins, and again when it looks at what
		// it has done.
		if r.Path == "/version" && r.Time.After(from.at) && r.Time.Before(to.at) {
			looks++
		}
	}
	if looks < 1 || looks > 2 {
		t.Errorf("from %q to %q the agent looks at Proxmox %d times", from.what, to.what, looks)
	}
}

// playbooks tells when ansible-playbook was started, which is to be so often.
func (w *world) playbooks(t *testing.T, n int) []event {
	t.Helper()
	var all []event
	for i, at := range w.agent.playbooks(t) {
		all = append(all, event{fmt.Sprintf("start %d of ansible-playbook", i+1), at})
	}
	if len(all) != n {
		t.Fatalf("ansible-playbook was started %d times, not %d: %v", len(all), n, all)
	}
	return all
}

// change pushes more memory for one guest and another page for both.
func (w *world) change(t *testing.T) {
	w.clone.replace(t, "guests/web.yaml", "uses: [page]", "uses: [page]\nmemory: 384MiB")
	w.clone.replace(t, "ansible/page.txt.j2", "first", "second")
	began := w.clone.push(t, "Give web more memory, and print the second edition")
	w.shows(t, webName, web, "web, second edition")
	w.shows(t, blogName, blog, "blog, second edition")
	begun, _ := w.machines.ran(t, web, 2)
	grown := w.cluster.wrote(t, began, "PUT", fmt.Sprintf("/nodes/pve1/lxc/%d/config", web), "memory=384")
	inOrder(t, w.remote.pushed(t, began), w.remote.fetched(t, began), grown, w.playbooks(t, 2)[1], begun)
	w.oneTurn(t, w.remote.fetched(t, began), begun)
	w.machines.ran(t, blog, 2)
	if all := w.cluster.writes(began); len(all) != 1 {
		t.Errorf("more memory for one guest is one write, not:\n%s", listed(all))
	}
	w.visitors[web].only(t, "web", began, time.Now())
	w.visitors[blog].only(t, "blog", began, time.Now())
	if g, _ := w.cluster.Guest(web); g.Config["memory"] != "384" || !g.Running || len(g.Pending) > 0 {
		t.Errorf("guest %d: %+v", web, g)
	}
}

// remove pushes that web is gone: its name leads nowhere before it is stopped
// and put away.
func (w *world) remove(t *testing.T) {
	before, _ := w.cluster.Guest(web)
	w.clone.git(t, "rm", "--quiet", "guests/web.yaml")
	began := w.clone.push(t, "Retire web")
	eventually(t, 20*time.Second, "web is archived", func() error {
		g, ok := w.cluster.Guest(web)
		switch tags := strings.Split(g.Config["tags"], ";"); {
		case !ok:
			t.Fatal("web was destroyed")
		case g.Running || !slices.Contains(tags, "berth-archived"):
			return fmt.Errorf("running %t, tags %s", g.Running, tags)
		}
		return nil
	})
	config := fmt.Sprintf("/nodes/pve1/lxc/%d/", web)
	last, nowhere := w.edge.drained(t, webName, webAddress, began)
	stopped := w.cluster.wrote(t, began, "POST", config+"status/shutdown")
	inOrder(t, last, stopped)
	archived := w.cluster.wrote(t, began, "PUT", config+"config", "onboot=0", "tags=berth-archived")
	inOrder(t, w.remote.pushed(t, began), w.remote.fetched(t, began), nowhere, stopped, archived)
	w.oneTurn(t, w.remote.fetched(t, began), archived)
	if all := w.cluster.writes(began); len(all) != 2 {
		t.Errorf("to archive is a shutdown and a mark, not:\n%s", listed(all))
	}
	w.visitors[blog].only(t, "blog", began, time.Now())
	g, _ := w.cluster.Guest(web)
	if g.Config["onboot"] != "0" || !strings.Contains(g.Config["description"], "archived=") || g.Config["rootfs"] != before.Config["rootfs"] {
		t.Errorf("archived: %v", g.Config)
	}
	if _, err := w.machines.host(web).ReadFile("/etc/hostname"); err == nil {
		t.Error("the machine of web is still on")
	}
}

// restore reverts the commit that removed web: the very guest comes back, with
// all that the playbook made of it, and its name leads to it again.
func (w *world) restore(t *testing.T) {
	archived, _ := w.cluster.Guest(web)
	began := time.Now()
	w.clone.git(t, "revert", "--no-edit", "HEAD")
	w.clone.git(t, "push", "--quiet", "origin", "HEAD:main")
	w.shows(t, webName, web, "web, second edition")
	of := fmt.Sprintf("/nodes/pve1/lxc/%d/", web)
	inOrder(t, w.remote.pushed(t, began), w.remote.fetched(t, began),
		w.cluster.wrote(t, began, "PUT", of+"config", "onboot=1"),
		w.cluster.wrote(t, began, "POST", of+"status/start"),
		w.machines.booted(t, web, 2),
		w.edge.routed(t, webName, webAddress, began))
	w.oneTurn(t, w.remote.fetched(t, began), w.edge.routed(t, webName, webAddress, began))
	if all := w.cluster.writes(began); len(all) != 3 {
		t.Errorf("to restore is a mark, a start and a mark that it is ready, not:\n%s", listed(all))
	}
	w.visitors[blog].only(t, "blog", began, time.Now())
	g, _ := w.cluster.Guest(web)
	if g.Config["rootfs"] != archived.Config["rootfs"] || g.Config["net0"] != archived.Config["net0"] || g.Config["memory"] != "384" {
		t.Errorf("restored: %v, archived: %v", g.Config, archived.Config)
	}
	if strings.Contains(g.Config["tags"], "berth-archived") || strings.Contains(g.Config["description"], "archived=") {
		t.Errorf("restored, yet marked: %v", g.Config)
	}
	w.machines.ran(t, web, 2) // It is no new guest, so nothing is due on it.
	w.playbooks(t, 2)
}

// quiet shows that nothing is left to do, and that to find this out nothing is
// written anywhere.
func (w *world) quiet(t *testing.T) {
	// The turn that has restored web ends, and looks at its work.
	w.twoSweeps(t)
	state := filepath.Join(w.agent.dir, "state")
	began, before := time.Now(), files(t, state, w.edge.dir+"/berth", w.edge.dir+"/nginx.conf", w.edge.dir+"/error.log")
	w.twoSweeps(t)
	out, code := w.agent.run(t, "drift")
	if code != 0 || !strings.Contains(out, "no differences") {
		t.Errorf("agent drift ends with %d and says:\n%s", code, out)
	}
	if all := w.cluster.writes(began); len(all) > 0 {
		t.Errorf("a turn with nothing to do writes to Proxmox:\n%s", listed(all))
	}
	if diff := cmp.Diff(before, files(t, state, w.edge.dir+"/berth", w.edge.dir+"/nginx.conf", w.edge.dir+"/error.log")); diff != "" {
		t.Errorf("a turn with nothing to do writes to the disk, or to nginx:\n%s", diff)
	}
	w.playbooks(t, 2)
	polled := false
	for _, q := range w.remote.log(began) {
		polled = polled || q.user == agentUser
		if q.method != http.MethodGet {
			t.Errorf("with no new commit the agent asks Git for %s %s", q.method, q.service)
		}
	}
	if !polled {
		t.Error("the agent does not ask Git for a new commit")
	}
}

// twoSweeps waits until the agent has looked at everything twice more: the second
// time has begun after this was asked, and what was under way then has ended.
func (w *world) twoSweeps(t *testing.T) {
	t.Helper()
	began := time.Now()
	eventually(t, 20*time.Second, "the agent sweeps twice", func() error {
		seen := 0
		for _, r := range w.cluster.Requests() {
			// Proxmox is asked for its version once a turn.
			if r.Time.After(began) && r.Path == "/version" {
				seen++
			}
		}
		if seen < 2 {
			return fmt.Errorf("%d times so far", seen)
		}
		return nil
	})
}
