package checkout_test

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"

	"berth/agent/internal/checkout"
)

// tree is a commit's files, without folders.
type tree map[string]string

// side makes a commit and names it by a reference other than main.
func (f *forge) side(ref, message string, files tree, parents ...string) string {
	f.t.Helper()
	var entries []object.TreeEntry
	for name, content := range files {
		if dir, rest, deep := strings.Cut(name, "/"); deep {
			inner := &object.Tree{Entries: []object.TreeEntry{{Name: rest, Mode: filemode.Regular, Hash: f.blob(content)}}}
			entries = append(entries, object.TreeEntry{Name: dir, Mode: filemode.Dir, Hash: f.write(plumbing.TreeObject, inner.Encode)})
			continue
		}
		entries = append(entries, object.TreeEntry{Name: name, Mode: filemode.Regular, Hash: f.blob(content)})
	}
	slices.SortFunc(entries, func(a, b object.TreeEntry) int { return strings.Compare(a.Name, b.Name) })
	root := &object.Tree{Entries: entries}
	hash := f.commitObject(message, f.write(plumbing.TreeObject, root.Encode), parents...)
	if err := f.store().Storer.SetReference(plumbing.NewHashReference(plumbing.ReferenceName(ref), plumbing.NewHash(hash))); err != nil {
		f.t.Fatal(err)
	}
	return hash
}

func TestPropose(t *testing.T) {
	f := newForge(t)
	start := tree{"a": "a1\n", "b": "b1\n", "d/c": "c1\n"}
	first := f.side("refs/heads/main", "start", start)
	second := f.side("refs/heads/main", "main moves on", tree{"a": "a2\n", "b": "b1\n", "d/c": "c1\n", "e": "e1\n"}, first)
	ahead := f.side("refs/heads/ahead", "ahead", tree{"a": "a3\n"}, second)
	apart := f.side("refs/pull/7/head", "beside", tree{"a": "a1\n", "d/c": "c2\n", "n": "n1\n"}, first)
	both := f.side("refs/merge-requests/8/head", "both", tree{"a": "a9\n", "b": "b1\n", "d/c": "c1\n"}, first)
	alien := f.side("refs/heads/alien", "no common history", tree{"z": "z\n"})
	a := follow(t, f.source())
	onto := a.accept(second)
	f.counted()
	for _, row := range []struct {
		ref, head string
		how       checkout.How
		both      string
		want      string
	}{
		{"ahead", ahead, checkout.Ahead, "", "a=a3"},
		{"refs/heads/ahead", ahead, checkout.Ahead, "", "a=a3"},
		{ahead, ahead, checkout.Ahead, "", "a=a3"},
		{"main", second, checkout.Ahead, "", "a=a2 b=b1 d/c=c1 e=e1"},
		{"refs/pull/7/head", apart, checkout.Merged, "", "a=a2 d/c=c2 e=e1 n=n1"},
		{"refs/merge-requests/8/head", both, checkout.Apart, "a", "a=a9 b=b1 d/c=c1"},
		{first, first, checkout.Older, "", "a=a1 b=b1 d/c=c1"},
		{"alien", alien, checkout.Apart, "", "z=z"},
	} {
		p, err := a.Propose(t.Context(), row.ref, onto)
		if err != nil {
			t.Errorf("%s: %v", row.ref, err)
			continue
		}
		if got := listed(t, p); p.Head.Hash != row.head || p.How != row.how || strings.Join(p.Both, " ") != row.both || got != row.want || p.Onto != onto {
			t.Errorf("%s: %s %s, both %q, files %s; want %s %s %s", row.ref, p.Head.Short(), p.How, p.Both, got, row.head[:7], row.how, row.want)
		}
	}
	// What was accepted, and what the branch is at, are as before.
	if c, ok := a.Accepted(); !ok || c != onto {
		t.Errorf("accepted is %+v", c)
	}
	a.fetch(second)
	if got := a.file(onto, "a"); got != "a2\n" {
		t.Errorf("the accepted commit holds %q", got)
	}
	if strings.Contains(a.said.String(), "damaged") {
		t.Error("a proposal has damaged the clone")
	}
	// What is there already costs a look at the references alone, and nothing by its hash.
	f.counted()
	if _, err := a.Propose(t.Context(), "refs/pull/7/head", onto); err != nil || f.counted() != 1 {
		t.Errorf("a proposal that is known: %v", err)
	}
	if _, err := a.Propose(t.Context(), ahead, onto); err != nil || f.counted() != 0 {
		t.Errorf("a commit that is known: %v", err)
	}
	for ref, want := range map[string]string{
		"nowhere": "branch", "--upload-pack=x y": "no name of a branch", "refs/heads/../../x": "no name of a branch", "": "no name of a branch",
		"refs/pull/99/head": "branch",
	} {
		if _, err := a.Propose(t.Context(), ref, onto); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", ref, err, want)
		}
	}
}

func listed(t *testing.T, p *checkout.Proposal) string {
	t.Helper()
	var all []string
	for _, name := range []string{"a", "b", "d/c", "e", "n", "z"} {
		file, err := p.Files.Open(name)
		if err != nil {
			continue
		}
		content := make([]byte, 16)
		n, _ := file.Read(content)
		all = append(all, name+"="+strings.TrimSpace(string(content[:n])))
		_ = file.Close()
	}
	return strings.Join(all, " ")
}

// Packs that proposals bring are not kept for ever.
func TestProposalsDoNotFillTheClone(t *testing.T) {
	f := newForge(t)
	first := f.side("refs/heads/main", "start", tree{"a": "1\n"})
	a := follow(t, f.source())
	a.SetMaxPacks(4)
	onto := a.accept(first)
	for i := range 12 {
		f.side("refs/pull/1/head", "again", tree{"a": strings.Repeat("x", i+1) + "\n"}, first)
		if p, err := a.Propose(t.Context(), "refs/pull/1/head", onto); err != nil || p.How != checkout.Ahead {
			t.Fatalf("%d: %v", i, err)
		}
	}
	if n := len(a.packFiles("*.pack")); n > 4 {
		t.Errorf("%d packs", n)
	}
	if got := a.file(onto, "a"); got != "1\n" {
		t.Errorf("the accepted commit holds %q", got)
	}
}

// A proposal whose pack says that it is much larger than what came of it costs nothing,
// and says why it can't be planned.
func TestAProposalThatUnfoldsToTooMuch(t *testing.T) {
	f := newForge(t)
	first := f.side("refs/heads/main", "start", tree{"a": "1\n"})
	a := follow(t, f.source())
	onto := a.accept(first)
	f.side("refs/pull/7/head", "bomb", tree{"a": "2\n"}, first)
	f.answer(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			f.server.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/x-git-upload-pack-result")
		// One file of 1 GiB, as its head has it.
		_, _ = io.WriteString(w, "0008NAK\nPACK\x00\x00\x00\x02\x00\x00\x00\x01\xb0\x80\x80\x80\x20"+strings.Repeat("\x00", 10<<10))
	})
	if _, err := a.Propose(t.Context(), "refs/pull/7/head", onto); err == nil || !strings.Contains(err.Error(), "it brings a file of 1024 MiB, and more than 256 are not taken") ||
		errors.Is(err, checkout.ErrUnreachable) {
		t.Errorf("it is taken, or not said why it is not: %v", err)
	}
	f.answer(nil)
	if p, err := a.Propose(t.Context(), "refs/pull/7/head", onto); err != nil || p.How != checkout.Ahead {
		t.Errorf("once it is whole: %v", err)
	}
	if said := a.said.String(); strings.Contains(said, "damaged") {
		t.Errorf("it is taken for damage:\n%s", said)
	}
}
