package nginx

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	crossplane "github.com/nginxinc/nginx-go-crossplane"

	"berth/desired"
)

// errDamaged is the error of a file that nginx may read but that lacks what
// makes it an edge: then there is none.
var errDamaged = errors.New("it has no map and server of an edge any more")

// isOurs tells whether the first line of a file is m's.
func (m mark) isOurs(content []byte) bool {
	return bytes.HasPrefix(content, []byte(m.prefix()))
}

// parse reads a managed file, as people may have left it. Its errors tell the
// place.
func parse(file string, content []byte, m mark, confDir string, ipv6 bool) (stream, error) {
	s := stream{mark: m, routes: make(map[string]desired.Target)}
	directives, err := directives(file, content)
	if err != nil {
		return s, err
	}
	var body, server crossplane.Directives
	for _, d := range directives {
		switch {
		case d.Directive == "map" && slices.Equal(d.Args, []string{"$ssl_preread_server_name", m.variable()}):
			body = d.Block
		case d.Directive == "server" && passesTo(d.Block, m.variable()):
			server = d.Block
		}
	}
	if body == nil || server == nil {
		return s, errDamaged
	}
	if err := s.entries(body, confDir, 0); err != nil {
		return s, err
	}
	for _, name := range slices.Sorted(maps.Keys(s.routes)) {
		// Beside a name of its own, what stands for all below it is .name.
		below, wildcard := strings.CutPrefix(name, "*")
		if _, own := s.routes[strings.TrimPrefix(below, ".")]; wildcard && own {
			s.routes[below] = s.routes[name]
			delete(s.routes, name)
		}
	}
	if s.def.Text == "" {
		// nginx's own default of a map is the empty word.
		s.def.Text = reject
	}
	var words []string
	for _, d := range server {
		if d.Directive == "listen" && len(d.Args) > 0 {
			words = append(words, d.Args[0])
		}
	}
	s.listen = listened(words, ipv6)
	return s, nil
}

// directives reads one file without what it includes. That it is a part of a
// stream block is not known to the parser, so contexts are not looked at.
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
func (s *stream) entries(body crossplane.Directives, confDir string, depth int) error {
	for _, d := range body {
		if d.Directive == "hostnames" || d.Directive == "volatile" || len(d.Args) != 1 {
			continue
		}
		name, target := d.Directive, d.Args[0]
		if !strings.HasPrefix(name, "~") {
			name = strings.ToLower(name)
		}
		if name == "include" {
			if err := s.include(target, confDir, depth); err != nil {
				return fmt.Errorf("line %d: %w", d.Line, err)
			}
			continue
		}
		if target == "" {
			target = reject
		}
		switch {
		case name == "default":
			s.def = desired.Target{Text: target}
		case name == "."+probeDomain:
		case strings.HasSuffix(name, "."+probeDomain):
			s.probe = probe{name: name, to: target}
		default:
			s.routes[name] = desired.Target{Text: target}
		}
	}
	return nil
}

func (s *stream) include(pattern, confDir string, depth int) error {
	if depth > 5 {
		return fmt.Errorf("include %s: files include one another", pattern)
	}
	if !filepath.IsAbs(pattern) {
		pattern = filepath.Join(confDir, pattern)
	}
	files, err := filepath.Glob(pattern)
	if err != nil {
		return fmt.Errorf("include %s: %w", pattern, err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		body, err := directives(file, slices.Concat([]byte("map $a $b {"), content, []byte("\n}")))
		if err != nil {
			return err
		}
		if len(body) != 1 {
			return fmt.Errorf("%s: it closes the map", file)
		}
		if err := s.entries(body[0].Block, confDir, depth+1); err != nil {
			return err
		}
	}
	return nil
}
