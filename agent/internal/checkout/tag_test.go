package checkout_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"golang.org/x/crypto/ssh"

	"berth/agent/internal/checkout"
)

// tagText is a tag as `git tag -s` makes it.
func tagText(kind, object, name string, at time.Time, sign signWith) string {
	text := fmt.Sprintf("object %s\ntype %s\ntag %s\ntagger %s %d +0200\n\nRelease\n", object, kind, name, eve, at.Unix())
	return text + sign([]byte(text))
}

const eve = "Eve <eve@example.com>"

// tagged signs a tag on a commit, and pushes it.
func (f *forge) tagged(name, commit string, sign signWith) string {
	f.t.Helper()
	return f.named(name, tagText("commit", commit, name, committed, sign))
}

// named stores a tag as it is and has a name lead to it.
func (f *forge) named(name, text string) string {
	f.t.Helper()
	return f.refer(name, f.write(plumbing.TagObject, raw(text)).String())
}

func (f *forge) refer(name, object string) string {
	f.t.Helper()
	ref := plumbing.NewHashReference(plumbing.NewTagReferenceName(name), plumbing.NewHash(object))
	if err := f.store().Storer.SetReference(ref); err != nil {
		f.t.Fatal(err)
	}
	return object
}

func (f *forge) untag(name string) {
	f.t.Helper()
	if err := f.store().Storer.RemoveReference(plumbing.NewTagReferenceName(name)); err != nil {
		f.t.Fatal(err)
	}
}

// local follows the same repository as a directory.
func (f *forge) local(verify checkout.Verify) *follower {
	f.t.Helper()
	return follow(f.t, checkout.Source{URL: f.dir, Branch: "main", Verify: &verify})
}

func TestTagsThatVouch(t *testing.T) {
	t.Parallel()
	f := newForge(t)
	ada, other := newEd25519(t), newEd25519(t)
	adas, others := ssh.FingerprintSHA256(ada.PublicKey()), ssh.FingerprintSHA256(other.PublicKey())
	pgp, pgpOther := gpgOf(t), gpgOf(t)
	by := bySSH(ada)
	older := f.signed("older", unsigned)
	plain := func(name string) func(string) { return func(tip string) { f.tagged(name, tip, by) } }
	text := func(name string, change func(tip, text string) string) func(string) {
		return func(tip string) {
			f.named(name, change(tip, tagText("commit", tip, name, committed, by)))
		}
	}
	// signs makes the tag of a text that is signed as it stands.
	signs := func(name string, change func(tip, text string) string) func(string) {
		return func(tip string) {
			unsignedText := change(tip, tagText("commit", tip, name, committed, unsigned))
			f.named(name, unsignedText+by([]byte(unsignedText)))
		}
	}
	signers := "ada " + line(ada)
	for _, row := range []struct {
		name, file string
		tag        func(tip string)
		key, want  string
	}{
		{"ssh", signers, plain("v1"), "", ""},
		{"gpg", signers, func(tip string) { f.tagged("v2", tip, pgp.sign) }, "", ""},
		{"a name with slashes", signers, plain("rel/1.0"), "", ""},
		{"in time", `ada valid-after="20260921Z",valid-before="20260922Z" ` + line(ada), plain("v3"), "", ""},
		{"a good one among others", signers, func(tip string) {
			f.refer("a", tip)
			f.tagged("b", tip, unsigned)
			f.tagged("c", tip, bySSH(other))
			f.tagged("d", tip, by)
		}, "", ""},
		{"without a message", signers, signs("v3a", func(_, text string) string { return strings.TrimSuffix(text, "Release\n") }), "", ""},
		{"none", signers, func(string) {}, "", `: it is not signed, and no tag is on it; sign a tag on it and push that: git tag -s NAME `},
		{"lightweight", signers, func(tip string) { f.refer("v4", tip) }, "", "it is not signed, and its tag v4 is a lightweight one, which holds no signature; sign a tag on it"},
		{"not signed", signers, func(tip string) { f.tagged("v5", tip, unsigned) }, "", "it is not signed; of its tag v5 by Eve: it is not signed; sign a tag on it and push that: git tag -s NAME "},
		{"by another", signers, func(tip string) { f.tagged("v6", tip, bySSH(other)) }, others, "of its tag v6 by Eve: it is signed by the SSH key " + others + ", which is none of the allowed signers; if that key may sign, add it to the allowed signers"},
		{"by another, GPG", signers, func(tip string) { f.tagged("v6a", tip, pgpOther.sign) }, pgpOther.fingerprint, "of its tag v6a by Eve: it is signed by the GPG key " + pgpOther.fingerprint},
		{"altered", signers, text("v7", func(_, text string) string { return strings.Replace(text, "Release", "Rel-ease", 1) }), adas, "of its tag v7 by Eve: its signature does not fit what is in it"},
		{"for files", signers, func(tip string) { f.tagged("v8", tip, bySSHFor(ada, "file")) }, adas, `its signature is for "file", and not for git`},
		{"no longer", `ada valid-before="20260921141319Z" ` + line(ada), plain("v9"), adas, "of its tag v9 by Eve: it is signed by the key " + adas + " of ada, which was valid until 2026-09-21T14:13:19Z"},
		{"by the tagger's time", `ada valid-before="20260921141319Z" ` + line(ada), func(tip string) {
			f.named("v10", tagText("commit", tip, "v10", committed.Add(-time.Minute), by))
		}, "", ""},
		{"without a tagger", signers, signs("v11", func(_, text string) string {
			return text[:strings.Index(text, "tagger")] + "\nRelease\n"
		}), "", "of its tag v11: it is none as Git writes it, with object, type, tag and tagger"},
		{"with another header", signers, signs("v12", func(_, text string) string {
			return strings.Replace(text, "\n\n", "\ngpgsig-sha256 x\n\n", 1)
		}), "", "it is none as Git writes it"},
		{"signed twice", signers, text("v13", func(_, text string) string { return text + by([]byte(text)) }), "", "it has two signatures, of which Git looks at one"},
		{"with an end", signers, text("v14", func(_, text string) string { return text + "and so on\n" }), "", "its signature is not the end of it"},
		{"by X.509", signers, text("v15", func(_, text string) string {
			return text[:strings.Index(text, "-----BEGIN")] + "-----BEGIN SIGNED MESSAGE-----\nx\n-----END SIGNED MESSAGE-----\n"
		}), "", "of a kind that is not supported"},
		{"under another name", signers, func(tip string) { f.named("v16", tagText("commit", tip, "v0", committed, by)) }, "", `of its tag v16 by Eve: it was made as "v0", and stands under another name`},
		{"of a tag", signers, func(tip string) {
			inner := f.write(plumbing.TagObject, raw(tagText("commit", tip, "v17", committed, by)))
			f.named("v17", tagText("tag", inner.String(), "v17", committed, by))
		}, "", "of its tag v17 by Eve: it is on another tag, and only one on the commit itself counts"},
		{"of another commit", signers, func(string) { f.tagged("v18", older, by) }, "", "it is not signed, and no tag is on it"},
		{"too large", signers, signs("v19", func(_, text string) string { return text + strings.Repeat("x\n", 33<<10) }), "", ""},
		{"many", signers, func(tip string) {
			for i := range 5 {
				f.tagged(fmt.Sprintf("m%d", i), tip, unsigned)
			}
		}, "", "of its tag m2 by Eve: it is not signed; and so on, 2 more; sign a tag on it"},
		{"too many", signers, func(tip string) {
			object := f.tagged("n00", tip, unsigned)
			for i := range 40 {
				f.refer(fmt.Sprintf("n%02d", i), object)
			}
			f.tagged("n99", tip, by)
		}, "", `of its tag n02 by Eve: it was made as "n00", and stands under another name; and 9 more tags are on it, which are too many to be looked at: delete those that are not needed`},
	} {
		t.Run(row.name, func(t *testing.T) {
			f.t = t
			tip := f.signed(row.name, unsigned)
			row.tag(tip)
			verify := checkout.Verify{
				AllowedSigners: writeFile(t, "allowed_signers", row.file), GPGKeys: []string{writeFile(t, "keys.asc", pgp.public(t, true))},
			}
			a := f.verifying(verify)
			a.distrusts(tip, tip, "", "it is not signed; push a commit in its place")
			verify.Tags = true
			for i, a := range []*follower{f.verifying(verify), f.local(verify)} {
				switch want := row.want; {
				case row.name == "too large":
					if want = "of its tag v19: it has more than 64 KiB"; i == 1 {
						want = "no tag is on it"
					}
					a.distrusts(tip, tip, row.key, want)
				// A server tells what a tag of a tag is on in the end; ours, of the first.
				case row.name == "of a tag" && i == 0:
					a.distrusts(tip, tip, row.key, "no tag is on it")
				case want != "":
					a.distrusts(tip, tip, row.key, want)
				default:
					a.accept(tip)
					if want := `msg="a signed tag vouches for a commit" commit=` + tip[:7]; !strings.Contains(a.said.String(), want) {
						t.Errorf("the log lacks %s: %s", want, a.said)
					}
				}
				if left, err := os.ReadDir(a.dir); err != nil || slices.ContainsFunc(left, func(e os.DirEntry) bool { return e.Name() == "tags.new" }) {
					t.Errorf("left: %v, %v", left, err)
				}
			}
		})
	}
}

// A tag is looked for at each poll, and asked for once.
func TestTagsThatComeAndGo(t *testing.T) {
	t.Parallel()
	f := newForge(t)
	ada, other := newEd25519(t), newEd25519(t)
	by := bySSH(ada)
	signers := writeFile(t, "allowed_signers", "ada "+line(ada))
	a := f.verifying(checkout.Verify{AllowedSigners: signers, Tags: true})
	first := f.signed("first", by)
	f.tagged("v0", first, by)
	f.counted()
	a.accept(first)
	if n := f.counted(); n != 2 {
		t.Errorf("a commit that is signed itself took %d requests, want 2", n)
	}
	second := f.signed("second", unsigned, first)
	a.distrusts(second, second, "", "no tag is on it")
	f.counted()
	f.tagged("v1", second, bySSH(other))
	a.distrusts(second, second, ssh.FingerprintSHA256(other.PublicKey()), "of its tag v1 by Eve")
	if n := f.counted(); n != 3 {
		t.Errorf("two looks at a commit with a tag took %d requests, want 3", n)
	}
	f.tagged("v2", second, by)
	a.fetch(second)
	a.fetch(second)
	if n := f.counted(); n != 3 {
		t.Errorf("two looks at a commit with a new tag took %d requests, want 3", n)
	}
	// What nobody has accepted is judged by the tags that there are.
	f.untag("v2")
	a.distrusts(second, second, ssh.FingerprintSHA256(other.PublicKey()), "of its tag v1 by Eve")
	f.untag("v1")
	a.distrusts(second, second, "", "no tag is on it")
	// A signed tag that is moved vouches for what it is on.
	f.refer("v2", f.tagged("v3", first, by))
	a.distrusts(second, second, "", "no tag is on it")
	f.tagged("v2", second, by)
	a.accept(second)
	f.untag("v2")
	a.fetch(second)
	followIn(t, a.dir, a.source(f, signers)).fetch(second)
	// While a turn has a commit in hand, a poll finds the next one.
	third := f.signed("third", unsigned, second)
	f.tagged("v4", third, by)
	c := a.fetch(third)
	fourth := f.signed("fourth", unsigned, third)
	f.tagged("v5", fourth, by)
	a.fetch(fourth)
	if err := a.Accept(t.Context(), c); err != nil {
		t.Error(err)
	}
	// And the keys are read anew.
	writeFile(t, signers, "eve "+line(other))
	a.distrusts(fourth, fourth, ssh.FingerprintSHA256(ada.PublicKey()), "of its tag v5 by Eve: it is signed by the SSH key")
	writeFile(t, signers, "ada "+line(ada))
	a.accept(fourth)
}

func (f *follower) source(from *forge, signers string) checkout.Source {
	src := from.source()
	src.Verify = &checkout.Verify{AllowedSigners: signers, Tags: true}
	return src
}

// With every, each commit that is not signed needs a tag of its own.
func TestTagsOnEachCommit(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"http", "ssh", "directory"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			s := newSSHForge(t)
			f := s.forge
			ada := newEd25519(t)
			by := bySSH(ada)
			src := f.source()
			switch way {
			case "ssh":
				src = s.source()
			case "directory":
				src = checkout.Source{URL: f.dir, Branch: "main"}
			}
			src.Verify = &checkout.Verify{AllowedSigners: writeFile(t, "allowed_signers", "ada "+line(ada)), Every: true, Tags: true}
			a := follow(t, src)
			a.accept(f.signed("first", by))
			first := f.tip()
			branch := f.signed("branch", by, first)
			merge := f.signed("merge", unsigned, first, branch)
			next := f.signed("next", unsigned, merge)
			tip := f.signed("tip", by, next)
			f.tagged("v2", next, by)
			a.distrusts(tip, merge, "", `"merge" by Ada: it is not signed, and no tag is on it; sign a tag on it and push that: git tag -s NAME `+merge[:7])
			f.tagged("v1", merge, by)
			f.tagged("old", first, by)
			c := a.accept(tip)
			if got := a.file(c, "a.yaml"); got != "tip" {
				t.Errorf("the file holds %q", got)
			}
			if found, err := filepath.Glob(filepath.Join(a.dir, "tags*")); err != nil || len(found) > 0 {
				t.Errorf("left: %v, %v", found, err)
			}
		})
	}
}

// tip is what main names.
func (f *forge) tip() string {
	f.t.Helper()
	ref, err := f.store().Reference("refs/heads/main", true)
	if err != nil {
		f.t.Fatal(err)
	}
	return ref.Hash().String()
}
