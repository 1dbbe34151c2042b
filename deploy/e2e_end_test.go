//go:build linux

package deploy_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"berth/applyers/proxmox/pvesim"
)

// end is a way in which the agent ends in the middle of a plan.
type end struct {
	name   string
	signal syscall.Signal
}

var ends = []end{{"told to stop", syscall.SIGTERM}, {"killed", syscall.SIGKILL}}

// end ends an agent within the time that it may take.
func (how end) end(t *testing.T, p *process) {
	t.Helper()
	if how.signal == syscall.SIGTERM {
		p.stop(t, 2*time.Second)
	} else {
		p.signal(t, how.signal, 2*time.Second)
	}
}

// createTime is how long the first creation lasts: longer than the agent may
// take to end and to come back.
const createTime = 5 * time.Second

// testEndInTask ends the agent while Proxmox creates its first container, and
// starts another at once. It takes the creation up where it stands, and does the
// rest.
func testEndInTask(t *testing.T, binary string, how end) {
	var created atomic.Bool
	w := newWorld(t, pvesim.Options{TaskTime: func(kind string) time.Duration {
		if kind == "vzcreate" && !created.Swap(true) {
			return createTime
		}
		return 50 * time.Millisecond
	}})
	w.install(t, binary, "")
	w.manifests(t, "testdata/e2e/chain", nil)
	began := w.clone.push(t, "Three guests in a row")
	first := w.agent.start(t)
	creation := w.creates(t)
	how.end(t, first)
	if w.task(creation).Ended != (time.Time{}) {
		t.Fatal("the creation had ended before the agent; this tells nothing")
	}
	back := time.Now()
	w.agent.start(t)
	eventually(t, 30*time.Second, "all guests run", func() error {
		for vmid := 3001; vmid <= 3003; vmid++ {
			if g, _ := w.cluster.Guest(vmid); !g.Running {
				return fmt.Errorf("guest %d does not run", vmid)
			}
		}
		return nil
	})
	w.twoSweeps(t)

	task := w.task(creation)
	if task.Exit != "OK" {
		t.Errorf("the creation, left alone, ends with %q", task.Exit)
	}
	awaited := false
	for _, r := range w.cluster.Requests() {
		awaited = awaited || r.Time.After(back) && r.Time.Before(task.Ended) && strings.HasSuffix(r.Path, "/tasks/"+creation+"/status")
	}
	if !awaited {
		t.Error("the second agent does not wait for the task that the first has left")
	}
	last := event{"the creation that was left ends", task.Ended}
	for vmid := 3001; vmid <= 3003; vmid++ {
		made := w.cluster.wrote(t, began, http.MethodPost, "/nodes/pve1/lxc", fmt.Sprint("vmid=", vmid))
		started := w.cluster.wrote(t, began, http.MethodPost, fmt.Sprintf("/nodes/pve1/lxc/%d/status/start", vmid))
		if vmid == 3001 {
			inOrder(t, made, last, started)
		} else {
			inOrder(t, last, made, started)
		}
		ready := w.cluster.wrote(t, began, http.MethodPut, fmt.Sprintf("/nodes/pve1/lxc/%d/config", vmid))
		inOrder(t, started, ready)
		last = started
	}
	w.cluster.wrote(t, began, http.MethodPost, "/nodes/pve1/storage/local/download-url")
	if all := w.cluster.writes(began); len(all) != 10 {
		t.Errorf("an image, three creations, three starts and three marks that they are ready are ten writes, not:\n%s", listed(all))
	}
	for _, task := range w.cluster.Tasks() {
		if task.Exit != "OK" {
			t.Errorf("task %s of %s ends with %q", task.Type, task.ID, task.Exit)
		}
	}
	if out, code := w.agent.run(t, "drift"); code != 0 {
		t.Errorf("agent drift ends with %d and says:\n%s", code, out)
	}
}

// creates waits for the first creation to run, and returns its UPID.
func (w *world) creates(t *testing.T) string {
	t.Helper()
	upid := ""
	eventually(t, 20*time.Second, "a container is created", func() error {
		for _, task := range w.cluster.Tasks() {
			if task.Type == "vzcreate" {
				upid = task.UPID
				return nil
			}
		}
		return fmt.Errorf("no creation:\n%s", listed(w.cluster.writes(time.Time{})))
	})
	// By now the agent has the answer and waits for the task to end.
	eventually(t, 5*time.Second, "the agent follows the creation", func() error {
		for _, r := range w.cluster.Requests() {
			if strings.HasSuffix(r.Path, "/tasks/"+upid+"/status") {
				return nil
			}
		}
		return fmt.Errorf("nobody asks for %s", upid)
	})
	return upid
}

func (w *world) task(upid string) pvesim.Task {
	for _, task := range w.cluster.Tasks() {
		if task.UPID == upid {
			return task
		}
	}
	return pvesim.Task{}
}

// testEndInPlaybook ends the agent while Ansible is at work in both guests, and
// starts another at once. It runs the playbook again, whole, then routes, and of
// the first run nothing is left.
func testEndInPlaybook(t *testing.T, binary string, how end) {
	w := newWorld(t, pvesim.Options{})
	w.pages(t, binary)
	w.clone.replace(t, "ansible/pages.yml", "    - name: Write the server\n", "    - ansible.builtin.command: sleep 2\n    - name: Write the server\n")
	began := w.clone.push(t, "Two pages, slowly")
	first := w.agent.start(t)
	eventually(t, 30*time.Second, "the playbook is at work in both guests", func() error {
		for _, vmid := range []int{web, blog} {
			if host := w.machines.host(vmid); host == nil {
				return fmt.Errorf("guest %d is off", vmid)
			} else if _, err := host.ReadFile("/srv/page.txt"); err != nil {
				return err
			}
		}
		return nil
	})
	how.end(t, first)
	back := event{"the agent is started again", time.Now()}
	w.agent.start(t)
	w.shows(t, webName, web, "web, first edition")
	w.shows(t, blogName, blog, "blog, first edition")
	runs := w.playbooks(t, 2)
	for _, g := range []struct {
		vmid          int
		name, address string
	}{{web, webName, webAddress}, {blog, blogName, blogAddress}} {
		w.cluster.wrote(t, began, http.MethodPost, "/nodes/pve1/lxc", fmt.Sprint("vmid=", g.vmid))
		w.cluster.wrote(t, began, http.MethodPost, fmt.Sprintf("/nodes/pve1/lxc/%d/status/start", g.vmid))
		begun, ended := w.machines.noted(t, g.vmid, "/srv/begun"), w.machines.noted(t, g.vmid, "/srv/ended")
		if len(begun) != 2 || len(ended) != 1 {
			t.Fatalf("in guest %d the playbook has begun %d and ended %d times", g.vmid, len(begun), len(ended))
		}
		inOrder(t, runs[0], event{"the first run begins", begun[0]}, back, runs[1], event{"the second run begins", begun[1]},
			event{"the second run ends", ended[0]}, w.edge.routed(t, g.name, g.address, began))
	}
	w.twoSweeps(t)
	w.playbooks(t, 2)
	eventually(t, 5*time.Second, "nothing of Ansible is left", func() error {
		running, err := w.network.Processes(t.Context())
		if err != nil {
			return err
		}
		for _, command := range running {
			if strings.Contains(command, "berth.ansible.") {
				return fmt.Errorf("on the node still runs: %s", command)
			}
		}
		return nil
	})
}
