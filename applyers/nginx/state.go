package nginx

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"berth/desired"
)

// state is a managed file as it is.
type state struct {
	// raw is the file; nil if there is none.
	raw []byte
	// base is what the file says; nil if it says nothing.
	base *stream
	// live is what nginx does: base, unless a reload was begun and not seen to
	// its end. nil if there is nothing.
	live *stream
	// pending tells of such a reload.
	pending bool
	// damaged tells why a file of ours has no base.
	damaged error
}

// foreignError is the error of a file that is not ours.
type foreignError struct{ reason string }

func (e *foreignError) Error() string { return e.reason }

// former is where the file that was before is kept while nginx is brought to
// take a new one over. That it is there at another time tells that the agent was
// killed meanwhile: then either of the two may be what nginx runs.
func former(managed string) string {
	return filepath.Join(filepath.Dir(managed), "."+filepath.Base(managed)+".former")
}

// read reads the managed file and judges it.
func (a *Applyer) read(spec *desired.Edge, m mark) (state, error) {
	managed := spec.Nginx.Stream
	var s state
	info, err := os.Lstat(managed)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return s, fmt.Errorf("look at the managed file: %w", err)
	case !info.Mode().IsRegular():
		return s, &foreignError{reason: "it is no plain file"}
	default:
		if s.raw, err = os.ReadFile(managed); err != nil {
			return s, fmt.Errorf("read the managed file: %w", err)
		}
	}
	confDir := filepath.Dir(spec.Nginx.Config)
	// An empty file is nobody's.
	if len(bytes.TrimSpace(s.raw)) > 0 {
		if !m.isOurs(s.raw) {
			return s, &foreignError{reason: notOurs(s.raw)}
		}
		base, err := parse(managed, s.raw, m, confDir, a.ipv6)
		switch {
		case errors.Is(err, errDamaged):
			s.damaged = err
		case err != nil:
			return s, fmt.Errorf("read the managed file: %w", err)
		default:
			s.base, s.live = &base, &base
		}
	}
	before, err := os.ReadFile(former(managed))
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("read the file that was before: %w", err)
	}
	if bytes.Equal(before, s.raw) {
		return s, nil
	}
	s.pending = true
	s.live = nil
	if old, err := parse(managed, before, m, confDir, a.ipv6); err == nil && s.base != nil {
		s.live = unsure(*s.base, old)
	}
	return s, nil
}

func notOurs(content []byte) string {
	line, _, _ := bytes.Cut(content, []byte("\n"))
	if text, ok := bytes.CutPrefix(line, []byte("# berth: ")); ok {
		owner, _, _ := bytes.Cut(text, []byte(";"))
		return fmt.Sprintf("its first line says that it belongs to %s", owner)
	}
	return "its first line does not say that Berth made it"
}

// unsure is what nginx does while it runs one of two files, or one before them:
// each value is a text that equals nothing wanted, so that all of them are
// planned again.
func unsure(file, old stream) *stream {
	either := func(a, b desired.Target) desired.Target {
		if a == b {
			return desired.Target{Text: "perhaps " + a.Text}
		}
		return desired.Target{Text: "perhaps " + cmp.Or(a.Text, "nothing") + " or " + cmp.Or(b.Text, "nothing")}
	}
	out := file
	out.routes = make(map[string]desired.Target)
	for _, from := range []stream{file, old} {
		for name := range from.routes {
			out.routes[name] = either(file.routes[name], old.routes[name])
		}
	}
	out.def = either(file.def, old.def)
	out.listen = slices.Concat(desired.List{"perhaps"}, file.listen)
	return &out
}

// maybe tells whether a value is what it was planned to be, or one of what it was
// thought to be: an earlier step may have made an end of not knowing.
func maybe(planned, now string) bool {
	texts, unsure := strings.CutPrefix(planned, "perhaps ")
	if !unsure || planned == now {
		return planned == now
	}
	return slices.Contains(strings.Split(texts, " or "), cmp.Or(now, "nothing"))
}

// edge puts what is live in the manifest's words.
func (s stream) edge() *desired.Edge {
	return &desired.Edge{
		Name: s.mark.id.Name(),
		TLS:  desired.EdgeTLS{Listen: s.listen, Default: s.def, Routes: s.routes},
	}
}
