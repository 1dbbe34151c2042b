package forge

import (
	"net/url"
	"strings"
)

// Place is what a repository's address tells of its forge.
type Place struct {
	// Kind is "" unless the host is a public forge.
	Kind Kind
	// URL is where the forge is, as "https://git.example.com"; "" where that can't be told.
	URL string
	// Repository is the path there, as "owner/name".
	Repository string
}

// PlaceOf reads a repository's address, as Git takes it. kind is what the settings say,
// or "": how a path is read depends on it.
func PlaceOf(address string, kind Kind) Place {
	var scheme, host, path string
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		scheme, host, path = u.Scheme, u.Host, u.Path
		if scheme != "http" && scheme != "https" {
			// The port is SSH's.
			scheme, host = "https", u.Hostname()
		}
	} else if user, rest, ok := strings.Cut(address, ":"); ok && !strings.Contains(user, "/") {
		scheme, host, path = "https", user[strings.LastIndexByte(user, '@')+1:], rest
	}
	if host == "" {
		return Place{Kind: kind}
	}
	host = strings.ToLower(host)
	if kind == "" {
		kind = map[string]Kind{"github.com": GitHub, "gitlab.com": GitLab, "bitbucket.org": Bitbucket, "codeberg.org": Forgejo}[host]
	}
	parts := strings.Split(strings.TrimSuffix(strings.Trim(path, "/"), ".git"), "/")
	p := Place{Kind: kind, URL: scheme + "://" + host}
	if n := len(parts) - 2; kind != GitLab && n > 0 {
		// The forge is below a path of its host; Bitbucket serves Git below another.
		above := parts[:n]
		if kind == BitbucketDC && above[n-1] == "scm" {
			above = above[:n-1]
		}
		if len(above) > 0 {
			p.URL += "/" + strings.Join(above, "/")
		}
		parts = parts[n:]
	}
	p.Repository = strings.Join(parts, "/")
	return p
}
