package checkout

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"strconv"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
)

// Verify says which commits must be signed, and by whom. What was accepted once is not
// judged again.
type Verify struct {
	// Every asks it of each commit since the accepted one, whatever branch brought it;
	// else of the newest alone.
	Every bool
	// AllowedSigners is a file of SSH keys as OpenSSH reads it (ssh-keygen(1), ALLOWED
	// SIGNERS); GPGKeys are files of public keys, armored or not. They are read at every
	// fetch.
	AllowedSigners string
	GPGKeys        []string
	// Tags takes a commit as signed also where a tag on it is, by the same keys.
	Tags bool
	// Since is the commit after which Every begins while none was accepted; "" judges the
	// newest alone then.
	Since string
}

// trust is whose signatures are taken.
type trust struct {
	ssh sshSigners
	gpg gpgKeys
	sum [sha256.Size]byte // of the files
}

// maxTrust bounds a file of keys.
const maxTrust = 4 << 20

// Check tells early, by a [FieldError], that a file of keys can't be used. Each fetch reads
// them anew, but tells of that only once there is a commit to judge.
func (v *Verify) Check() error {
	_, err := v.read()
	return err
}

// read reads the files of keys.
func (v *Verify) read() (*trust, error) {
	t := &trust{}
	all := sha256.New()
	file := func(name string, parse func(text []byte) error) error {
		// Whoever may write the file says whom the agent obeys.
		text, err := readBounded(name, maxTrust, 0o002)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("there is no file %s: write there the keys of those who may sign, or correct its name", name)
		case errors.Is(err, fs.ErrPermission):
			return fmt.Errorf("%w: let the agent's user read it", err)
		case err != nil:
			return err
		}
		_, _ = fmt.Fprintf(all, "%q %d\n", name, len(text)) // A hash takes everything.
		_, _ = all.Write(text)
		if err := parse(text); err != nil {
			return fmt.Errorf("%s%w", name, err)
		}
		return nil
	}
	if v.AllowedSigners != "" {
		if err := file(v.AllowedSigners, t.ssh.parse); err != nil {
			return nil, &FieldError{"verify.allowedSigners", fmt.Errorf("read allowed signers: %w", err)}
		}
	}
	for i, name := range v.GPGKeys {
		if err := file(name, t.gpg.parse); err != nil {
			return nil, &FieldError{"verify.gpgKeys." + strconv.Itoa(i), fmt.Errorf("read GPG keys: %w", err)}
		}
	}
	t.sum = [sha256.Size]byte(all.Sum(nil))
	return t, nil
}

// judged is what was found of a commit, so that polls need not look again.
type judged struct {
	base, tip plumbing.Hash
	trust     [sha256.Size]byte
	// doubtful are the commits whose own signatures are not taken: all of them where tags
	// count, else the first.
	doubtful []plumbing.Hash
	err      error
}

// proven returns an UntrustedError unless all that must be signed is, up to a commit.
// doubtful are the commits that only tags can vouch for, or do. The caller holds mu.
func (r *Repo) proven(ctx context.Context, c Commit) (doubtful []plumbing.Hash, err error) {
	v := r.source.Verify
	if v == nil {
		return nil, nil
	}
	base, has := r.base()
	if has && base.Hash == c.Hash {
		return nil, nil
	}
	trust, err := v.read()
	if err != nil {
		return nil, &UntrustedError{Source: r.source.id(), Tip: c, Commit: c, Detail: "nobody is known who may sign", Remedy: err.Error()}
	}
	now := judged{base: plumbing.NewHash(base.Hash), tip: plumbing.NewHash(c.Hash), trust: trust.sum}
	if !has && v.Every && v.Since != "" {
		now.base = plumbing.NewHash(v.Since)
		if in, err := isAncestor(ctx, r.store, now.base, now.tip); err != nil {
			return nil, err
		} else if !in {
			return nil, &UntrustedError{
				Source: r.source.id(), Tip: c, Commit: c, Detail: "its history does not hold the commit that repository.verify.since names, " + v.Since,
				Remedy: "name one of the branch",
			}
		}
	}
	if last := r.judged; last.base == now.base && last.tip == now.tip && last.trust == now.trust {
		return last.doubtful, last.err
	}
	now.doubtful, now.err = r.judge(ctx, v, trust, c, now.base)
	var untrusted *UntrustedError
	if now.err == nil || errors.As(now.err, &untrusted) {
		r.judged = now
	}
	return now.doubtful, now.err
}

// judge looks at each commit that must be signed, the oldest first.
func (r *Repo) judge(ctx context.Context, v *Verify, trust *trust, c Commit, base plumbing.Hash) (doubtful []plumbing.Hash, first error) {
	tip := plumbing.NewHash(c.Hash)
	due := []plumbing.Hash{tip}
	if v.Every && !base.IsZero() {
		var err error
		if due, err = since(ctx, r.store, base, tip); err != nil {
			return nil, err
		}
	}
	for _, hash := range due {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("verify commits: %w", err)
		}
		commit, err := readCommit(r.store, hash)
		if err != nil {
			return nil, err
		}
		commit.Path = c.Path
		raw, err := rawCommit(r, hash)
		if err != nil {
			return nil, err
		}
		doubt := trust.judge(raw, commit.Time)
		if doubt == nil {
			continue
		}
		doubtful = append(doubtful, hash)
		if v.Tags {
			var by string
			if by, doubt = r.tags[hash].vouch(trust, hash, doubt); doubt == nil {
				r.log.InfoContext(ctx, "a signed tag vouches for a commit", slog.String("commit", commit.Short()), slog.String("tag", printable(by)))
			}
		}
		if doubt != nil && first == nil {
			first = &UntrustedError{Source: r.source.id(), Tip: c, Commit: commit, Key: doubt.key, Detail: doubt.what, Remedy: doubt.remedy(hash == tip)}
		}
		if !v.Tags {
			break
		}
	}
	return doubtful, first
}

// rawCommit is a commit as it is stored, which is what is signed: go-git's own form of it
// leaves out headers that it does not know. The caller holds mu.
func rawCommit(r *Repo, hash plumbing.Hash) ([]byte, error) {
	stored, err := r.store.EncodedObject(plumbing.CommitObject, hash)
	if err != nil {
		return nil, fmt.Errorf("read commit %s: %w", hash, err)
	}
	from, err := stored.Reader()
	if err != nil {
		return nil, fmt.Errorf("read commit %s: %w", hash, err)
	}
	defer from.Close()
	raw, err := io.ReadAll(from)
	if err != nil {
		return nil, fmt.Errorf("read commit %s: %w", hash, err)
	}
	return raw, nil
}

// judge tells what is wrong with a commit's signature; nil is that it is taken. at is
// when it was committed.
func (t *trust) judge(raw []byte, at time.Time) *doubt {
	payload, signature, twice := splitSignature(raw)
	switch {
	case twice:
		return &doubt{what: "it has two signatures, of which Git looks at one"}
	case len(signature) == 0:
		return &doubt{what: "it is not signed", unsigned: true}
	case !saysTheSame(raw, payload):
		return &doubt{what: "its headers are in another order than Git's, so that it says something else than what was signed"}
	}
	return t.by(payload, signature, at)
}

// by tells what is wrong with a signature of something; nil is that it is taken.
func (t *trust) by(payload, signature []byte, at time.Time) *doubt {
	switch kindOf(signature) {
	case sshSignature:
		return t.ssh.judge(payload, signature, at)
	case gpgSignature:
		return t.gpg.judge(payload, signature)
	}
	return &doubt{what: "it has a signature of a kind that is not supported, as those by X.509", unsigned: true}
}

// doubt is what is wrong with a signature.
type doubt struct {
	what string
	// key is the fingerprint of the key that it says it is by.
	key      string
	unsigned bool // There is none that could be taken.
	unknown  string
	// tag is how a tag that is signed is put on the commit; "" where tags do not count.
	tag string
}

// remedy says what whoever may push can do, and the operator.
func (d *doubt) remedy(newest bool) string {
	switch {
	case d.unknown != "":
		return "if that key may sign, add it to " + d.unknown
	case d.tag != "":
		return "sign a tag on it and push that: " + d.tag
	case newest:
		return "push a commit in its place that is signed: git commit --amend --no-edit -S"
	}
	return "push the branch anew from the accepted commit on, all of it signed: git rebase --force-rebase -S"
}
