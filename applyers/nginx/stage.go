package nginx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"berth/desired"
)

// judge lets nginx test its configuration with the new content of the managed
// file, before that is put in place. It does so with copies of the files on the
// way to it, in which the include names the copy. Only the main file's copy has
// to stand beside it, since nginx takes relative names from there.
func (a *Applyer) judge(ctx context.Context, spec *desired.Edge, conf config, content []byte) (err error) {
	managed := spec.Nginx.Stream
	sweep(managed)
	sweep(conf.main)
	var copies []string
	defer func() {
		for _, file := range copies {
			err = errors.Join(err, os.Remove(file))
		}
	}()
	stage := func(beside string, content []byte) (string, error) {
		file, err := os.CreateTemp(filepath.Dir(beside), "."+filepath.Base(beside)+".staged-*")
		if err != nil {
			return "", fmt.Errorf("stage %s: %w", beside, err)
		}
		copies = append(copies, file.Name())
		_, err = file.Write(content)
		if err = errors.Join(err, file.Close()); err != nil {
			return "", fmt.Errorf("stage %s: %w", beside, err)
		}
		return file.Name(), nil
	}
	staged, err := stage(managed, content)
	if err != nil {
		return err
	}
	pairs := []string{staged, managed}
	inner := managed
	for _, h := range slices.Backward(conf.hops) {
		text, err := rewrite(h, filepath.Dir(conf.main), inner, staged)
		if err != nil {
			return fmt.Errorf("stage %s: %w", h.file, err)
		}
		beside := managed
		if h.file == conf.main {
			beside = conf.main
		}
		if staged, err = stage(beside, text); err != nil {
			return err
		}
		inner = h.file
		pairs = append(pairs, staged, h.file)
	}
	words := strings.NewReplacer(pairs...)
	if err := a.command(ctx, append(slices.Clone(spec.Nginx.Test), "-c", staged)); err != nil {
		return &testError{said: words.Replace(err.Error()), err: err}
	}
	return nil
}

// sweep removes the copies that a killed agent left.
func sweep(beside string) {
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(beside), "."+filepath.Base(beside)+".staged-*"))
	for _, file := range left {
		_ = os.Remove(file)
	}
}

// testError is nginx's refusal, with the names of the files that were meant.
type testError struct {
	said string
	err  error
}

func (e *testError) Error() string { return e.said }
func (e *testError) Unwrap() error { return e.err }

// rewrite is a file's text with one of its includes naming staged in place of
// inner.
func rewrite(h hop, confDir, inner, staged string) ([]byte, error) {
	text, err := os.ReadFile(h.file)
	if err != nil {
		return nil, err
	}
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
	files, err := filepath.Glob(absolute(h.pattern, confDir))
	if err != nil {
		return nil, err
	}
	names := []string{staged}
	for _, file := range files {
		if file != inner {
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
