package checkout

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/go-git/go-git/v5/plumbing"
)

// packed is an object as a pack has it: what it says of its size need not be true.
type packed struct {
	kind plumbing.ObjectType
	size int64
	base plumbing.Hash
	text []byte
}

func packOf(objects ...packed) []byte {
	pack := binary.BigEndian.AppendUint32([]byte("PACK\x00\x00\x00\x02"), uint32(len(objects)))
	for _, o := range objects {
		pack = entryHead(pack, o.kind, o.size)
		if o.kind == plumbing.REFDeltaObject {
			pack = append(pack, o.base[:]...)
		}
		var folded bytes.Buffer
		z := zlib.NewWriter(&folded)
		_, _ = z.Write(o.text)
		_ = z.Close()
		pack = append(pack, folded.Bytes()...)
	}
	sum := sha1.Sum(pack)
	return append(pack, sum[:]...)
}

// TestPacksThatUnfoldToTooMuch holds small packs of which large files come, and that
// others are stored as before, however they arrive.
func TestPacksThatUnfoldToTooMuch(t *testing.T) {
	text := []byte(strings.Repeat("kind: VM\n", 100))
	blob := packed{kind: plumbing.BlobObject, size: int64(len(text)), text: text}
	hash := plumbing.ComputeHash(plumbing.BlobObject, text)
	// delta makes a blob of that one by copying its beginning so many times.
	delta := func(says uint64, times int) packed {
		out := binary.AppendUvarint(binary.AppendUvarint(nil, uint64(len(text))), says)
		out = append(out, bytes.Repeat([]byte{0x80 | 0x10 | 0x20, 0x00, 0x01}, times)...) // 256 bytes from 0 on.
		return packed{kind: plumbing.REFDeltaObject, size: int64(len(out)), base: hash, text: out}
	}
	limits := unfolds{one: 4 << 10, all: 8 << 10}
	other := func(n int) packed {
		text := bytes.Repeat([]byte{byte(n)}, 3<<10)
		return packed{kind: plumbing.BlobObject, size: int64(len(text)), text: text}
	}
	for _, row := range []struct {
		name string
		pack []byte
		says string // "" where it is taken.
	}{
		{"a file", packOf(blob), ""},
		{"a delta", packOf(blob, delta(1024, 4)), ""},
		{"several", packOf(blob, other(1), other(2)), ""},
		{"a large file", packOf(blob, packed{kind: plumbing.BlobObject, size: 5 << 20, text: make([]byte, 5<<20)}), "a file of 5 MiB"},
		{"a file that says so alone", packOf(packed{kind: plumbing.CommitObject, size: 1 << 40}), "a file of"},
		{"a delta that makes a large one", packOf(blob, delta(8<<20, 1000)), "a file of 8 MiB"},
		{"a delta that says so alone", packOf(blob, delta(1<<63, 4)), "a file of"},
		{"too many", packOf(other(1), other(2), other(3)), "more than"},
	} {
		for how, arrives := range map[string]func(io.Reader) io.Reader{
			"at once": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader, "with its end": iotest.DataErrReader,
		} {
			dir := t.TempDir()
			if err := makeClone(dir, "main"); err != nil {
				t.Fatal(err)
			}
			into := openStorage(dir)
			err := limits.store(into, arrives(bytes.NewReader(row.pack)))
			switch {
			case row.says == "" && (err != nil || into.HasEncodedObject(hash) != nil):
				t.Errorf("%s, %s: %v", row.name, how, err)
			case row.says != "" && (!isContent(err) || !strings.Contains(err.Error(), row.says)):
				t.Errorf("%s, %s: %v, want %q", row.name, how, err, row.says)
			}
			if found, _ := packs(dir); row.says != "" && len(found) > 0 {
				t.Errorf("%s, %s: it is stored: %q", row.name, how, found)
			}
			_ = into.Close()
		}
	}
	// What goes wrong on the way is told as before.
	broken := errors.New("the cable")
	pack := packOf(blob, other(1))
	for n := range len(pack) {
		dir := t.TempDir()
		if err := makeClone(dir, "main"); err != nil {
			t.Fatal(err)
		}
		into := openStorage(dir)
		if err := limits.store(into, io.MultiReader(bytes.NewReader(pack[:n]), iotest.ErrReader(broken))); !errors.Is(err, broken) {
			t.Errorf("cut off after %d bytes: %v", n, err)
		}
		// go-git needs no sum at the end.
		if err := limits.store(into, bytes.NewReader(pack[:n])); err == nil && n < len(pack)-sha1.Size {
			t.Errorf("only %d of %d bytes are taken", n, len(pack))
		}
		_ = into.Close()
	}
}
