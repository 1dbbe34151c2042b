package turn_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/applyers/proxmox/pvesim"
)

// anywhere are faults that may meet any request.
func anywhere() map[string]pvesim.Fault {
	return map[string]pvesim.Fault{
		"401 from there on":         {Status: 401, Count: -1},
		"403":                       {Status: 403, Reason: "Permission check failed"},
		"403 from there on":         {Status: 403, Reason: "Permission check failed", Count: -1},
		"595 from there on":         {Status: 595, Reason: "No route to host", Count: -1},
		"596":                       {Status: 596},
		"596 once it is done":       {Status: 596, AfterWork: true},
		"596 from there on":         {Status: 596, AfterWork: true, Count: -1},
		"no answer":                 {Drop: true, AfterWork: true},
		"cut":                       {Cut: 9},
		"cut from there on":         {Cut: 9, Count: -1},
		"a page":                    {Status: 200, Body: login},
		"a page from there on":      {Status: 200, Body: login, Count: -1},
		"an empty answer":           {Status: 200, Body: `{"data":[]}`, Type: "application/json"},
		"nothing":                   {Status: 200, Body: `{"data":null}`, Type: "application/json"},
		"nothing from there on":     {Status: 200, Body: `{"data":null}`, Type: "application/json", Count: -1},
		"a task that fails":         {Method: "write", TaskError: "command failed: exit code 1"},
		"tasks that fail":           {Method: "write", TaskError: "command failed: exit code 1", Count: -1},
		"a full storage":            {Method: "write", Full: true, Count: -1},
		"500":                       {Status: 500, Reason: "got timeout"},
		"a lock's time is over":     {Method: "write", Status: 500, Reason: "can't lock file '/var/lock/x' - got timeout", Count: 3},
		"a delay of twenty seconds": {Delay: 20 * time.Second, Count: 3},
	}
}

// TestFaultAtAnyRequest lets each of them begin at every few requests of a turn that
// creates, edits, grows and archives. Whatever the report says: nothing is made twice
// or lost, what is not ours stays as it is, and once the fault is over the fleet
// becomes what Git asks for.
func TestFaultAtAnyRequest(t *testing.T) {
	rows := anywhere()
	names := make([]string, 0, len(rows))
	for name := range rows {
		names = append(names, name)
	}
	slices.Sort(names)
	for i, name := range names {
		step := 97 * sparse
		for n := 1 + i*31%min(step, 129); n < 130; n += step {
			t.Run(fmt.Sprintf("%s %d", name, n), func(t *testing.T) {
				t.Parallel()
				scenario(t, pvesim.Options{Nodes: []string{"pve1", "pve2"}, TaskTime: slowly}, func(l *land) {
					f := rows[name]
					f.Nth = n
					if f.Method != "" {
						f.Nth = 1 + n%12
					}
					(&stricken{land: l}).meets(f)
				})
			})
		}
	}
}

// meets lets a fault befall a turn that does much, and asserts what must hold after.
func (l *stricken) meets(f pvesim.Fault) {
	l.t.Helper()
	l.strange()
	strangers := l.strangers()
	l.push("aaaa", fleet...)
	agent, stop := l.land.agent("journal")
	defer stop()
	l.agent = agent
	l.run()
	pass(time.Minute)
	l.push("bbbb", without(with(
		strings.Replace(larger(tagged(web)), "size: 8GiB", "size: 10GiB", 1), tagged(cache), vm("more", 4004, ""), ct("new", 4005, "node: pve2\n"),
	), "third")...)
	l.sim.Inject(f)
	l.run()
	l.sim.Heal()
	rested := false
	for range 5 {
		pass(2 * time.Hour)
		rested = !l.run().Differs()
	}
	if !rested {
		l.t.Errorf("it does not come to rest:\n%s", l.shown(l.run()))
	}
	l.quiet()
	l.tidy()
	if d := cmp.Diff(strangers, l.strangers()); d != "" {
		l.t.Errorf("what is not ours was touched: %s", d)
	}
	made := make(map[string]int)
	for _, task := range l.sim.Tasks() {
		if strings.HasSuffix(task.Type, "create") && task.Exit == "OK" {
			made[task.ID]++
		}
		if strings.HasSuffix(task.Type, "destroy") {
			l.t.Errorf("destroyed: %s", task.UPID)
		}
	}
	for _, vmid := range []int{4001, 4002, 4003, 4004, 4005} {
		if made[itoa(vmid)] != 1 {
			l.t.Errorf("guest %d was made %d times", vmid, made[itoa(vmid)])
		}
	}
	if g := l.guest(4001); g.Config["memory"] != "1024" && g.Pending["memory"] != "2048" || !strings.Contains(g.Config["scsi0"], "size=10G") {
		l.t.Errorf("guest 4001 is %v, pending %v", g.Config, g.Pending)
	}
}
