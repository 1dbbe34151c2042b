package pvesim

import (
	"slices"
	"strconv"
	"time"
)

// eventsKept is how many lines the cluster log holds; a real one is a ring of
// about this many.
const eventsKept = 2000

// event is a line of the cluster log.
type event struct {
	uid             int
	at              time.Time
	node, user, msg string
	pid             int
}

// event writes a line; each node counts its own.
func (c *Cluster) event(node, user, msg string) {
	c.lines[node]++
	c.events = append(c.events, event{uid: c.lines[node], at: c.now(), node: node, user: user, msg: msg, pid: c.pid})
	if len(c.events) > eventsKept {
		c.events = slices.Delete(c.events, 0, len(c.events)-eventsKept)
	}
}

// LoseLog empties the cluster log and begins its numbers anew, as when the services of
// all nodes start.
func (c *Cluster) LoseLog() {
	c.lock()
	defer c.unlock()
	c.events = nil
	clear(c.lines)
}

// clusterLog answers the newest lines first; without Sys.Syslog on / a user sees
// its own alone (FACTS 10).
func (q *call) clusterLog() (any, error) {
	limit := 50
	if m, ok := q.args["max"]; ok {
		limit = atoi(m)
	}
	every := q.may("/", "Sys.Syslog")
	rows := []any{}
	for _, e := range slices.Backward(q.events) {
		if len(rows) == limit {
			break
		}
		if !every && e.user != q.auth.full() {
			continue
		}
		uid := strconv.Itoa(e.uid)
		rows = append(rows, map[string]any{
			"uid": uid, "id": uid + ":" + e.node, "time": e.at.Unix(), "node": e.node, "user": e.user,
			"tag": "pvedaemon", "msg": e.msg, "pid": e.pid, "pri": 6,
		})
	}
	return rows, nil
}

func itoa(n int) string { return strconv.Itoa(n) }
