package nginx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"

	crossplane "github.com/nginxinc/nginx-go-crossplane"
)

// hop is an include directive on the way from nginx's main file to ours.
type hop struct {
	file    string
	line    int
	pattern string
}

// config is what has to be known of nginx's own configuration.
type config struct {
	main string
	// hops lead from main to each side's file; nil where it is not included within
	// its block.
	hops [2][]hop
	// stray tells of a side's file that the other block takes in, too.
	stray [2]bool
	// blocks are the files in which the stream and the http block stand; "" for none.
	blocks [2]string
	// wrong is the first thing that could not be read: it may hold an include.
	wrong error
	// module tells that nginx is told to load its stream module.
	module bool
	// others are servers that are not ours.
	others []listener
	// errorLog is where nginx logs to; "" if it is not said.
	errorLog string
	// pid is the file in which nginx's master writes its process id.
	pid string
	// pidNamed tells that the configuration says so: a build of nginx may have another
	// default.
	pidNamed bool
}

// debianPid is where Debian's nginx writes its process id unless told.
const debianPid = "/run/nginx.pid"

// usual are the files that a main file includes where nothing is unusual, beside
// itself: read at once with it, they need no second way.
func (s *seat) usual() []string {
	dir := path.Dir(s.spec.Nginx.Config)
	all := []string{s.spec.Nginx.Config, dir + "/modules-enabled/*.conf", dir + "/conf.d/*.conf", dir + "/sites-enabled/*", dir + "/mime.types"}
	for _, f := range s.files {
		all = append(all, s.included(f), path.Dir(f.seen)+"/*"+path.Ext(f.seen))
	}
	return all
}

// included is how a file is to be included: an include of a plain name would keep
// nginx from starting while there is no file.
func (*seat) included(f managed) string {
	ext := path.Ext(f.seen)
	return strings.TrimSuffix(f.seen, ext) + "*" + ext
}

// depthMax is how deep files may include one another.
const depthMax = 8

// readConfig reads nginx's configuration, but for the managed files.
func (s *seat) readConfig(ctx context.Context, t *tree) (config, error) {
	w := walk{
		seat: s, tree: t, config: config{main: s.spec.Nginx.Config, pid: s.usualPid},
		parsed: make(map[string]crossplane.Directives),
	}
	for range depthMax {
		w.begin()
		if err := w.file(w.main, ""); err != nil {
			return w.config, err
		}
		if len(w.missing) == 0 {
			break
		}
		if err := t.fetch(ctx, w.missing...); err != nil {
			return w.config, err
		}
	}
	w.remember()
	return w.config, nil
}

// walk goes through nginx's configuration as far as it is read, and tells what has to
// be read besides.
type walk struct {
	*seat
	*tree
	config
	parsed  map[string]crossplane.Directives
	way     []hop // to the file that is gone through
	been    map[string]bool
	missing []string
}

func (w *walk) begin() {
	w.been, w.missing, w.wrong, w.way = make(map[string]bool), nil, nil, nil
	w.hops, w.stray, w.others = [2][]hop{}, [2]bool{}, nil
}

// remember takes what the main file alone says.
func (w *walk) remember() {
	for _, d := range w.parsed[w.main] {
		switch {
		case len(d.Args) == 0 || !path.IsAbs(d.Args[0]):
		case d.Directive == "pid":
			w.pid, w.pidNamed = d.Args[0], true
		case d.Directive == "error_log":
			w.errorLog = d.Args[0]
		}
	}
}

// file goes through one file, within a block; "" is none.
func (w *walk) file(name, block string) error {
	if w.been[block+" "+name] {
		return nil
	}
	w.been[block+" "+name] = true
	directives, done := w.parsed[name]
	if !done {
		content, there, err := w.content(name)
		if err == nil && !there {
			err = &fs.PathError{Op: "open", Path: name, Err: syscall.ENOENT}
		}
		if err == nil {
			directives, err = parseFile(name, content)
		}
		if err != nil && name == w.main && !errors.Is(err, fs.ErrNotExist) {
			return unread(err)
		}
		if err != nil && name == w.main {
			return err
		}
		if err != nil {
			w.fault(err)
			return nil
		}
		w.parsed[name] = directives
	}
	w.through(name, directives, block)
	return nil
}

func (w *walk) fault(err error) {
	if w.wrong == nil {
		w.wrong = err
	}
}

// through goes through directives of a file.
func (w *walk) through(name string, directives crossplane.Directives, block string) {
	for _, d := range directives {
		switch {
		case block == "" && (d.Directive == "stream" || d.Directive == "http"):
			for side, f := range w.seat.files {
				if f.block == d.Directive {
					w.blocks[side] = name
				}
			}
			w.through(name, d.Block, d.Directive)
		case block != "" && d.Directive == "server" && len(d.Args) == 0:
			w.listens(name, block, d)
		case d.Directive == "load_module" && len(d.Args) == 1 && strings.Contains(path.Base(d.Args[0]), "ngx_stream_module"):
			w.module = true
		case d.Directive == "include" && len(d.Args) == 1:
			w.include(hop{file: name, line: d.Line, pattern: d.Args[0]}, block)
		}
	}
}

func (w *walk) include(here hop, block string) {
	pattern := absolute(here.pattern, path.Dir(w.main))
	ours := false
	for side, f := range w.seat.files {
		matched, err := path.Match(pattern, f.seen)
		switch {
		case err != nil || !matched:
		case f.block != block:
			w.stray[side] = w.stray[side] || block != ""
		case w.hops[side] == nil:
			w.hops[side] = append(slices.Clone(w.way), here)
		}
		ours = ours || pattern == f.seen
	}
	if ours {
		return
	}
	files, read := w.globs[pattern]
	if !read {
		if !slices.Contains(w.missing, pattern) {
			w.missing = append(w.missing, pattern)
		}
		return
	}
	if len(files) == 0 && !strings.ContainsAny(pattern, "*?[") {
		w.fault(&fs.PathError{Op: "open", Path: pattern, Err: syscall.ENOENT})
	}
	w.way = append(w.way, here)
	for _, name := range files {
		if slices.ContainsFunc(w.seat.files[:], func(f managed) bool { return f.seen == name }) {
			continue
		}
		_ = w.file(name, block) // Its error is the main file's alone.
	}
	w.way = w.way[:len(w.way)-1]
}

// parseFile reads one file without what it includes. Which block it is a part of is
// not known to the parser, so contexts are not looked at.
func parseFile(name string, content []byte) (crossplane.Directives, error) {
	payload, err := crossplane.Parse(name, &crossplane.ParseOptions{
		SingleFile: true, SkipDirectiveContextCheck: true, SkipDirectiveArgsCheck: true,
		Open: func(string) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil },
	})
	if err != nil {
		return nil, err
	}
	if len(payload.Errors) > 0 {
		return nil, payload.Errors[0].Error
	}
	return payload.Config[0].Parsed, nil
}

// absolute is a file that nginx's configuration names: from the main file's
// directory, wherever it is named.
func absolute(name, dir string) string {
	if path.IsAbs(name) {
		return path.Clean(name)
	}
	return path.Join(dir, name)
}

// setupError tells that nginx is not set up for an edge, and how that is done, once
// and for all.
type setupError struct{ reason, remedy string }

func (e *setupError) Error() string { return e.reason + ": " + e.remedy }

func unread(err error) *setupError {
	return &setupError{"nginx's configuration could not be read: " + err.Error(), "mend it, or name another in nginx.config"}
}

// notReady tells all that has to be set up before nginx takes the files; nil if nothing
// has.
func (st *state) notReady() error {
	var all []*setupError
	for side := range st.files {
		if !wants(st.spec, side) && (part(st.raw, side) == nil || !wants(st.base, side)) {
			continue
		}
		if lacks := st.lacks(st.config, side); lacks != nil && (len(all) == 0 || *all[0] != *lacks) {
			all = append(all, lacks)
		}
	}
	all = append(all, st.inTheWay()...)
	if len(all) == 0 {
		return nil
	}
	whole := *all[0]
	for _, more := range all[1:] {
		whole.reason += "; " + more.reason
		if !strings.HasSuffix(whole.remedy, more.remedy) {
			whole.remedy = strings.TrimSuffix(whole.remedy, ";") + "; and " + more.remedy
		}
	}
	return &whole
}

// lacks tells what has to be set up before nginx takes a side's file; nil if nothing
// has.
func (s *seat) lacks(c config, side int) *setupError {
	f, other := s.files[side], s.files[1-side]
	include := "include " + s.included(f) + ";"
	switch {
	case c.hops[side] != nil && c.stray[side]:
		return &setupError{
			fmt.Sprintf("%s includes %s in the %s block, too", c.main, f.seen, other.block),
			fmt.Sprintf("let that include name %s alone, or write a file of another directory in nginx.%s", other.seen, f.block),
		}
	case c.hops[side] != nil:
		return nil
	case c.wrong != nil:
		return unread(c.wrong)
	}
	install := ""
	if side == streamSide && !c.module && !s.apart {
		install = "install the package libnginx-mod-stream, and "
	}
	add := fmt.Sprintf("add to %s, outside of any block: %s { %s }", c.main, f.block, include)
	if c.blocks[side] != "" {
		add = fmt.Sprintf("add to the %s block in %s: %s", f.block, c.blocks[side], include)
	}
	article := "a"
	if side == httpSide {
		article = "an"
	}
	return &setupError{fmt.Sprintf("%s does not include %s in %s %s block", c.main, f.seen, article, f.block), install + add}
}
