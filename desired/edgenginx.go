package desired

import (
	"path"
	"strings"
)

// nginx fills in Debian's ways, and checks what the manifest says instead.
func (l *loader) nginx(e *edge) {
	n := &e.Nginx
	files := map[string]string{}
	for _, f := range []struct {
		word string
		to   *string
		def  string
	}{{"config", &n.Config, "/etc/nginx/nginx.conf"}, {"stream", &n.Stream, "/etc/nginx/berth/stream.conf"}, {"http", &n.HTTP, "/etc/nginx/berth/http.conf"}} {
		src := e.at("nginx", f.word)
		if *f.to == "" {
			*f.to = f.def
		} else if complaint := badFile(*f.to, f.def); complaint != "" {
			l.wrong(e.item, src, "nginx.%s: %q: %s", f.word, *f.to, complaint)
			continue
		}
		// The main file is the container's, the managed ones are the machine's.
		if other, has := files[*f.to]; has && (other != "config" || n.Container == "") {
			l.wrong(e.item, src, "nginx.%s: %s is nginx.%s, too: write another", f.word, *f.to, other)
		}
		files[*f.to] = f.word
	}
	for word, argv := range map[string]List{"test": n.Test, "reload": n.Reload} {
		if len(argv) == 1 && strings.Contains(strings.TrimSpace(argv[0]), " ") {
			l.wrong(e.item, e.at("nginx", word), "nginx.%s: %q is one word: write [%s]", word, argv[0], strings.Join(strings.Fields(argv[0]), ", "))
		}
	}
	if len(n.Test) == 0 {
		n.Test = List{"nginx", "-t"}
	}
	if len(n.Reload) == 0 {
		n.Reload = List{"nginx", "-s", "reload"}
	}
	switch src := e.at("nginx", "container"); {
	case n.Container != "" && !isContainer(n.Container):
		l.wrong(e.item, src, "nginx.container: %q is no container's name: write what docker ps shows", n.Container)
	case n.Container == "" && n.Engine != "" && !e.bad["nginx.container"]:
		l.wrong(e.item, e.at("nginx", "engine"), "nginx.engine: nginx runs in no container: write container, or take it out")
	}
	if n.Engine == "" && !e.bad["nginx.engine"] {
		n.Engine = "docker"
	}
}

// badFile says what is wrong with the path of a file that nginx reads; usual is one.
func badFile(name, usual string) string {
	switch {
	case !strings.HasPrefix(name, "/") || strings.HasSuffix(name, "/") || strings.ContainsAny(name, "\"'\\;{}$#*?[]") || oneLine(name) != name || strings.Contains(name, " "):
		return "write the whole path of a file, as " + usual
	case path.Clean(name) != name:
		return "write " + path.Clean(name)
	}
	return ""
}

// isContainer tells whether a container engine takes a text as a name.
func isContainer(name string) bool {
	rest := func(c byte) bool { return alnum(c) || c == '.' || c == '_' || c == '-' }
	return spelled(name, alnum, rest, rest)
}
