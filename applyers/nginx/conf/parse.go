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

// Parse reads an edge's files. Blank ones count as not there. Its error is a
// [ForeignError], a [DamagedError], or tells the place of what can't be read.
func Parse(files Files, o Sources) (Live, error) {
	if len(bytes.TrimSpace(files.Stream)) == 0 {
		return Live{}, nil
	}
	if !o.Mark.Owns(files.Stream) {
		return Live{}, &ForeignError{File: o.Stream, Reason: notOurs(files.Stream)}
	}
	live := Live{Edge: &desired.Edge{Name: o.Mark.ID.Name()}}
	edge := live.Edge
	edge.TLS.Routes = make(map[string]desired.Target)
	variable := "$" + o.Mark.word() + "target"
	all, err := directives(o.Stream, files.Stream)
	if err != nil {
		return Live{}, err
	}
	var body, server crossplane.Directives
	for _, d := range all {
		switch {
		case d.Directive == "map" && slices.Equal(d.Args, []string{"$ssl_preread_server_name", variable}):
			body = d.Block
		case d.Directive == "server" && passesTo(d.Block, variable):
			server = d.Block
		}
	}
	if body == nil || server == nil {
		return Live{}, &DamagedError{File: o.Stream, Reason: "it has no map and server of an edge any more"}
	}
	if err := live.entries(body, o, 0); err != nil {
		return Live{}, err
	}
	for _, name := range slices.Sorted(maps.Keys(edge.TLS.Routes)) {
		// Beside a name of its own, what stands for all below it is .name.
		below, wildcard := strings.CutPrefix(name, "*")
		if _, own := edge.TLS.Routes[strings.TrimPrefix(below, ".")]; wildcard && own {
			edge.TLS.Routes[below] = edge.TLS.Routes[name]
			delete(edge.TLS.Routes, name)
		}
	}
	if edge.TLS.Default.Text == "" {
		// nginx's own default of a map is the empty word.
		edge.TLS.Default.Text = reject
	}
	var words []string
	for _, d := range server {
		if d.Directive == "listen" && len(d.Args) > 0 {
			words = append(words, d.Args[0])
		}
	}
	edge.TLS.Listen = listened(words, o.IPv6)
	return live, nil
}

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

func passesTo(server crossplane.Directives, variable string) bool {
	return slices.ContainsFunc(server, func(d *crossplane.Directive) bool {
		return d.Directive == "proxy_pass" && slices.Equal(d.Args, []string{variable})
	})
}

// entries takes the entries of a map. The parser does not follow an include
// there, so it is followed here: what stands in such a file is routed, too.
func (l *Live) entries(body crossplane.Directives, o Sources, depth int) error {
	for _, d := range body {
		if d.Directive == "hostnames" || d.Directive == "volatile" || len(d.Args) != 1 {
			continue
		}
		name, target := d.Directive, d.Args[0]
		if !strings.HasPrefix(name, "~") {
			name = strings.ToLower(name)
		}
		if name == "include" {
			if err := l.include(target, o, depth); err != nil {
				return fmt.Errorf("line %d: %w", d.Line, err)
			}
			continue
		}
		if target == "" {
			target = reject
		}
		switch {
		case name == "default":
			l.Edge.TLS.Default = desired.Target{Text: target}
		case name == "."+Domain:
		case strings.HasSuffix(name, "."+Domain):
			l.Witness = Witness{Name: name, Stream: target}
		default:
			l.Edge.TLS.Routes[name] = desired.Target{Text: target}
		}
	}
	return nil
}

func (l *Live) include(pattern string, o Sources, depth int) error {
	if depth > 5 {
		return fmt.Errorf("include %s: files include one another", pattern)
	}
	if o.Include == nil {
		return nil
	}
	files, err := o.Include(pattern)
	if err != nil {
		return fmt.Errorf("include %s: %w", pattern, err)
	}
	for _, f := range files {
		body, err := directives(f.Path, slices.Concat([]byte("map $a $b {"), f.Content, []byte("\n}")))
		if err != nil {
			return err
		}
		if len(body) != 1 {
			return fmt.Errorf("%s: it closes the map", f.Path)
		}
		if err := l.entries(body[0].Block, o, depth+1); err != nil {
			return err
		}
	}
	return nil
}
