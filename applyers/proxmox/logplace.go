package proxmox

import (
	"cmp"
	"maps"
	"strconv"
	"strings"

	"github.com/go-faster/jx"

	"berth/applyers/proxmox/pve"
)

// logPlace is how far the cluster's log was read. Each node counts its own lines,
// and numbers them anew when its services start; lines of several nodes stand in
// the order of their times, which their clocks give.
type logPlace struct {
	nodes map[string]nodeLog
	// newest is the time of the newest line, in the nodes' seconds; 0 if the log was
	// empty.
	newest int
}

// nodeLog is what was read of one node's lines: all up to the newest by its clock. past
// spans those that have a higher number and an earlier time: the node had other numbers
// before its services started, or its clock was set back.
type nodeLog struct{ newest, past logSpot }

// logSpot is a place among a node's lines.
type logSpot struct{ uid, at int }

// spans tells whether a line is neither later than a place, nor numbered higher.
func (s logSpot) spans(l logLine) bool { return l.uid <= s.uid && l.at <= s.at }

// knows tells whether a line was there.
func (n nodeLog) knows(l logLine) bool { return n.newest.spans(l) || n.past.spans(l) }

// logLine is a line of the cluster's log.
type logLine struct {
	node, user string
	uid, at    int
	msg        string
}

// decodeLog goes through the lines of a log, the newest first.
func decodeLog(d *jx.Decoder, f func(logLine)) error {
	return pve.Array(d, func() error {
		var l logLine
		err := pve.Object(d, func(name []byte) (err error) {
			switch string(name) {
			case "node":
				l.node, err = pve.Text(d)
			case "user":
				l.user, err = pve.Text(d)
			case "uid":
				l.uid, err = pve.Int(d)
			case "time":
				l.at, err = pve.Int(d)
			case "msg":
				l.msg, err = pve.Text(d)
			default:
				err = d.Skip()
			}
			return err
		})
		if err == nil {
			f(l)
		}
		return err
	})
}

// add takes a line in.
func (p *logPlace) add(l logLine) {
	if p.nodes == nil {
		p.nodes = make(map[string]nodeLog)
	}
	n, spot := p.nodes[l.node], logSpot{uid: l.uid, at: l.at}
	if cmp.Or(cmp.Compare(spot.at, n.newest.at), cmp.Compare(spot.uid, n.newest.uid)) > 0 {
		spot, n.newest = n.newest, spot
	}
	if spot.uid > n.newest.uid {
		n.past = logSpot{uid: max(n.past.uid, spot.uid), at: max(n.past.at, spot.at)}
	}
	p.nodes[l.node] = n
	p.newest = max(p.newest, l.at)
}

// logSince is what a log says since a place.
type logSince struct {
	// from is the place, window how many lines were asked for.
	from   *logPlace
	window int
	// named are the VMIDs that new lines name, each with who did it last.
	named map[int]logged
	// place is how far it was read now.
	place logPlace
	// lost is set where lines may have gone unread in between; again where the log
	// was begun anew, or its clock was set back.
	lost, again bool
}

// logged is how the log names a guest.
type logged struct {
	by string
	// task tells that a task was at work on it, which may have started, stopped or
	// moved it.
	task bool
}

// Decode reads the newest lines.
func (l *logSince) Decode(d *jx.Decoder) error {
	*l = logSince{from: l.from, window: l.window, named: make(map[int]logged)}
	l.place.nodes = maps.Clone(l.from.nodes) // Nodes that say little are not in the window.
	lines, met := 0, false
	oldest := make(map[string]int) // the first number of each node's new lines
	known := make(map[string]bool)
	err := decodeLog(d, func(line logLine) {
		lines++
		l.place.add(line)
		was := l.from.nodes[line.node]
		if was.knows(line) {
			known[line.node], met = true, true
			return
		}
		// The same number at a later time is another line.
		l.again = l.again || line.uid <= was.newest.uid
		if first, more := oldest[line.node]; !more || line.uid < first {
			oldest[line.node] = line.uid
		}
		vmids, task := namedBy(line.msg)
		for _, vmid := range vmids {
			was, named := l.named[vmid]
			if !named {
				was.by = line.user // The newest line comes first.
			}
			l.named[vmid] = logged{by: was.by, task: was.task || task}
		}
	})
	l.again = l.again || l.place.newest < l.from.newest
	for node, was := range l.from.nodes {
		l.lost = l.lost || oldest[node] > was.newest.uid+1 && !known[node]
	}
	l.lost = l.lost || !met && (l.from.newest > 0 || lines >= l.window)
	return err
}

// namedBy are the guests that a line of the log names: "update VM 8101: …", or a
// task's UPID at its start or end (FACTS 10).
func namedBy(msg string) (vmids []int, task bool) {
	if vmid, _ := parseUpdate(msg); vmid > 0 {
		return []int{vmid}, false
	}
	_, upid, found := strings.Cut(msg, "UPID:")
	if !found {
		return nil, false
	}
	return namedByTask("UPID:" + upid), true
}

// namedByTask are the guests that a task is about: none, one or two
// ("100-scsi4>101-scsi3", FACTS 2).
func namedByTask(upid string) []int {
	_, about := pve.TaskWords(upid)
	var vmids []int
	for word := range strings.SplitSeq(about, ">") {
		number, _, _ := strings.Cut(word, "-")
		if vmid, err := strconv.Atoi(number); err == nil && vmid > 0 {
			vmids = append(vmids, vmid)
		}
	}
	return vmids
}

// taskSince names the guests of tasks that are new, or have ended, since the last
// look.
type taskSince struct {
	// known are those that it knew, with whether they had ended; nil at the first look:
	// then what had ended when the log was read is old.
	known map[string]bool
	log   *logPlace
	// named are the VMIDs, each with whose task it is; now are all tasks.
	named map[int]string
	now   map[string]bool
}

// Decode reads the list of tasks.
func (t *taskSince) Decode(d *jx.Decoder) error {
	t.named, t.now = make(map[int]string), make(map[string]bool)
	return pve.Array(d, func() error {
		var upid, user, token string
		var began, ended int
		err := pve.Object(d, func(name []byte) (err error) {
			switch string(name) {
			case "upid":
				upid, err = pve.Text(d)
			case "user":
				user, err = pve.Text(d)
			case "tokenid":
				token, err = pve.Text(d)
				token = "!" + token
			case "starttime":
				began, err = pve.Int(d)
			case "endtime":
				ended, err = pve.Int(d)
			default:
				err = d.Skip()
			}
			return err
		})
		if err != nil {
			return err
		}
		t.now[upid] = ended > 0
		was, known := t.known[upid]
		if t.known == nil && ended > 0 && max(began, ended) <= t.log.newest || known && was == (ended > 0) {
			return nil
		}
		for _, vmid := range namedByTask(upid) {
			t.named[vmid] = user + token
		}
		return nil
	})
}
