package conf

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	crossplane "github.com/nginxinc/nginx-go-crossplane"

	"berth/desired"
)

// notesMax is how many notes there are about files, at most.
const notesMax = 20

// Parse reads an edge's files. Blank ones, and those that say nothing, as
// [Mark.Blank] does, count as not there. Its error is a
// [ForeignError], a [DamagedError] where no file has anything of an edge, or tells
// the place of what can't be read.
func Parse(files Files, o Sources) (Live, error) {
	stream, err := read(o.Stream, files.Stream, o, false)
	if err != nil {
		return Live{}, err
	}
	web, err := read(o.HTTP, files.HTTP, o, true)
	if err != nil {
		return Live{}, err
	}
	if stream == nil && web == nil {
		return Live{}, nil
	}
	live := Live{Edge: &desired.Edge{Name: o.Mark.ID.Name()}}
	empty := true
	for _, p := range []*page{stream, web} {
		if p == nil {
			continue
		}
		p.edge = live.Edge
		if err := p.take(); err != nil {
			return Live{}, err
		}
		if p.empty() {
			p.explain(0, lacks)
		} else {
			empty = false
		}
	}
	if empty {
		file := o.Stream
		if stream == nil {
			file = o.HTTP
		}
		return Live{}, &DamagedError{File: file, Reason: lacks}
	}
	live.Edge.Upstreams = join(stream, web)
	if stream != nil {
		live.Notes = append(live.Notes, stream.notes...)
		live.Witness = Witness{Name: stream.witness, Stream: stream.leads}
	}
	if web != nil {
		live.Notes = append(live.Notes, web.notes...)
		if web.witness != "" {
			live.Witness.Name, live.Witness.HTTP = web.witness, web.leads
		}
	}
	live.edits(files, stream, web)
	if more := len(live.Notes) - notesMax; more > 0 {
		rest := Note{File: live.Notes[notesMax].File, Text: fmt.Sprintf("and %d more", more), Shown: true}
		for _, n := range live.Notes[notesMax:] {
			rest.Shown = rest.Shown && n.Shown
		}
		live.Notes = append(live.Notes[:notesMax], rest)
	}
	return live, nil
}

// lacks is what is wrong with a file of ours that says nothing.
const lacks = "it has no map and server of an edge any more"

func notOurs(content []byte) string {
	line, _, _ := bytes.Cut(content, []byte("\n"))
	if text, ok := bytes.CutPrefix(line, []byte("# berth: ")); ok {
		owner, _, _ := bytes.Cut(text, []byte(";"))
		return fmt.Sprintf("its first line says that it belongs to %s", owner)
	}
	return "its first line does not say that Berth made it"
}

// directives reads one file without what it includes. That it is a part of a
// block is not known to the parser, so contexts are not looked at.
func directives(file string, content []byte) (crossplane.Directives, error) {
	payload, err := crossplane.Parse(file, &crossplane.ParseOptions{
		SingleFile: true, SkipDirectiveContextCheck: true,
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

// page is one managed file being read.
type page struct {
	o    Sources
	path string
	web  bool
	all  crossplane.Directives
	edge *desired.Edge

	// upstreams are those that the file defines, by the manifest's names; keys are
	// these by nginx's names in lower case.
	upstreams map[string]desired.Upstream
	keys      map[string]string
	// ways are how upstreams are spoken to, as far as servers show it; proxied are
	// those of which it is known whether they get a PROXY header.
	ways    map[string]way
	proxied map[string]bool
	// laid is how the listener and its inner servers speak.
	laid paths
	// would is how upstreams would be spoken to if names led there.
	would map[string]way
	// kept are the words about what no server shows.
	kept map[string]string
	// witness is the name that leads to the agent, and where.
	witness, leads string
	notes          []Note
	// found tells that there is a listener of some sort.
	found bool
}

// read parses a file; nil if it is not there.
func read(path string, content []byte, o Sources, web bool) (p *page, err error) {
	if len(bytes.TrimSpace(content)) == 0 {
		return p, nil
	}
	if !o.Mark.Owns(content) {
		return nil, &ForeignError{File: path, Reason: notOurs(content)}
	}
	all, err := directives(path, content)
	if err != nil || bytes.Equal(bytes.TrimSpace(content), bytes.TrimSpace(o.Mark.Blank())) {
		return nil, err
	}
	return &page{
		o: o, path: path, web: web, all: all,
		upstreams: make(map[string]desired.Upstream), keys: make(map[string]string),
		ways: make(map[string]way), would: make(map[string]way), proxied: make(map[string]bool), kept: make(map[string]string),
	}, nil
}

// note notes what no field shows.
func (p *page) note(line int, format string, args ...any) {
	p.notes = append(p.notes, Note{File: p.path, Line: line, Text: fmt.Sprintf(format, args...)})
}

// explain notes what fields show, too.
func (p *page) explain(line int, format string, args ...any) {
	p.notes = append(p.notes, Note{File: p.path, Line: line, Text: fmt.Sprintf(format, args...), Shown: true})
}

// empty tells that the file has nothing of an edge.
func (p *page) empty() bool { return !p.found && len(p.upstreams) == 0 }

// take puts what the file says into the edge.
func (p *page) take() error {
	p.takeUpstreams()
	for _, d := range p.all {
		if variable := p.o.Mark.variable("kept"); d.Directive == "map" && slices.Equal(d.Args, []string{"$hostname", variable}) {
			maps.Copy(p.kept, p.words(d.Block))
		}
	}
	if p.web {
		return p.takeHTTP()
	}
	return p.takeStream()
}

// words are the entries of a small map, by the manifest's names of upstreams.
func (p *page) words(body crossplane.Directives) map[string]string {
	all := make(map[string]string)
	for _, d := range body {
		if len(d.Args) != 1 {
			continue
		}
		if key, named := p.keys[strings.ToLower(d.Directive)]; named {
			all[key] = d.Args[0]
		} else if d.Directive == "default" {
			all[""] = d.Args[0]
		}
	}
	return all
}

// find is the body of a map.
func (p *page) find(from, variable string) *crossplane.Directive {
	at := slices.IndexFunc(p.all, func(d *crossplane.Directive) bool {
		return d.Directive == "map" && slices.Equal(d.Args, []string{from, variable})
	})
	if at < 0 {
		return nil
	}
	return p.all[at]
}
