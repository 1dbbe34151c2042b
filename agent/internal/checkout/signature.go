package checkout

import (
	"bytes"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// How armored signatures begin.
const (
	sshSignature = "-----BEGIN SSH SIGNATURE-----"
	gpgSignature = "-----BEGIN PGP SIGNATURE-----"
)

// kindOf tells what kind of signature it is; "" is none that is known.
func kindOf(signature []byte) string {
	for _, kind := range []string{sshSignature, gpgSignature} {
		if bytes.HasPrefix(signature, []byte(kind)) {
			return kind
		}
	}
	return ""
}

// splitSignature takes a commit, as it is stored, into what was signed and the signature:
// the header gpgsig, whatever made it. Git leaves the header of signatures for SHA-256
// out of what is signed, too. twice tells of a second gpgsig.
func splitSignature(raw []byte) (payload, signature []byte, twice bool) {
	taken, within := false, false
	for rest := raw; len(rest) > 0; {
		line, after, found := bytes.Cut(rest, []byte("\n"))
		if len(line) == 0 {
			return append(payload, rest...), signature, twice // The message.
		}
		whole := rest[:len(line)]
		if found {
			whole = rest[:len(line)+1]
		}
		rest = after
		value, ours := bytes.CutPrefix(line, []byte("gpgsig "))
		switch {
		case ours:
			twice, taken, within = twice || taken, true, true
			signature = append(append(signature, value...), '\n')
		case bytes.HasPrefix(line, []byte("gpgsig-sha256 ")):
			within, rest = false, skipFolded(rest)
		case within && line[0] == ' ':
			signature = append(append(signature, line[1:]...), '\n')
		default:
			within = false
			payload = append(payload, whole...)
		}
	}
	return payload, signature, twice
}

// skipFolded leaves out the lines that go on with a header.
func skipFolded(rest []byte) []byte {
	for len(rest) > 0 && rest[0] == ' ' {
		_, rest, _ = bytes.Cut(rest, []byte("\n"))
	}
	return rest
}

// saysTheSame tells whether a commit means what was signed. Headers of signatures are not
// signed, and may be put anywhere: before the parents or the committer they keep those
// from being seen, by Git and by go-git.
func saysTheSame(raw, payload []byte) bool {
	whole, err := parsed(raw)
	if err != nil {
		return false
	}
	signed, err := parsed(payload)
	return err == nil && whole.TreeHash == signed.TreeHash && slices.Equal(whole.ParentHashes, signed.ParentHashes) &&
		whole.Author.String() == signed.Author.String() && whole.Author.When.Equal(signed.Author.When) &&
		whole.Committer.String() == signed.Committer.String() && whole.Committer.When.Equal(signed.Committer.When) &&
		whole.Message == signed.Message
}

func parsed(raw []byte) (*object.Commit, error) {
	stored := &plumbing.MemoryObject{}
	stored.SetType(plumbing.CommitObject)
	if _, err := stored.Write(raw); err != nil {
		return nil, err
	}
	c := &object.Commit{}
	return c, c.Decode(stored)
}
