package nginx

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"berth/applyers/nginx/conf"
	"berth/desired"
)

// state is an edge as it is.
type state struct {
	*seat
	config
	// raw are the managed files; nil where there is none.
	raw conf.Files
	// base is what the files say; nil if they say nothing.
	base *desired.Edge
	// live is what nginx does: base, unless a reload was begun and not seen to its
	// end. nil if there is nothing.
	live *desired.Edge
	// pending tells of such a reload, by side.
	pending [2]bool
	// damaged tells why files of ours have no base.
	damaged []error
	// notes explain what fields show.
	notes []conf.Note
	ipv6  bool
	// leftover tells that a killed agent left copies of files behind.
	leftover bool
	// down tells that nginx does not run.
	down bool
	// near is what has been read where nginx runs.
	near *tree
}

// former is where the file that was before is kept while nginx is brought to take a
// new one over. That it is there at another time tells that the agent was killed
// meanwhile: then either of the two may be what nginx runs.
func former(managed string) string {
	return path.Join(path.Dir(managed), "."+path.Base(managed)+".former")
}

// leftovers are what a killed agent, or a link that was cut, leaves of a managed file
// where it is: staged copies, and what was being written in their places, in the file's
// own and in the former file's. What package machine writes to begins with a dot and
// the name of what it is to replace, and has digits or a word with a hyphen behind it.
func leftovers(file string) []string {
	beside := func(pattern string) string { return path.Join(path.Dir(file), pattern) }
	hidden := "." + path.Base(file)
	return []string{
		beside(hidden + ".staged-*"), beside("." + hidden + ".staged-*"),
		beside(hidden + "[0-9][0-9][0-9][0-9][0-9]*"), beside(hidden + ".berth-new-*"), beside("." + hidden + ".former?*"),
	}
}

// leftCopies are the copies of the files that lead from a main file to the managed ones.
func leftCopies(main string) string { return path.Join(path.Dir(main), ".*.staged-*") }

// ipv6File is there where the kernel knows IPv6.
const ipv6File = "/proc/net/if_inet6"

// read reads everything of an edge, over SSH in one way there and back if nginx is
// configured as Debian does it.
func (s *seat) read(ctx context.Context) (*state, error) {
	st := &state{seat: s}
	var ours, left []string
	for _, f := range s.files {
		ours = append(ours, f.path, former(f.path))
		left = append(left, leftovers(f.path)...)
	}
	ours = append(ours, left...)
	within := append(s.usual(), leftCopies(s.spec.Nginx.Config), ipv6File, s.usualPid)
	here := newTree(s.on, s.direct)
	there := here
	var err error
	if s.apart {
		there = newTree(s.in, false)
		if err = here.fetch(ctx, ours...); err == nil {
			err = there.fetch(ctx, within...)
		}
	} else {
		err = here.fetch(ctx, slices.Concat(ours, within)...)
	}
	if err != nil {
		return nil, err
	}
	_, st.ipv6 = there.files[ipv6File]
	st.near = there
	for _, pattern := range append(left, leftCopies(s.spec.Nginx.Config)) {
		st.leftover = st.leftover || len(here.globs[pattern]) > 0 || len(there.globs[pattern]) > 0
	}
	if st.raw, err = s.managed(here); err != nil {
		return nil, err
	}
	if st.config, err = s.readConfig(ctx, there); err != nil {
		return nil, err
	}
	_, started := there.files[s.usualPid]
	st.down = st.pidNamed && st.pid == s.usualPid && !started
	if err := st.judge(ctx, here, there); err != nil {
		return nil, err
	}
	return st, nil
}

// managed takes the managed files; one of them that is no plain file is not ours.
func (s *seat) managed(t *tree) (conf.Files, error) {
	var raw [2][]byte
	for side, f := range s.files {
		if sort := t.files[f.path].sort; sort == linkedFile || sort == otherSort {
			return conf.Files{}, &conf.ForeignError{File: f.path, Reason: "it is no plain file"}
		}
		content, there, err := t.content(f.path)
		if err != nil {
			return conf.Files{}, fmt.Errorf("read the managed file: %w", err)
		}
		if there {
			raw[side] = append([]byte{}, content...) // An empty file is a file.
		}
	}
	return conf.Files{Stream: raw[streamSide], HTTP: raw[httpSide]}, nil
}

// judge finds out what the files say, and what nginx does.
func (st *state) judge(ctx context.Context, here, there *tree) error {
	sources := conf.Sources{
		Mark: st.mark, IPv6: st.ipv6, Stream: st.files[streamSide].path, HTTP: st.files[httpSide].path,
		Include: func(pattern string) ([]conf.Included, error) {
			return there.included(ctx, absolute(pattern, path.Dir(st.main)))
		},
	}
	files := st.raw
	now, damaged, err := parseWhole(files, sources)
	if foreign := (*conf.ForeignError)(nil); errors.As(err, &foreign) {
		return err
	}
	if err != nil {
		return fmt.Errorf("read the managed file: %w", err)
	}
	st.base, st.live, st.damaged = now.Edge, now.Edge, damaged
	st.explain(now.Notes)
	before, waiting := files, false
	for side, f := range st.files {
		old, kept, err := here.content(former(f.path))
		if err != nil {
			return fmt.Errorf("read the file that was before: %w", err)
		}
		if !kept || bytes.Equal(old, part(files, side)) {
			continue
		}
		st.pending[side], waiting = true, true
		if side == httpSide {
			before.HTTP = old
		} else {
			before.Stream = old
		}
	}
	if !waiting {
		return nil
	}
	st.live = nil
	if was, _, err := parseWhole(before, sources); err == nil && was.Edge != nil && st.base != nil {
		st.live = unsure(st.base, was.Edge, st.pending)
	}
	return nil
}

// parseWhole reads both files; one that is damaged counts as not there.
func parseWhole(files conf.Files, sources conf.Sources) (live conf.Live, damaged []error, err error) {
	for {
		live, err := conf.Parse(files, sources)
		broken := (*conf.DamagedError)(nil)
		if !errors.As(err, &broken) {
			return live, damaged, err
		}
		damaged = append(damaged, err)
		if broken.File == sources.HTTP {
			files.HTTP = nil
		} else {
			files.Stream = nil
		}
	}
}

// included gives the files that an include within a map stands for.
func (t *tree) included(ctx context.Context, pattern string) ([]conf.Included, error) {
	if _, read := t.globs[pattern]; !read {
		if err := t.fetch(ctx, pattern); err != nil {
			return nil, err
		}
	}
	var all []conf.Included
	for _, name := range t.globs[pattern] {
		content, _, err := t.content(name)
		if err != nil {
			return nil, err
		}
		all = append(all, conf.Included{Path: name, Content: content})
	}
	return all, nil
}

// perhaps begins the text of what is not known for sure.
const perhaps = "perhaps "

// unsure is what nginx does while it runs one of two files, or one before them: each
// value of a side that is so is a text that equals nothing wanted, so that all of
// them are planned again.
func unsure(file, old *desired.Edge, pending [2]bool) *desired.Edge {
	either := func(a, b string) desired.Target {
		if a == b {
			return desired.Target{Text: perhaps + a}
		}
		return desired.Target{Text: perhaps + cmp.Or(a, "nothing") + " or " + cmp.Or(b, "nothing")}
	}
	targets := func(a, b map[string]desired.Target) map[string]desired.Target {
		out := make(map[string]desired.Target)
		for _, from := range []map[string]desired.Target{a, b} {
			for name := range from {
				out[name] = either(a[name].Text, b[name].Text)
			}
		}
		return out
	}
	out := *file
	out.Upstreams = make(map[string]desired.Upstream)
	for _, from := range []map[string]desired.Upstream{file.Upstreams, old.Upstreams} {
		for name, up := range from {
			if has, ok := file.Upstreams[name]; ok {
				up = has
			}
			up.Servers = desired.Servers{{To: either(file.Upstreams[name].Servers.String(), old.Upstreams[name].Servers.String())}}
			out.Upstreams[name] = up
		}
	}
	if pending[streamSide] {
		out.TLS.Routes, out.TCP, out.UDP = targets(file.TLS.Routes, old.TLS.Routes), targets(file.TCP, old.TCP), targets(file.UDP, old.UDP)
		if file.TLS.Default.Text+old.TLS.Default.Text != "" {
			out.TLS.Default = either(file.TLS.Default.Text, old.TLS.Default.Text)
			out.TLS.Listen = slices.Concat(desired.List{"perhaps"}, file.TLS.Listen)
		}
	}
	if pending[httpSide] {
		out.HTTP.Routes = targets(file.HTTP.Routes, old.HTTP.Routes)
		if file.HTTP.Default.Text+old.HTTP.Default.Text != "" {
			out.HTTP.Default = either(file.HTTP.Default.Text, old.HTTP.Default.Text)
			out.HTTP.Listen = slices.Concat(desired.List{"perhaps"}, file.HTTP.Listen)
		}
	}
	return &out
}

// maybe tells whether a value is what it was planned to be, or one of what it was
// thought to be: an earlier step may have made an end of not knowing, or a beginning.
func maybe(planned, now string) bool {
	one := func(of, text string) bool {
		texts, unsure := strings.CutPrefix(of, perhaps)
		return unsure && slices.Contains(strings.Split(texts, " or "), cmp.Or(text, "nothing"))
	}
	return planned == now || one(planned, now) || one(now, planned)
}
