package nginx

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"berth/applyers/machine"
)

// readScript prints the files that its arguments stand for.
//
//go:embed read.sh
var readScript string

// treeMax bounds what is read of a place at once: a route takes some 40 bytes.
const treeMax = 64 << 20

// tree is what has been read of a place's files. Many are read by one program: over
// SSH each takes a way there and back.
type tree struct {
	place machine.Place
	files map[string]found
	// globs are the files that patterns stand for, the plain path of one among them.
	globs map[string][]string
	// direct tells that files are read one by one: they are on this machine.
	direct bool
}

// found is what was found under a path. What is not there has none.
type found struct {
	sort    sortOf
	content []byte
}

// sortOf is the sort of what was found.
type sortOf byte

const (
	plainFile  sortOf = 'f'
	linkedFile sortOf = 'l' // a symbolic link to a plain file
	unreadable sortOf = 'u'
	otherSort  sortOf = 'o'
)

func newTree(place machine.Place, direct bool) *tree {
	return &tree{place: place, direct: direct, files: make(map[string]found), globs: make(map[string][]string)}
}

// fetch reads what patterns stand for, be they read before or not.
func (t *tree) fetch(ctx context.Context, patterns ...string) error {
	if t.direct {
		return t.read(ctx, patterns)
	}
	out, err := t.place.Run(ctx, machine.Command{Argv: slices.Concat([]string{"sh", "-c", readScript, "sh"}, patterns), Limit: treeMax, Doing: "read " + strings.Join(patterns, " ")})
	if err != nil {
		return err
	}
	for _, p := range patterns {
		t.globs[p] = nil
	}
	rest, at := out.Stdout, ""
	for len(rest) > 0 {
		line, after, ended := bytes.Cut(rest, []byte("\n"))
		words := strings.SplitN(string(line), " ", 3)
		if !ended || len(words) != 3 || len(words[0]) != 1 {
			return t.torn()
		}
		size, err := strconv.Atoi(words[1])
		if err != nil || size < 0 || size >= len(after) || after[size] != '\n' {
			return t.torn()
		}
		switch words[0] {
		case "p":
			at = words[2]
		case "s":
			t.globs[at] = append(t.globs[at], words[2])
		default:
			t.files[words[2]] = found{sort: sortOf(words[0][0]), content: bytes.Clone(after[:size])}
			t.globs[at] = append(t.globs[at], words[2])
		}
		rest = after[size+1:]
	}
	return nil
}

func (t *tree) torn() error {
	return fmt.Errorf("read the files of %s: %w", t.place, errTorn)
}

var errTorn = errors.New("one was changed meanwhile, or they are larger than 64 MiB together")

// content is a file that can be read; there is false for one that is not there.
func (t *tree) content(path string) (content []byte, there bool, err error) {
	f, there := t.files[path]
	switch {
	case !there:
		return nil, false, nil
	case f.sort == unreadable:
		return nil, true, fmt.Errorf("read %s: permission denied", path)
	case f.sort == otherSort:
		return nil, true, fmt.Errorf("read %s: it is no plain file", path)
	}
	return f.content, true, nil
}
