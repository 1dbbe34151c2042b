package forge

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// maxPages bounds how many pages of one list are read.
const maxPages = 50

// next finds the page that follows in a Link header (RFC 8288), if it is of the same
// path: no other is asked.
func next(h http.Header, path string) (url.Values, bool) {
	for _, link := range h.Values("Link") {
		for one := range strings.SplitSeq(link, ",") {
			target, params, _ := strings.Cut(strings.TrimSpace(one), ";")
			if !slices.ContainsFunc(strings.Split(params, ";"), func(p string) bool { return strings.ReplaceAll(strings.TrimSpace(p), `"`, "") == "rel=next" }) {
				continue
			}
			u, err := url.Parse(strings.Trim(target, "<> "))
			if err != nil || !sameTail(u.EscapedPath(), path) {
				continue
			}
			return u.Query(), true
		}
	}
	return nil, false
}

// sameTail tells whether two paths are of the same list. GitHub writes a repository by
// its number in links, so that only what follows is compared.
func sameTail(a, b string) bool {
	return a[strings.LastIndexByte(a, '/')+1:] == b[strings.LastIndexByte(b, '/')+1:]
}

// paged reads all pages of a list whose answers name the next one in a header.
func paged[T any](ctx context.Context, a *api, path string, query url.Values, yield func(T) bool) error {
	for range maxPages {
		var page []T
		got, err := a.get(ctx, path, query, &page)
		if err != nil {
			return err
		}
		for _, one := range page {
			if !yield(one) {
				return nil
			}
		}
		following, more := next(got.header, path)
		if !more || len(page) == 0 {
			return nil
		}
		query = following
	}
	return nil
}
