package checkout

import (
	"bufio"
	"compress/zlib"
	"crypto/sha1" //nolint:gosec // It is how Git marks its packs.
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/storer"
)

// worthPacking is the size in bytes from which a file is compressed in a pack of our
// own. Manifests are smaller, and read more often than written.
const worthPacking = 16 << 10

// writePack writes objects as a pack, each of them whole. Format: gitformat-pack(5).
// go-git's encoder holds all objects in memory until the last one is written, and
// compresses each of a thousand small files with tables of its own: that was a tenth
// of what a first look at a fleet cost.
func writePack(w io.Writer, from storer.EncodedObjectStorer, objects []plumbing.Hash) error {
	sum := sha1.New() //nolint:gosec // See above.
	out := bufio.NewWriterSize(io.MultiWriter(w, sum), 64<<10)
	header := binary.BigEndian.AppendUint32([]byte("PACK"), 2)
	header = binary.BigEndian.AppendUint32(header, uint32(len(objects))) //nolint:gosec // A pack that does not fit is refused long before.
	if _, err := out.Write(header); err != nil {
		return err
	}
	p := packer{out: out}
	var errs [2]error
	p.stored, errs[0] = zlib.NewWriterLevel(out, zlib.NoCompression)
	p.small, errs[1] = zlib.NewWriterLevel(out, zlib.BestSpeed)
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	for _, hash := range objects {
		if err := p.object(from, hash); err != nil {
			return fmt.Errorf("pack object %s: %w", hash, err)
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	_, err := w.Write(sum.Sum(nil))
	return err
}

// packer writes one object after another, through writers that are used again.
type packer struct {
	out           io.Writer
	head          []byte
	stored, small *zlib.Writer
}

func (p *packer) object(from storer.EncodedObjectStorer, hash plumbing.Hash) (err error) {
	obj, err := from.EncodedObject(plumbing.AnyObject, hash)
	if err != nil {
		return err
	}
	content, err := obj.Reader()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, content.Close()) }()
	p.head = entryHead(p.head[:0], obj.Type(), obj.Size())
	if _, err := p.out.Write(p.head); err != nil {
		return err
	}
	z := p.small
	// Trees hold little but hashes, which nothing makes smaller.
	if obj.Type() == plumbing.TreeObject || obj.Size() < worthPacking {
		z = p.stored
	}
	z.Reset(p.out)
	if _, err := io.Copy(z, content); err != nil {
		return err
	}
	return z.Close()
}

// entryHead tells an object's type and its size: four bits of it, then seven in each
// byte, the lowest first.
func entryHead(head []byte, kind plumbing.ObjectType, size int64) []byte {
	b := byte(kind)<<4 | byte(size&0x0f) //nolint:gosec // There are seven kinds.
	for size >>= 4; size > 0; size >>= 7 {
		head = append(head, b|0x80)
		b = byte(size & 0x7f)
	}
	return append(head, b)
}
