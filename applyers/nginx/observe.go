package nginx

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"berth/applyers"
	"berth/applyers/machine"
	"berth/applyers/nginx/conf"
	"berth/desired"
	"berth/drift"
)

// Observe reads the managed files of all edges, those on different machines at once.
func (a *Applyer) Observe(ctx context.Context, fleet *desired.Fleet, only applyers.Scope) (drift.Observed, error) {
	w := drift.NewWorld(fleet, only.Others.Lives)
	var found []drift.Observed
	done := make(chan struct{})
	for _, r := range fleet.Resources {
		if _, ok := r.Spec.(*desired.Edge); ok && (only.IDs == nil || slices.Contains(only.IDs, r.ID)) {
			found = append(found, drift.Observed{})
		}
	}
	begun := 0
	for _, r := range fleet.Resources {
		spec, ok := r.Spec.(*desired.Edge)
		if !ok || only.IDs != nil && !slices.Contains(only.IDs, r.ID) {
			continue
		}
		l := looking{Applyer: a, all: &found[begun], id: r.ID, spec: spec}
		begun++
		go func() {
			defer func() { done <- struct{}{} }()
			l.look(ctx, w, only.Others.Blind)
		}()
	}
	for range begun {
		<-done
	}
	var all drift.Observed
	for _, o := range found {
		all.Add(o)
	}
	if err := ctx.Err(); err != nil && begun > 0 {
		return all, fmt.Errorf("observe edges: %w", err)
	}
	return all, nil
}

// looking is a look at one edge.
type looking struct {
	*Applyer
	all  *drift.Observed
	id   desired.ID
	spec *desired.Edge
}

func (l looking) blind(reason, remedy string) {
	l.all.Blind = append(l.all.Blind, drift.Blind{ID: l.id, Reason: reason, Remedy: remedy})
}

func (l looking) look(ctx context.Context, w *drift.World, others []drift.Blind) {
	err := stands(w, others, l.spec)
	if absent := (*absentError)(nil); errors.As(err, &absent) {
		// Nothing is there yet: all of it is planned, after the guest.
		return
	}
	var s *seat
	if err == nil {
		s, err = l.seat(ctx, w.Fleet, l.id, l.spec, w.Fact)
	}
	var st *state
	if err == nil {
		st, err = s.read(ctx)
	}
	if foreign := (*conf.ForeignError)(nil); errors.As(err, &foreign) {
		field := "nginx.stream"
		if foreign.File == s.files[httpSide].path {
			field = "nginx.http"
		}
		l.all.Foreign = append(l.all.Foreign, drift.Foreign{
			ID: l.id, What: s.where(foreign.File), Reason: foreign.Reason,
			Remedy: "move it away, or name another file in " + field,
		})
		return
	}
	if err == nil {
		err = st.notReady()
	}
	if err != nil {
		reason, remedy := explain(err)
		if _, setup := errors.AsType[*setupError](err); setup && s != nil && !local(l.spec) {
			reason = s.on.String() + ": " + reason
		}
		l.blind(reason, remedy)
		return
	}
	l.tell(st)
}

// tell tells what is live.
func (l looking) tell(st *state) {
	note := func(text string) {
		l.all.Notes = append(l.all.Notes, drift.Note{ID: l.id, Text: text})
	}
	for _, damaged := range st.damaged {
		note(damaged.Error() + ": it will be written anew")
	}
	if st.down {
		note("nginx does not run, " + st.pid + " is not there: start it (systemctl start nginx)")
	}
	for side, f := range st.files {
		if st.pending[side] {
			note(f.path + ": a reload of nginx was not seen to its end; it is made good")
		}
	}
	if st.pending == [2]bool{} {
		for _, n := range st.notes {
			note(n.String())
		}
	}
	if st.live != nil {
		l.all.Lives = append(l.all.Lives, drift.Live{ID: l.id, Spec: st.live})
	}
}

// where names a file for people.
func (s *seat) where(file string) string {
	if local(s.spec) {
		return file
	}
	return file + " on " + s.on.String()
}

// stands tells whether the guest that an edge is on can be asked.
func stands(w *drift.World, others []drift.Blind, spec *desired.Edge) error {
	at := desired.ID(spec.At)
	if local(spec) || !at.Guest() {
		return nil
	}
	site := ""
	if r := w.Fleet.Resource(at); r != nil {
		site = r.Site
	}
	live := w.Live(at)
	for _, b := range others {
		if live == nil && b.Covers(at, site) {
			return &setupError{fmt.Sprintf("it is on %s, which is unknown: %s", at, b.Reason), b.Remedy}
		}
	}
	switch {
	case live == nil || live.Archived:
		return &absentError{at}
	case !live.Running:
		return &setupError{fmt.Sprintf("it is on %s, which does not run", at), "start it; a later turn looks again"}
	}
	return nil
}

// explain says what is wrong, and what to do.
func explain(err error) (reason, remedy string) {
	if setup, ok := errors.AsType[*setupError](err); ok {
		return setup.reason, setup.remedy
	}
	if away, ok := errors.AsType[*machine.UnreachableError](err); ok {
		return away.At + ": " + away.Reason, away.Remedy
	}
	if sudo, ok := errors.AsType[*machine.SudoError](err); ok {
		return sudo.Error(), ""
	}
	if box, ok := errors.AsType[*machine.ContainerError](err); ok {
		return box.At + ": " + box.Reason, box.Remedy
	}
	if _, ok := errors.AsType[*unaddressedError](err); ok {
		return err.Error(), "give it a static address or a reservation, or enable its guest agent"
	}
	if errors.Is(err, fs.ErrNotExist) {
		return err.Error(), "install the packages nginx and libnginx-mod-stream, or name nginx's main file in nginx.config"
	}
	if exit, ok := errors.AsType[*machine.ExitError](err); ok {
		return exit.Error(), "see what is wrong there"
	}
	return err.Error(), "mend it, or delete it: it is then written anew"
}

// wants tells whether an edge has anything for a side.
func wants(spec *desired.Edge, side int) bool {
	switch {
	case spec == nil:
		return false
	case side == httpSide:
		return spec.HTTP.Default.Text != "" || len(spec.HTTP.Routes) > 0
	default:
		return spec.TLS.Default.Text != "" || len(spec.TLS.Routes)+len(spec.TCP)+len(spec.UDP) > 0
	}
}
