package checkout

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/storer"
)

// unfolds bounds what the objects of a pack unfold to, in bytes: a megabyte of a pack may
// be gigabytes of a file, and go-git holds each object in memory twice over to learn its
// hash. Whoever may propose something could have the agent killed, which locks it.
type unfolds struct{ one, all int64 }

// defaultUnfolds are above what forges take of a file, and what a history adds up to.
func defaultUnfolds() unfolds { return unfolds{one: 256 << 20, all: 64 << 30} }

// maxObjects is how many objects a pack may have: go-git makes room for as many as it says,
// 32 bytes each, before the first one has come, and it may say four thousand millions.
const maxObjects = 4 << 20

// step is how much of a pack is read in one go: so much of it may not be judged yet.
const step = 4 << 10

// store stores the objects of a pack, unless they unfold to more than they may.
func (u unfolds) store(into storer.Storer, pack io.Reader) error {
	seen, tell := io.Pipe()
	b := &bounded{from: io.TeeReader(pack, tell), tell: tell, judged: make(chan error, 1)}
	go func() {
		err := u.scan(seen)
		_ = seen.CloseWithError(err) // Neither ever fails.
		b.judged <- err
	}()
	err := packfile.UpdateObjectStorage(into, b)
	_ = tell.CloseWithError(io.ErrUnexpectedEOF)
	switch {
	case !b.whole: // The storage has given up, and says why.
		return cmp.Or(err, <-b.judged)
	case b.wrong != nil:
		return b.wrong
	}
	return err
}

// scan looks at what a pack says of its objects, and holds none of them. When it reads on,
// all is judged that it has read before.
func (u unfolds) scan(pack io.Reader) error {
	s := packfile.NewScanner(stepwise{pack})
	_, count, err := s.Header()
	if err != nil {
		return err
	}
	if count > maxObjects {
		return contentError{fmt.Errorf("it brings %d files and other objects, and more than %d are not taken at once", count, maxObjects)}
	}
	sum := int64(0)
	for range count {
		h, err := s.NextObjectHeader()
		if err != nil {
			return err
		}
		size := h.Length
		if size < 0 || size > u.one {
			return u.refuse(size)
		}
		var first head
		if _, _, err := s.NextObject(&first); err != nil {
			return err
		}
		if h.Type == plumbing.OFSDeltaObject || h.Type == plumbing.REFDeltaObject {
			size = max(size, first.makes())
		}
		if size > u.one {
			return u.refuse(size)
		}
		if sum += size; sum > u.all {
			return contentError{fmt.Errorf("it brings more than %d GiB of files and history, which is more than is taken at once", u.all>>30)}
		}
	}
	_, err = io.Copy(io.Discard, pack)
	return err
}

func (u unfolds) refuse(size int64) error {
	return contentError{fmt.Errorf("it brings a file of %d MiB, and more than %d are not taken: take it out of the history", size>>20, u.one>>20)}
}

// isContent tells that an error comes from what was committed, whoever serves it.
func isContent(err error) bool {
	_, is := errors.AsType[contentError](err)
	return is
}

// head is the beginning of an object.
type head struct {
	text [2 * binary.MaxVarintLen64]byte
	n    int
}

// Write keeps the beginning.
func (h *head) Write(p []byte) (int, error) {
	h.n += copy(h.text[h.n:], p)
	return len(p), nil
}

// makes is how large an object is that a delta makes of another: it begins with the size
// of that, and then of this (gitformat-pack(5)). What makes no sense is refused later.
func (h *head) makes() int64 {
	_, n := binary.Uvarint(h.text[:h.n])
	size, _ := binary.Uvarint(h.text[max(n, 0):h.n])
	return int64(min(size, 1<<62))
}

// stepwise is read in steps.
type stepwise struct{ from io.Reader }

// Read reads a step at most.
func (s stepwise) Read(p []byte) (int, error) { return s.from.Read(p[:min(len(p), step)]) }

// bounded gives on what of a pack was judged.
type bounded struct {
	from   io.Reader
	tell   *io.PipeWriter
	judged chan error
	// held is what was read and is not given on yet.
	held []byte
	// whole is that all was read and judged, wrong what is wrong then.
	whole bool
	wrong error
}

// Read holds back the last step, until all was judged: of what is refused no object comes
// through whole.
func (b *bounded) Read(p []byte) (int, error) {
	for !b.whole && len(b.held) <= step {
		if len(b.held) == 0 {
			b.held = make([]byte, 0, 8*step)
		}
		n, err := b.from.Read(b.held[len(b.held):cap(b.held)])
		b.held = b.held[:len(b.held)+n]
		if err == nil {
			continue
		}
		_ = b.tell.Close() // It never fails.
		found := <-b.judged
		b.whole = true
		if b.wrong = err; errors.Is(err, io.EOF) {
			b.wrong = found
		}
	}
	ready := b.held
	switch {
	case b.wrong != nil:
		return 0, b.wrong
	case !b.whole:
		ready = b.held[:len(b.held)-step]
	case len(ready) == 0:
		return 0, io.EOF
	}
	n := copy(p, ready)
	b.held = b.held[:copy(b.held, b.held[n:])]
	return n, nil
}
