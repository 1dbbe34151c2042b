package nginx

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"

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
	// hops lead from main to the managed file; nil if it is not included within
	// a stream block.
	hops []hop
	// errorLog is where nginx logs to; "" if it is not said.
	errorLog string
	// pid is the file in which nginx's master writes its process id.
	pid string
}

// defaultPid is where Debian's nginx writes its process id unless told.
const defaultPid = "/run/nginx.pid"

// readConfig reads nginx's configuration, but for the managed file.
func readConfig(main, managed string) (config, error) {
	c := config{main: main}
	payload, err := crossplane.Parse(main, &crossplane.ParseOptions{
		SkipDirectiveContextCheck: true, SkipDirectiveArgsCheck: true,
		Open: func(path string) (io.ReadCloser, error) {
			if path == managed {
				return io.NopCloser(bytes.NewReader(nil)), nil
			}
			return os.Open(path)
		},
	})
	if err != nil {
		return c, err
	}
	c.errorLog = errorLog(payload.Config[0].Parsed)
	c.pid = defaultPid
	for _, d := range payload.Config[0].Parsed {
		if d.Directive == "pid" && len(d.Args) == 1 && filepath.IsAbs(d.Args[0]) {
			c.pid = d.Args[0]
		}
	}
	search := chain{configs: payload.Config, dir: filepath.Dir(main), managed: managed, been: make(map[visit]bool)}
	c.hops = search.find(0, payload.Config[0].Parsed, false)
	// What could not be read may hold the include.
	if c.hops == nil && len(payload.Errors) > 0 {
		return c, payload.Errors[0].Error
	}
	return c, nil
}

// chain looks for the way to the managed file.
type chain struct {
	configs      []crossplane.Config
	dir, managed string
	been         map[visit]bool
}

// visit is a file seen from within a stream block, or from elsewhere.
type visit struct {
	file   int
	within bool
}

// find goes through the directives of one file. within tells whether they stand
// in a stream block.
func (c chain) find(file int, directives crossplane.Directives, within bool) []hop {
	for _, d := range directives {
		switch {
		case d.Directive == "stream" && !within:
			if hops := c.find(file, d.Block, true); hops != nil {
				return hops
			}
		case d.Directive == "include" && len(d.Args) == 1:
			here := hop{file: c.configs[file].File, line: d.Line, pattern: d.Args[0]}
			if within && c.names(d.Args[0]) {
				return []hop{here}
			}
			for _, next := range d.Includes {
				if next >= len(c.configs) || c.been[visit{next, within}] {
					continue
				}
				c.been[visit{next, within}] = true
				if hops := c.find(next, c.configs[next].Parsed, within); hops != nil {
					return append([]hop{here}, hops...)
				}
			}
		}
	}
	return nil
}

// names tells whether an include's pattern stands for the managed file, be it
// there or not.
func (c chain) names(pattern string) bool {
	matched, err := filepath.Match(absolute(pattern, c.dir), c.managed)
	return err == nil && matched
}

// absolute is a file that nginx's configuration names: from the main file's
// directory, wherever it is named.
func absolute(path, dir string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, path)
}

func errorLog(directives crossplane.Directives) string {
	for _, d := range directives {
		if d.Directive == "error_log" && len(d.Args) > 0 && filepath.IsAbs(d.Args[0]) {
			return d.Args[0]
		}
	}
	return ""
}

// notIncluded says what to add, once and for all.
func notIncluded(main, managed string) (reason, remedy string) {
	return fmt.Sprintf("%s does not include %s in a stream block", main, managed),
		fmt.Sprintf("install the package libnginx-mod-stream, and add to %s, outside of any block: stream { include %s/*%s; }",
			main, filepath.Dir(managed), filepath.Ext(managed))
}
