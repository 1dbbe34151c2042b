package checkout

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
)

// tag is an annotated tag as it is stored (git-mktag(1)): go-git's own form of it is
// forgiving, and what was signed is what is judged.
type tag struct {
	object plumbing.Hash // What it is on,
	kind   string        // and what that is: commit, tree, blob or tag.
	name   string
	tagger string
	at     time.Time
	// message is where it begins.
	message int
}

// tagHead is all that Git writes before the message; of other headers nobody could say
// whether they were signed.
var tagHead = regexp.MustCompile(`\Aobject ([0-9a-f]{40})\ntype ([a-z]+)\ntag ([^\n\x00]+)\ntagger ([^<>\n\x00]*)<[^<>\n\x00]*> ([0-9]{1,11}) [-+][0-9]{4}\n\n`)

// parseTag reads a tag.
func parseTag(raw []byte) (tag, bool) {
	head := tagHead.FindSubmatch(raw)
	if head == nil {
		return tag{}, false
	}
	at, err := strconv.ParseInt(string(head[5]), 10, 64)
	return tag{
		object: plumbing.NewHash(string(head[1])), kind: string(head[2]), name: string(head[3]),
		tagger: printable(string(head[4])), at: time.Unix(at, 0).UTC(), message: len(head[0]),
	}, err == nil
}

// splitTag takes a tag into what was signed and the signature, which is the end of its
// message, from the line on that begins one. twice tells of another: former versions of
// Git look at the first one, and later ones at the last.
func splitTag(raw []byte, message int) (payload, signature []byte, twice bool) {
	begins := -1
	for at := message; at < len(raw); {
		line, _, _ := bytes.Cut(raw[at:], []byte("\n"))
		if beginsSignature(line) {
			twice = begins >= 0
			if twice {
				break
			}
			begins = at
		}
		at += len(line) + 1
	}
	if begins < 0 {
		return raw, nil, false
	}
	return raw[:begins], raw[begins:], twice
}

// beginsSignature tells whether Git takes a line of a tag's message for the begin of its
// signature.
func beginsSignature(line []byte) bool {
	for _, armor := range []string{sshSignature, gpgSignature, "-----BEGIN PGP MESSAGE-----", "-----BEGIN SIGNED MESSAGE-----"} {
		if bytes.HasPrefix(line, []byte(armor)) {
			return true
		}
	}
	return false
}

// endsWith tells whether nothing comes after a signature, which Git would show and nobody
// has signed.
func endsWith(signature []byte) bool {
	_, rest, found := bytes.Cut(signature, []byte("\n-----END "))
	end, after, _ := bytes.Cut(rest, []byte("\n"))
	return found && bytes.HasSuffix(end, []byte("-----")) && len(bytes.TrimSpace(after)) == 0
}

// judgeTag tells what is wrong with a tag, as it is stored, that is to vouch for a commit
// under a name; nil is that it is taken. by is who made it, as it says.
func (t *trust) judgeTag(raw []byte, name string, commit plumbing.Hash) (by string, wrong *doubt) {
	on, ok := parseTag(raw)
	if !ok {
		return "", &doubt{what: "it is none as Git writes it, with object, type, tag and tagger"}
	}
	payload, signature, twice := splitTag(raw, on.message)
	switch {
	case on.kind == plumbing.TagObject.String():
		wrong = &doubt{what: "it is on another tag, and only one on the commit itself counts"}
	case on.kind != plumbing.CommitObject.String() || on.object != commit:
		wrong = &doubt{what: fmt.Sprintf("it is on the %s %s, whatever the server says", on.kind, on.object.String()[:7])}
	case on.name != name:
		// Whoever may push may call it anything; whoever signed it has called it that.
		wrong = &doubt{what: fmt.Sprintf("it was made as %q, and stands under another name", printable(on.name))}
	case twice:
		wrong = &doubt{what: "it has two signatures, of which Git looks at one"}
	case len(signature) == 0:
		wrong = &doubt{what: "it is not signed", unsigned: true}
	case !endsWith(signature):
		wrong = &doubt{what: "its signature is not the end of it"}
	default:
		wrong = t.by(payload, signature, on.at)
	}
	return strings.TrimSpace(on.tagger), wrong
}
