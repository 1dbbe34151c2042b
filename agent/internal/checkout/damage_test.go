package checkout_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
			other := followIn(t, t.TempDir(), f.source())
			other.fetch(second)
			for _, index := range other.packFiles("*.idx") {
				write(t, filepath.Join(a.dir, "clone", "objects", "pack", filepath.Base(index)), "half an index")
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
			for name, values := range whole.Header() {
				w.Header()[name] = values
			}
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
		tip = a.fetch(f.commit("next", "a.yaml", fmt.Sprint(i)))
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
