package checkout_test

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"

	"berth/agent/internal/checkout"
)

// liar tells of tags what a test wants it to, and else what is true.
type liar struct {
	*forge
	tags map[string][2]string // By name: the tag, and what it is said to be on.
	// pack answers in the place of the server, if set.
	pack  []byte
	told  []byte   // What it said last.
	asked []string // For what.
}

// serve answers as the liar does.
func (l *liar) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
		if l.told != nil {
			_, _ = w.Write(l.told)
			return
		}
		tip := plumbing.NewHash(l.tip())
		told := packp.NewAdvRefs()
		told.Prefix = [][]byte{[]byte("# service=git-upload-pack"), {}}
		told.References["refs/heads/main"] = tip
		for name, tag := range l.tags {
			told.References["refs/tags/"+name] = plumbing.NewHash(tag[0])
			told.Peeled["refs/tags/"+name] = plumbing.NewHash(tag[1])
		}
		var all bytes.Buffer
		if err := told.Encode(&all); err != nil {
			l.t.Error(err)
		}
		l.told = all.Bytes()
		_, _ = w.Write(l.told)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		l.t.Error(err)
	}
	l.asked = nil
	for line := range strings.Lines(string(body)) {
		if _, want, ok := strings.Cut(line, "want "); ok {
			l.asked = append(l.asked, want[:40])
		}
	}
	if l.pack != nil && !strings.Contains(string(body), "want "+l.tip()) {
		w.Header().Set("Content-Type", "application/x-git-upload-pack-result")
		_, _ = w.Write(append([]byte("0008NAK\n"), l.pack...))
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	l.server.ServeHTTP(w, r)
}

// packed is a pack of one tag, which is stored and not compressed.
func packed(t *testing.T, content []byte) []byte {
	t.Helper()
	var pack bytes.Buffer
	pack.Write([]byte{'P', 'A', 'C', 'K', 0, 0, 0, 2, 0, 0, 0, 1})
	size := binary.AppendUvarint(nil, uint64(len(content))>>4)
	first := byte(plumbing.TagObject)<<4 | byte(len(content)&0x0f)
	if size[0] != 0 || len(size) > 1 {
		pack.WriteByte(first | 0x80)
		pack.Write(size)
	} else {
		pack.WriteByte(first)
	}
	z, err := zlib.NewWriterLevel(&pack, zlib.NoCompression)
	if err == nil {
		_, err = z.Write(content)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	sum := sha1.Sum(pack.Bytes())
	return append(pack.Bytes(), sum[:]...)
}

// What a server says of its tags is not believed, and does no harm.
func TestServersThatLieOfTags(t *testing.T) {
	t.Parallel()
	f := newForge(t)
	ada := newEd25519(t)
	by := bySSH(ada)
	older := f.signed("older", by)
	good := f.tagged("good", older, by)
	blob := f.blob("something else").String()
	nowhere := strings.Repeat("ab", 20)
	for _, row := range []struct {
		name string
		tags func(tip string) map[string][2]string
		pack []byte
		want string // "" is that the server can't be asked.
		most int    // How many tags are asked for.
	}{
		{
			"another commit's", func(tip string) map[string][2]string { return map[string][2]string{"good": {good, tip}} }, nil,
			"of its tag good by Eve: it is on the commit " + older[:7] + ", whatever the server says", 1,
		},
		{
			"no tag", func(tip string) map[string][2]string { return map[string][2]string{"v1": {blob, tip}} }, nil,
			"of its tag v1: it is no tag, whatever the server says", 1,
		},
		{"on what is not there", func(string) map[string][2]string { return map[string][2]string{"v1": {good, nowhere}} }, nil, "no tag is on it", 0},
		{
			"not sent", func(tip string) map[string][2]string { return map[string][2]string{"v1": {nowhere, tip}} }, packed(t, []byte("x")),
			"of its tag v1: the server has told of it, and not sent it", 1,
		},
		{"refused", func(tip string) map[string][2]string { return map[string][2]string{"v1": {nowhere, tip}} }, nil, "", 1},
		{"damaged", func(tip string) map[string][2]string { return map[string][2]string{"v1": {nowhere, tip}} }, packed(t, []byte("x"))[:20], "", 1},
		{
			"of more than there are", func(tip string) map[string][2]string { return map[string][2]string{"v1": {nowhere, tip}} }, []byte("PACK\x00\x00\x00\x02\xff\xff\xff\xff"),
			"of its tag v1: it is too large, or another on these commits is: delete that; sign", 1,
		},
		{
			"without end", func(tip string) map[string][2]string {
				return map[string][2]string{"v1": {good, tip}, "v2": {nowhere, tip}}
			}, packed(t, make([]byte, 17<<20)),
			"of its tag v1: it is too large, or another on these commits is: delete that; of its tag v2: it is too large", 2,
		},
		{"forty thousand", func(tip string) map[string][2]string {
			all := map[string][2]string{}
			for i := range 20_000 {
				all[fmt.Sprintf("here-%05d", i)] = [2]string{fmt.Sprintf("%040x", i+1), tip}
				all[fmt.Sprintf("there-%05d", i)] = [2]string{fmt.Sprintf("%040x", i+100_000), older}
			}
			return all
		}, packed(t, []byte("x")), "and 19968 more tags are on it, which are too many to be looked at", 32},
		{"names that can't be shown", func(tip string) map[string][2]string { return map[string][2]string{"v\x1b[2J": {good, tip}} }, nil, "of its tag v[2J by Eve: it is on the commit", 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			f.t = t
			tip := f.signed(row.name, unsigned, older)
			l := &liar{forge: f, tags: row.tags(tip), pack: row.pack}
			f.answer(l.serve)
			defer f.answer(nil)
			a := f.verifying(checkout.Verify{AllowedSigners: writeFile(t, "allowed_signers", "ada "+line(ada)), Tags: true})
			if row.want == "" {
				a.fails(checkout.ErrUnreachable)
			} else {
				f.counted()
				a.distrusts(tip, tip, "", row.want)
				// It looks twice: what was not sent, or too large, is asked for once.
				if n, most := f.counted(), 3+min(row.most, 1); n != most {
					t.Errorf("%d requests, want %d", n, most)
				}
			}
			if row.most > 0 && len(l.asked) != row.most || row.most == 0 && (len(l.asked) != 1 || l.asked[0] != tip) {
				t.Errorf("asked for %d: %v", len(l.asked), l.asked)
			}
			if found, err := filepath.Glob(filepath.Join(a.dir, "tags*")); err != nil || len(found) > 0 {
				t.Errorf("left: %v, %v", found, err)
			}
			// And the next commit comes as ever.
			f.answer(nil)
			a.accept(f.signed("signed", by, older))
		})
	}
}

// What a kill has left of tags on their way goes at the next start.
func TestTagsThatWereLeftBehind(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	left := filepath.Join(dir, "tags.new", "objects", "pack")
	if err := os.MkdirAll(left, 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(left, "tmp_pack_1"), "x")
	followIn(t, dir, newForge(t).source())
	if _, err := os.Stat(filepath.Join(dir, "tags.new")); !os.IsNotExist(err) {
		t.Errorf("it is still there: %v", err)
	}
}

// A server that announces more objects than there are would have the agent make room for
// them, and die of it.
func TestPacksThatAnnounceTooMuch(t *testing.T) {
	t.Parallel()
	f := newForge(t)
	l := &liar{forge: f, pack: append([]byte("PACK\x00\x00\x00\x02\xff\xff\xff\xff"), make([]byte, 64<<10)...)}
	tip := f.commit("first", "a.yaml", "a")
	f.answer(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			l.serve(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/x-git-upload-pack-result")
		_, _ = w.Write(append([]byte("0008NAK\n"), l.pack...))
	})
	a := follow(t, f.source())
	if _, err := a.Fetch(t.Context()); err == nil || !strings.Contains(err.Error(), "it brings 4294967295 files and other objects, and more than 4194304 are not taken at once") {
		t.Errorf("got %v", err)
	}
	f.answer(nil)
	a.accept(tip)
}
