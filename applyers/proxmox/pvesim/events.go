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

func (c *Cluster) event(node, user, msg string) {
	uid := 1
	if n := len(c.events); n > 0 {
		uid = c.events[n-1].uid + 1
	}
	c.events = append(c.events, event{uid: uid, at: c.now(), node: node, user: user, msg: msg, pid: c.pid})
	if len(c.events) > eventsKept {
		c.events = slices.Delete(c.events, 0, len(c.events)-eventsKept)
	}
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
