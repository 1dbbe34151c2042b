package webhook

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Follow is what is followed.
type Follow struct {
	// URL is the repository's, in its canonical form (see [checkout.Repo.Source]). Of a
	// directory nothing tells how a forge calls it: a push of any repository is taken.
	URL string
	// Branch is its branch, without refs/heads/.
	Branch string
	// Tags tells that tags matter, too: one that is signed may vouch for a commit.
	Tags bool
	// Names are what else the repository is called, as OWNER/NAME: that of which it is a
	// mirror, or what it was renamed to.
	Names []string
}

// ignores tells why a push is none of ours; "" is that it is.
func (f Follow) ignores(p pushed) string {
	if p.event != "" {
		return "only pushes start a turn, and this is " + quoted(p.event)
	}
	if name, ours := f.name(), p.repository; ours != "" && name != "" && !f.isCalled(ours) {
		return fmt.Sprintf("it is of the repository %s, and %s is followed; if they are the same, name it in http.webhooks.repositories", quoted(ours), name)
	}
	if p.vague {
		return ""
	}
	followed := "refs/heads/" + f.Branch
	if f.Tags && slices.ContainsFunc(p.changes, func(c change) bool { return strings.HasPrefix(c.ref, "refs/tags/") && !c.deleted }) {
		return ""
	}
	if len(p.changes) > 1 && !slices.ContainsFunc(p.changes, func(c change) bool { return c.ref == followed }) {
		return fmt.Sprintf("none of its %d branches and tags is the branch %s, which is followed", len(p.changes), f.Branch)
	}
	for _, c := range p.changes {
		branch, isBranch := strings.CutPrefix(c.ref, "refs/heads/")
		tag, isTag := strings.CutPrefix(c.ref, "refs/tags/")
		switch {
		case c.ref == followed && !c.deleted:
			return ""
		case c.ref == followed:
			return "the branch " + f.Branch + " was deleted"
		case len(p.changes) > 1:
		case isTag && f.Tags:
			return "the tag " + quoted(tag) + " was deleted"
		case isTag:
			return "it is the tag " + quoted(tag) + ", and the branch " + f.Branch + " is followed"
		case isBranch:
			return "it is the branch " + quoted(branch) + ", and " + f.Branch + " is followed"
		default:
			return "it is " + quoted(c.ref) + ", and the branch " + f.Branch + " is followed"
		}
	}
	return "it changes no branch"
}

// name is what a forge calls the repository by its URL, or the end of that; "" if the
// URL does not tell.
func (f Follow) name() string {
	u, err := url.Parse(f.URL)
	if err != nil || u.Scheme == "file" {
		return ""
	}
	return plainName(u.Path)
}

// isCalled tells whether a forge that says this name means our repository. A forge may
// be reached by several hosts, and below a path: names are compared, from their end.
func (f Follow) isCalled(name string) bool {
	name = plainName(name)
	ours := f.name()
	return ours == name || strings.HasSuffix(ours, "/"+name) ||
		slices.ContainsFunc(f.Names, func(other string) bool { return plainName(other) == name })
}

// plainName is a name as forges compare it: in any case, with .git or without.
func plainName(name string) string {
	return strings.TrimSuffix(strings.Trim(strings.ToLower(name), "/"), ".git")
}
