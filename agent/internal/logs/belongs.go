// Package logs is what the agent writes to its log: each line with the turn and the
// resource that it belongs to, as text, as JSON, or in journald's own fields.
package logs

import (
	"context"
	"log/slog"
	"slices"

	"berth/applyers"
)

// The attributes that lines get from their context.
const (
	TurnKey     = "turn"
	ResourceKey = "resource"
)

// belonging adds to each line the turn and the resource that it belongs to.
type belonging struct {
	slog.Handler
	// open is what came since a group was opened: what a line belongs to has its place
	// outside of it. nil as long as none was.
	open *opened
	// turn and resource tell that the lines have one already.
	turn, resource bool
}

// opened are the groups and attributes that came after the first group.
type opened struct {
	base slog.Handler
	then []func(slog.Handler) slog.Handler
}

// Belonging makes a handler that adds to each line the turn and the resource of its
// context (see [applyers.InTurn]), unless the line names another itself. They stand
// outside of any group.
func Belonging(next slog.Handler) slog.Handler { return &belonging{Handler: next} }

// Handle adds what the line belongs to.
func (h *belonging) Handle(ctx context.Context, r slog.Record) error {
	of := applyers.BelongsTo(ctx)
	turn, resource := h.turn || of.Turn == "", h.resource || of.Resource == ""
	if h.open == nil {
		r.Attrs(func(a slog.Attr) bool {
			turn, resource = turn || a.Key == TurnKey, resource || a.Key == ResourceKey
			return true
		})
	}
	var add []slog.Attr
	if !turn {
		add = append(add, slog.String(TurnKey, of.Turn))
	}
	if !resource {
		add = append(add, slog.String(ResourceKey, string(of.Resource)))
	}
	if len(add) == 0 {
		return h.Handler.Handle(ctx, r)
	}
	if h.open != nil {
		next := h.open.base.WithAttrs(add)
		for _, then := range h.open.then {
			next = then(next)
		}
		return next.Handle(ctx, r)
	}
	// What it belongs to comes first: that is what people look for.
	with := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	with.AddAttrs(add...)
	r.Attrs(func(a slog.Attr) bool { with.AddAttrs(a); return true })
	return h.Handler.Handle(ctx, with)
}

// WithAttrs keeps in mind what the lines say already.
func (h *belonging) WithAttrs(attrs []slog.Attr) slog.Handler {
	out := *h
	out.Handler = h.Handler.WithAttrs(attrs)
	if h.open != nil {
		out.open = h.open.and(func(n slog.Handler) slog.Handler { return n.WithAttrs(attrs) })
		return &out
	}
	for _, a := range attrs {
		out.turn, out.resource = out.turn || a.Key == TurnKey, out.resource || a.Key == ResourceKey
	}
	return &out
}

// WithGroup keeps the place beside the message.
func (h *belonging) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	out := *h
	out.Handler = h.Handler.WithGroup(name)
	open := h.open
	if open == nil {
		open = &opened{base: h.Handler}
	}
	out.open = open.and(func(n slog.Handler) slog.Handler { return n.WithGroup(name) })
	return &out
}

func (o *opened) and(then func(slog.Handler) slog.Handler) *opened {
	return &opened{base: o.base, then: append(slices.Clip(o.then), then)}
}
