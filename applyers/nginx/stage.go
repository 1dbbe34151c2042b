package nginx

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"berth/applyers/machine"
	"berth/applyers/nginx/conf"
)

// sweepScript removes the files that its arguments stand for.
const sweepScript = `IFS=; for pattern; do rm -f -- $pattern; done`

// judgeFiles lets nginx test its configuration with the new content of the managed
// files, before that is put in place. It does so with copies of the files on the way
// to them, in which the includes name the copies. Only the main file's copy has to
// stand beside it, since nginx takes relative names from there.
func (c *changing) judgeFiles(ctx context.Context, files conf.Files) (err error) {
	s := staging{changing: c, staged: make(map[string]string)}
	if c.leftover {
		if err := s.sweep(ctx); err != nil {
			return err
		}
	}
	var random [6]byte
	if _, err := rand.Read(random[:]); err != nil {
		return fmt.Errorf("name copies to test: %w", err)
	}
	s.suffix = ".staged-" + hex.EncodeToString(random[:])
	defer func() {
		sweeping, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishIn)
		defer cancel()
		err = joined(err, s.sweep(sweeping))
	}()
	if err := s.copyAll(ctx, files); err != nil {
		return fmt.Errorf("test the new file, nothing was changed: %w", err)
	}
	main := s.staged[c.main]
	err = c.command(ctx, append(slices.Clone(c.spec.Nginx.Test), "-c", main))
	switch refusal := (*machine.ExitError)(nil); {
	case err == nil:
		return nil
	case errors.As(err, &refusal):
		said := s.words(err.Error())
		return fmt.Errorf("nginx refuses the new file, nothing was changed: %w", explained(&testError{said: said + s.elsewhere(said), err: err}))
	default:
		return fmt.Errorf("test the new file, nothing was changed: %w", err)
	}
}

// staging is a set of copies to be tested.
type staging struct {
	*changing
	suffix string
	// staged are the copies, by the name under which nginx finds what they are of.
	staged map[string]string
}

// copyAll writes the copies: those of the managed files, and of all on the way to them.
func (s *staging) copyAll(ctx context.Context, files conf.Files) error {
	// What is to be included anew: by the including file, and by directive.
	includes := make(map[string]map[hop][]string)
	var outer []string
	for side, f := range s.files {
		if !s.touch[side] {
			continue
		}
		if err := s.on.Replace(ctx, copyBeside(f.path, s.suffix), part(files, side), fileMode); err != nil {
			return err
		}
		s.staged[f.seen] = copyBeside(f.seen, s.suffix)
		inner := f.seen
		for _, h := range slices.Backward(s.hops[side]) {
			if includes[h.file] == nil {
				includes[h.file] = make(map[hop][]string)
				outer = append(outer, h.file)
				beside := path.Join(path.Dir(s.main), path.Base(h.file))
				s.staged[h.file] = copyBeside(beside, s.suffix+"-"+strconv.Itoa(len(outer)))
			}
			if !slices.Contains(includes[h.file][h], inner) {
				includes[h.file][h] = append(includes[h.file][h], inner)
			}
			inner = h.file
		}
	}
	for _, file := range outer {
		text := s.near.files[file].content
		// From the end on, so that lines keep their numbers.
		order := slices.SortedFunc(maps.Keys(includes[file]), func(a, b hop) int {
			return cmp.Or(cmp.Compare(b.line, a.line), strings.Compare(a.pattern, b.pattern))
		})
		for _, h := range order {
			var err error
			if text, err = s.rewrite(text, h, includes[file][h]); err != nil {
				return fmt.Errorf("stage %s: %w", file, err)
			}
		}
		if err := s.in.Replace(ctx, s.staged[file], text, 0o600); err != nil {
			return fmt.Errorf("stage %s: %w", file, err)
		}
	}
	return nil
}

// copyBeside names the staged copy of a file.
func copyBeside(file, suffix string) string {
	return path.Join(path.Dir(file), "."+path.Base(file)+suffix)
}

// sweep removes the copies, and those that a killed agent left.
func (s *staging) sweep(ctx context.Context) error {
	here := slices.Concat(leftovers(s.files[streamSide].path), leftovers(s.files[httpSide].path))
	there := []string{leftCopies(s.main)}
	remove := func(place machine.Place, patterns []string) error {
		err := s.removeAll(ctx, place, patterns)
		if err != nil {
			return fmt.Errorf("remove the copies that were tested: %w", err)
		}
		return nil
	}
	if !s.apart {
		return remove(s.on, slices.Concat(here, there))
	}
	return joined(remove(s.on, here), remove(s.in, there))
}

// removeAll removes what patterns stand for.
func (s *staging) removeAll(ctx context.Context, place machine.Place, patterns []string) error {
	if !s.direct {
		_, err := place.Run(ctx, machine.Command{Argv: slices.Concat([]string{"sh", "-c", sweepScript, "sh"}, patterns), Doing: "remove " + strings.Join(patterns, " ")})
		return err
	}
	for _, pattern := range patterns {
		names, err := place.Glob(ctx, pattern)
		for _, name := range names {
			err = joined(err, place.Remove(ctx, name))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// words puts the names of the files that were meant in place of their copies'.
func (s *staging) words(said string) string {
	var pairs []string
	for file, copied := range s.staged {
		pairs = append(pairs, copied, file)
	}
	return strings.NewReplacer(pairs...).Replace(said)
}

// testError is nginx's refusal, with the names of the files that were meant.
type testError struct {
	said string
	err  error
}

func (e *testError) Error() string { return e.said }
func (e *testError) Unwrap() error { return e.err }

// rewrite is a file's text with one of its includes naming the copies of some files.
func (s *staging) rewrite(text []byte, h hop, inners []string) ([]byte, error) {
	start := 0
	for range h.line - 1 {
		next := bytes.IndexByte(text[start:], '\n')
		if next < 0 {
			break
		}
		start += next + 1
	}
	include := regexp.MustCompile(`include\s+["']?` + regexp.QuoteMeta(h.pattern) + `["']?\s*;`)
	at := include.FindIndex(text[start:])
	if at == nil {
		return nil, fmt.Errorf("line %d: no include %s is found there", h.line, h.pattern)
	}
	var names []string
	for _, inner := range inners {
		names = append(names, s.staged[inner])
	}
	for _, file := range s.near.globs[absolute(h.pattern, path.Dir(s.main))] {
		if !slices.Contains(inners, file) {
			names = append(names, file)
		}
	}
	var out []byte
	out = append(out, text[:start+at[0]]...)
	for _, name := range names {
		if strings.ContainsAny(name, "\"\\\n$") {
			return nil, fmt.Errorf("%q can't be written into nginx's configuration", name)
		}
		out = append(out, `include "`+name+`"; `...)
	}
	return append(out, text[start+at[1]:]...), nil
}
