package checkout

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
	"github.com/go-git/go-git/v5/plumbing/storer"
)

// packRequest asks for commits or tags with all that they need and that the haves do not
// bring.
func packRequest(advertised *packp.AdvRefs, wants, haves []plumbing.Hash) (*packp.UploadPackRequest, error) {
	req := packp.NewUploadPackRequestFromCapabilities(advertised.Capabilities)
	if advertised.Capabilities.Supports(capability.NoProgress) {
		if err := req.Capabilities.Set(capability.NoProgress); err != nil {
			return nil, fmt.Errorf("prepare fetch: %w", err)
		}
	}
	for _, want := range wants {
		req.Wants = append(req.Wants, advertisedFor(advertised.References, advertised.Peeled, want))
	}
	req.Haves = haves
	return req, nil
}

// storePack stores the objects that a server answers a request with.
func storePack(answer io.Reader, req *packp.UploadPackRequest, into storer.Storer) error {
	pack := answer
	switch {
	case req.Capabilities.Supports(capability.Sideband64k):
		pack = sideband.NewDemuxer(sideband.Sideband64k, answer)
	case req.Capabilities.Supports(capability.Sideband):
		pack = sideband.NewDemuxer(sideband.Sideband, answer)
	}
	return defaultUnfolds().store(into, pack)
}

// branchTip finds the source's branch among the references of a server.
func branchTip(source Source, refs *packp.AdvRefs) (plumbing.Hash, error) {
	if source.anyRef {
		return refTip(source, refs.References, refs.Peeled)
	}
	tip, ok := refs.References[plumbing.NewBranchReferenceName(source.Branch).String()]
	if ok {
		return tip, nil
	}
	names := make([]string, 0, len(refs.References))
	for name := range refs.References {
		names = append(names, name)
	}
	return plumbing.ZeroHash, noBranch(source, names)
}

// ended is why a fetch must end whatever the server does, or nil: the caller has ended
// it, which says nothing of the server; or maxFetch has passed.
func ended(ctx context.Context) error {
	if ctx.Err() != nil && errors.Is(context.Cause(ctx), ErrUnreachable) {
		return context.Cause(ctx)
	}
	return ctx.Err()
}

func noBranch(source Source, refs []string) error {
	var branches []string
	for _, ref := range refs {
		if name := plumbing.ReferenceName(ref); name.IsBranch() {
			branches = append(branches, name.Short())
		}
	}
	slices.Sort(branches)
	detail := "it has no branches"
	if len(branches) > 0 {
		detail = "it has " + strings.Join(branches, ", ")
	}
	return &FetchError{
		Source: source.id(), Kind: ErrBranch, Detail: printable(detail),
		Remedy: "push the branch, or correct its name in the settings",
	}
}
