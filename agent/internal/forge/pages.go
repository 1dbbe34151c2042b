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
// path: no other is asked. It is nil where none follows.
func next(h http.Header, path string) url.Values {
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
			return u.Query()
		}
	}
	return nil
}

// sameTail tells whether two paths are of the same list. GitHub writes a repository by
// its number in links, so that only what follows is compared.
func sameTail(a, b string) bool {
	return a[strings.LastIndexByte(a, '/')+1:] == b[strings.LastIndexByte(b, '/')+1:]
}

// pages reads all pages of a list, each of which tells how the next is asked for; nil is
// that it is the last.
func pages[T any](query url.Values, read func(url.Values) (page []T, following url.Values, err error), yield func(T) bool) error {
	for range maxPages {
		page, following, err := read(query)
		if err != nil {
			return err
		}
		for _, one := range page {
			if !yield(one) {
				return nil
			}
		}
		if following == nil {
			return nil
		}
		query = following
	}
	return nil
}

// paged reads all pages of a list whose answers name the next one in a header.
func paged[T any](ctx context.Context, a *api, path string, query url.Values, yield func(T) bool) error {
	return pages(query, func(query url.Values) ([]T, url.Values, error) {
		var page []T
		got, err := a.get(ctx, path, query, &page)
		if err != nil || len(page) == 0 {
			return nil, nil, err
		}
		return page, next(got.header, path), nil
	}, yield)
}
