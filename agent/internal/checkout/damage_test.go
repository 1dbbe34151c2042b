package checkout_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"

	"berth/agent/internal/checkout"
)

// flip changes bytes in the middle of a pack, where its objects are.
func flip(raw []byte) []byte {
	for i := 20; i < len(raw)-20; i++ {
		raw[i] ^= 0xff
	}
	return raw
}

func cut(raw []byte) []byte { return raw[:len(raw)/2] }

func TestDamageIsHealed(t *testing.T) {
	for _, test := range []struct {
		name, pattern string
		change        func([]byte) []byte
		remove        bool
	}{
		{"pack flipped", "*.pack", flip, false},
		{"pack cut", "*.pack", cut, false},
		{"pack empty", "*.pack", func([]byte) []byte { return nil }, false},
		{"pack gone", "*.pack", nil, true},
		{"index flipped", "*.idx", flip, false},
		{"index cut", "*.idx", cut, false},
		{"index gone", "*.idx", nil, true},
	} {
		damage := func(t *testing.T, a *follower) {
			t.Helper()
			for _, name := range a.packFiles(test.pattern) {
				if !test.remove {
					overwrite(t, name, test.change)
				} else if err := os.Remove(name); err != nil {
					t.Fatal(err)
				}
			}
		}
		t.Run(test.name+" before the start", func(t *testing.T) {
			f := newForge(t)
			f.commit("first", "a.yaml", "one")
			tip := f.commit("second", "a.yaml", "two")
			a := follow(t, f.source())
			a.accept(tip)
			damage(t, a)
			b := followIn(t, a.dir, f.source())
			c := b.fetch(tip)
			if got := b.file(c, "a.yaml"); got != "two" {
				t.Errorf("file holds %q", got)
			}
			b.accept(f.commit("third", "a.yaml", "three"))
			if left, err := filepath.Glob(filepath.Join(a.dir, "clone.*")); err != nil || len(left) != 0 {
				t.Errorf("left behind: %v %v", left, err)
			}
		})
		t.Run(test.name+" while running", func(t *testing.T) {
			f := newForge(t)
			f.commit("first", "a.yaml", "one")
			tip := f.commit("second", "a.yaml", "two")
			a := follow(t, f.source())
			c := a.accept(tip)
			damage(t, a)
			third := f.commit("third", "a.yaml", "three")
			for range 3 { // Damage that hides in caches is found at the latest when it is read.
				if _, err := a.read(c, "a.yaml"); err == nil {
					if _, err := a.Fetch(t.Context()); err == nil {
						break
					}
				}
				_, _ = a.Fetch(t.Context())
			}
			d := a.accept(third)
			if got := a.file(c, "a.yaml") + a.file(d, "a.yaml"); got != "twothree" {
				t.Errorf("files hold %q", got)
			}
		})
	}
}

func TestDamageWithTheServerAway(t *testing.T) {
	f := newForge(t)
	tip := f.commit("first", "a.yaml", "one")
	a := follow(t, f.source())
	a.accept(tip)
	overwrite(t, a.packFiles("*.pack")[0], cut)
	f.answer(status(http.StatusBadGateway))
	b := followIn(t, a.dir, f.source())
	b.fails(checkout.ErrUnreachable)
	if c, ok := b.Accepted(); !ok || c.Hash != tip {
		t.Errorf("accepted is %+v", c)
	}
	f.answer(nil)
	b.fetch(tip)
	if !strings.Contains(b.said.String(), "the clone is damaged") {
		t.Errorf("the log says nothing of it:\n%s", b.said)
	}
}

// TestAcceptedCommitIsCarriedOver makes the clone anew when the server has forgotten the accepted commit.
func TestAcceptedCommitIsCarriedOver(t *testing.T) {
	f := newForge(t)
	f.commit("first", "a.yaml", "one")
	a := follow(t, f.source())
	accepted := a.accept(f.commit("second", "a.yaml", "two"))
	f.replace()
	f.commit("orphan", "b.yaml", "three")
	// A checksum that is wrong damages nothing that is read.
	overwrite(t, a.packFiles("*.pack")[0], func(raw []byte) []byte { raw[len(raw)-1] ^= 1; return raw })
	b := followIn(t, a.dir, f.source())
	b.fails(checkout.ErrRewritten)
	if !strings.Contains(b.said.String(), "the clone is damaged") {
		t.Fatalf("the clone was not made anew:\n%s", b.said)
	}
	if got := b.file(accepted, "a.yaml"); got != "two" {
		t.Errorf("file holds %q", got)
	}
	if got := followIn(t, a.dir, f.source()).file(accepted, "a.yaml"); got != "two" {
		t.Errorf("after a restart the file holds %q", got)
	}
	if ref, err := os.ReadFile(filepath.Join(a.dir, "clone", "refs", "berth", "accepted")); err != nil || strings.TrimSpace(string(ref)) != accepted.Hash {
		t.Errorf("the clone names %q (%v), want %s", ref, err, accepted.Hash)
	}
}

// TestCommitThatIsGone has what history had before be asked for: its lack is no damage, for
// which the clone would be made anew each time.
func TestCommitThatIsGone(t *testing.T) {
	f := newForge(t)
	tip := f.commit("first", "a.yaml", "one")
	a := follow(t, f.source())
	a.accept(tip)
	for _, hash := range []string{strings.Repeat("a", 40), ""} {
		if _, err := a.Tree(t.Context(), checkout.Commit{Hash: hash}); err == nil || !strings.Contains(err.Error(), "the clone does not have it") {
			t.Errorf("commit %q: %v", hash, err)
		}
	}
	a.fetch(f.commit("second", "a.yaml", "two"))
	if strings.Contains(a.said.String(), "damaged") {
		t.Errorf("it is taken for damage:\n%s", a.said)
	}
}

// TestAcceptedFilesAreCarriedOver does so when even the accepted commit's history is damaged.
func TestAcceptedFilesAreCarriedOver(t *testing.T) {
	f := newForge(t)
	a := follow(t, f.source())
	a.fetch(f.commit("first", "a.yaml", "one", "b.yaml", "old"))
	history := a.packFiles("*.pack")
	accepted := a.accept(f.commit("second", "a.yaml", "two", "b.yaml", "new"))
	f.replace()
	f.commit("orphan", "b.yaml", "three")
	overwrite(t, history[0], flip)
	b := followIn(t, a.dir, f.source())
	b.fails(checkout.ErrRewritten)
	if got := b.file(accepted, "a.yaml") + b.file(accepted, "b.yaml"); got != "twonew" {
		t.Errorf("files hold %q", got)
	}
}

func TestLostAcceptedCommitIsSaid(t *testing.T) {
	f := newForge(t)
	a := follow(t, f.source())
	accepted := a.accept(f.commit("first", "a.yaml", "one"))
	f.replace()
	f.commit("orphan", "b.yaml", "three")
	overwrite(t, a.packFiles("*.pack")[0], cut)
	b := followIn(t, a.dir, f.source())
	b.fails(checkout.ErrRewritten)
	if !strings.Contains(b.said.String(), "the accepted commit is lost") {
		t.Errorf("the log does not say that the accepted commit is lost:\n%s", b.said)
	}
	if _, err := b.Tree(t.Context(), accepted); err == nil {
		t.Error("the lost commit has a tree")
	}
}

// TestLeftoversOfAKill lays out what kill -9 leaves at each point, and starts again.
func TestLeftoversOfAKill(t *testing.T) {
	f := newForge(t)
	first := f.commit("first", "a.yaml", "one")
	for name, kill := range map[string]func(t *testing.T, a *follower, second string){
		"in mid-fetch": func(t *testing.T, a *follower, _ string) {
			t.Helper()
			pack := a.packFiles("*.pack")[0]
			write(t, filepath.Join(filepath.Dir(pack), "tmp_pack_123"), "half a pack")
		},
		"between index and pack": func(t *testing.T, a *follower, second string) {
			t.Helper()
			// Another clone learns the name that the next pack will have.
			f.memorise()
			f.point(first)
			other := follow(t, f.source())
			other.fetch(first)
			f.point(second)
			other.fetch(second)
			if got := len(other.packFiles("*.idx")); got != 2 {
				t.Fatalf("%d indexes, want 2", got)
			}
			for _, index := range other.packFiles("*.idx") {
				mine := filepath.Join(a.dir, "clone", "objects", "pack", filepath.Base(index))
				if _, err := os.Stat(mine); err != nil {
					write(t, mine, "half an index")
				}
			}
		},
		"while cloning anew": func(t *testing.T, a *follower, _ string) {
			t.Helper()
			write(t, filepath.Join(a.dir, "clone.new", "HEAD"), "half")
		},
		"between the renames": func(t *testing.T, a *follower, _ string) {
			t.Helper()
			if err := os.Rename(filepath.Join(a.dir, "clone"), filepath.Join(a.dir, "clone.old")); err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(a.dir, "clone.new", "HEAD"), "whole, but who knows")
		},
		"before the old clone was removed": func(t *testing.T, a *follower, _ string) {
			t.Helper()
			write(t, filepath.Join(a.dir, "clone.old", "HEAD"), "old")
		},
		"before the first clone": func(t *testing.T, a *follower, _ string) {
			t.Helper()
			if err := os.RemoveAll(filepath.Join(a.dir, "clone")); err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(a.dir, "clone.new", "HEAD"), "")
		},
		"while a reference was written": func(t *testing.T, a *follower, _ string) {
			t.Helper()
			write(t, filepath.Join(a.dir, "clone", "refs", "remotes", "origin", "main"), "")
			write(t, filepath.Join(a.dir, "clone", "refs", "berth", "accepted"), "")
		},
	} {
		t.Run(name, func(t *testing.T) {
			f.point(first)
			a := follow(t, f.source())
			accepted := a.accept(first)
			second := f.commit("second "+name, "a.yaml", "two")
			kill(t, a, second)
			b := followIn(t, a.dir, f.source())
			c := b.accept(second)
			if got := b.file(c, "a.yaml") + b.file(accepted, "a.yaml"); got != "twoone" {
				t.Errorf("files hold %q", got)
			}
			again := followIn(t, a.dir, f.source()) // What b holds in memory may hide what is on disk.
			again.fetch(second)
			if said := b.said.String() + again.said.String(); strings.Contains(said, "damaged") {
				t.Errorf("it was taken for damage, or has done some:\n%s", said)
			}
			f.answer(nil)
			if left := append(a.packFiles("tmp_*"), glob(t, a.dir, "clone.*")...); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func glob(t *testing.T, dir, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestBrokenAnswer cuts the server's answer at every length that it can have.
func TestBrokenAnswer(t *testing.T) {
	f := newForge(t)
	first := f.commit("first", "a.yaml", "one")
	a := follow(t, f.source())
	accepted := a.accept(first)
	second := f.commit("second", "a.yaml", "two")
	length := 1
	for at := 0; at < length; at += 7 {
		f.answer(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				f.server.ServeHTTP(w, r)
				return
			}
			whole := httptest.NewRecorder()
			f.server.ServeHTTP(whole, r)
			length = whole.Body.Len()
			maps.Copy(w.Header(), whole.Header())
			_, _ = io.CopyN(w, whole.Body, int64(at))
		})
		_, err := a.Fetch(t.Context())
		if !errors.Is(err, checkout.ErrUnreachable) {
			t.Fatalf("the answer ended after %d bytes of %d: %v", at, length, err)
		}
	}
	if length < 100 {
		t.Fatalf("the answer has only %d bytes", length)
	}
	if left := a.packFiles("tmp_*"); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	if got := a.file(accepted, "a.yaml"); got != "one" {
		t.Errorf("file holds %q", got)
	}
	f.answer(nil)
	a.accept(second)
}

func TestPacksAreJoined(t *testing.T) {
	f := newForge(t)
	a := follow(t, f.source())
	a.SetMaxPacks(10)
	accepted := a.accept(f.commit("first", "a.yaml", "0"))
	most := 0
	var tip checkout.Commit
	for i := range 25 {
		tip = a.fetch(f.commit("next", "a.yaml", strconv.Itoa(i)))
		most = max(most, len(a.packFiles("*.pack")))
	}
	if left := len(a.packFiles("*.pack")); most != 10 || left > 8 {
		t.Errorf("up to %d packs, and %d in the end; want 10, and 6 to 8", most, left)
	}
	if got := a.file(accepted, "a.yaml") + a.file(tip, "a.yaml"); got != "024" {
		t.Errorf("files hold %q", got)
	}
}

// TestReadingWhileFetching holds a fetch up and reads the accepted commit meanwhile.
func TestReadingWhileFetching(t *testing.T) {
	f := newForge(t)
	a := follow(t, f.source())
	accepted := a.accept(f.commit("first", "a.yaml", "one"))
	second := f.commit("second", "a.yaml", "two")
	arrived, release := make(chan struct{}), make(chan struct{})
	f.answer(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			close(arrived)
			<-release
		}
		f.server.ServeHTTP(w, r)
	})
	done := make(chan error, 1)
	go func() {
		c, err := a.Fetch(context.WithoutCancel(t.Context()))
		if err == nil && c.Hash != second {
			err = fmt.Errorf("fetched %s, want %s", c.Hash, second)
		}
		done <- err
	}()
	<-arrived
	if got := a.file(accepted, "a.yaml"); got != "one" {
		t.Errorf("file holds %q", got)
	}
	close(release)
	for range 50 {
		if got := a.file(accepted, "a.yaml"); got != "one" {
			t.Errorf("file holds %q", got)
		}
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// TestIncompleteRepository has a server that never sends what the commit needs.
func TestIncompleteRepository(t *testing.T) {
	f := newForge(t)
	a := follow(t, f.source())
	accepted := a.accept(f.commit("first", "a.yaml", "one"))
	second := f.commit("second", "a.yaml", "two")
	f.answer(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			f.server.ServeHTTP(w, r)
			return
		}
		_, _ = io.WriteString(w, "0008NAK\n")
		_, _ = packfile.NewEncoder(w, f.store().Storer, false).Encode([]plumbing.Hash{plumbing.NewHash(second)}, 0)
	})
	for i, want := range []int{3, 1, 1} { // A fetch and a fresh clone, and then no more of them.
		f.counted()
		if _, err := a.Fetch(t.Context()); err == nil || !strings.Contains(err.Error(), "not whole in a fresh clone either") {
			t.Errorf("fetch %d: %v", i, err)
		}
		if got := f.counted(); got != want {
			t.Errorf("fetch %d took %d requests, want %d", i, got, want)
		}
	}
	if got := a.file(accepted, "a.yaml"); got != "one" {
		t.Errorf("file holds %q", got)
	}
	f.answer(nil)
	a.accept(f.commit("third", "a.yaml", "three"))
}

// TestContentIsHashed puts other content in a file's place, well packed and with a right checksum.
func TestContentIsHashed(t *testing.T) {
	f := newForge(t)
	a := follow(t, f.source())
	c := a.accept(f.commit("first", "a.yaml", "one"))
	right, wrong := f.blob("one").String(), f.blob("two").String()
	loose := func(hash string) string { return filepath.Join("objects", hash[:2], hash[2:]) }
	raw, err := os.ReadFile(filepath.Join(f.dir, loose(wrong)))
	if err != nil {
		t.Fatal(err)
	}
	overwrite(t, filepath.Join(f.dir, loose(right)), func([]byte) []byte { return raw })
	// The clone keeps everything unpacked, as the server does.
	if err := os.RemoveAll(filepath.Join(a.dir, "clone", "objects")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(a.dir, "clone", "objects"), os.DirFS(filepath.Join(f.dir, "objects"))); err != nil {
		t.Fatal(err)
	}
	b := followIn(t, a.dir, f.source())
	if got, err := b.read(c, "a.yaml"); err == nil || !strings.Contains(err.Error(), "does not match its hash") {
		t.Errorf("read %q, %v", got, err)
	}
}
