package nginx

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"berth/applyers/machine"
)

//go:embed workers.sh
var workersScript string

// processes is what is known of a running nginx.
type processes struct {
	// workers are those that take new connections; none where that can't be told.
	workers []int
	// log is the size of its error log, -1 where it has none: what a reload that
	// fails is about is told there and nowhere else.
	log int64
}

// processes looks at the running nginx, as far as it can be seen.
func (st *state) processes(ctx context.Context) processes {
	if st.direct {
		return st.seen(ctx)
	}
	p := processes{log: -1}
	out, err := st.in.Run(ctx, machine.Command{Argv: []string{"sh", "-c", workersScript, "sh", st.pid, st.errorLog}, Doing: "look at nginx's processes"})
	if err != nil {
		return p
	}
	for line := range strings.Lines(string(out.Stdout)) {
		word, number, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, err := strconv.ParseInt(number, 10, 64)
		switch {
		case err != nil:
		case word == "w":
			p.workers = append(p.workers, int(n))
		case word == "l":
			p.log = n
		}
	}
	return p
}

// lookAgain is how long lies between two looks at nginx's workers.
const lookAgain = 25 * time.Millisecond

// retired waits until none of the former workers takes connections any more: until
// then one of them may still route by the former files. With renewed, others must have
// taken their places.
func (st *state) retired(ctx context.Context, before processes, renewed bool) error {
	for {
		now := st.processes(ctx).workers
		stays := slices.IndexFunc(now, func(pid int) bool { return slices.Contains(before.workers, pid) })
		if stays < 0 && (!renewed || len(now) > 0) {
			return nil
		}
		select {
		case <-ctx.Done():
			if stays >= 0 {
				return late(ctx, fmt.Sprintf("worker %d still routes by the former file", now[stays]))
			}
			return late(ctx, "no new worker is seen")
		case <-time.After(lookAgain):
		}
	}
}

// complaintMax bounds what is read of nginx's log.
const complaintMax = 16 << 10

// complaints is what nginx has complained about since; nil if nothing is known.
func (st *state) complaints(ctx context.Context, since processes) error {
	if since.log < 0 {
		return nil
	}
	text, err := st.in.Read(ctx, st.errorLog, since.log, complaintMax)
	if err != nil && !errors.Is(err, machine.ErrLonger) {
		return nil
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		line = tidy(line)
		for _, level := range []string{"[emerg]", "[alert]", "[crit]"} {
			if at := strings.Index(line, level); at >= 0 {
				if said := strings.TrimSpace(line[at:]); !slices.Contains(lines, said) {
					lines = append(lines, said) // A port is tried five times.
				}
			}
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return errors.New("nginx says: " + strings.Join(lines[:min(len(lines), 3)], "; "))
}
