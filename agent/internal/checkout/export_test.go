package checkout

import (
	"time"

	"github.com/go-git/go-git/v5/plumbing"
)

// SetMaxFetch ends a fetch earlier than after defaultMaxFetch.
func (r *Repo) SetMaxFetch(d time.Duration) { r.maxFetch = d }

// SetMaxPacks makes the clone anew earlier than after defaultMaxPacks.
func (r *Repo) SetMaxPacks(n int) { r.maxPacks = n }

// SetMaxProposed makes the clone anew earlier than after defaultMaxProposed.
func (r *Repo) SetMaxProposed(bytes int64) { r.maxProposed = bytes }

// SingleObject tells whether a path is that of an object in a file of its own.
var SingleObject = singleObject

// Keeps tells whether an object is in memory that was read before.
func (r *Repo) Keeps(object string) bool {
	_, ok := r.bases.Get(plumbing.NewHash(object))
	return ok
}

// Judge tells whether a commit as it is stored is taken by these lists, and why not.
func Judge(commit, signers, keys []byte, at time.Time) (taken bool, why string) {
	t := &trust{}
	// A list that is not understood names nobody.
	if t.ssh.parse(signers) != nil {
		t.ssh.all = nil
	}
	if t.gpg.parse(keys) != nil {
		t.gpg.all = nil
	}
	if d := t.judge(commit, at); d != nil {
		return false, d.what
	}
	return true, ""
}

// SplitSignature is what was signed of a commit, and by what.
func SplitSignature(commit []byte) (payload, signature []byte) {
	payload, signature, _ = splitSignature(commit)
	return payload, signature
}

// JudgeTag tells whether a tag as it is stored is taken for a commit by these lists, who
// made it, and why it is not taken.
func JudgeTag(tag []byte, name, commit string, signers, keys []byte) (taken bool, by, why string) {
	t := &trust{}
	// A list that is not understood names nobody.
	if t.ssh.parse(signers) != nil {
		t.ssh.all = nil
	}
	if t.gpg.parse(keys) != nil {
		t.gpg.all = nil
	}
	by, d := t.judgeTag(tag, name, plumbing.NewHash(commit))
	if d != nil {
		return false, by, d.what
	}
	return true, by, ""
}

// SplitTag is what was signed of a tag, and by what.
func SplitTag(raw []byte) (payload, signature []byte) {
	on, _ := parseTag(raw)
	payload, signature, _ = splitTag(raw, on.message)
	return payload, signature
}
