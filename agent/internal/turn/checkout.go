package turn

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"berth/agent/internal/checkout"
	"berth/applyers"
	"berth/desired"
	"berth/drift/report"
)

// source is what a turn enforces: the newest commit, or the last good one.
type source struct {
	commit checkout.Commit
	files  fs.FS
	fleet  *desired.Fleet
	// tip is the newest commit's hash, be it enforced or refused; "" if the
	// repository could not be asked.
	tip string
	// reached, if set, is the fleet whose sites may be asked in place of fleet's.
	reached *desired.Fleet
}

// checkOut finds the commit to enforce. A newer one that can't be had, is
// refused or does not load is told in the report, and the last good one stays.
func (t *Turner) checkOut(ctx context.Context, req Request, rep *report.Report) (*source, error) {
	accepted, has := t.Repository.Accepted()
	tip, err := t.Repository.Fetch(ctx)
	if err == nil {
		var src *source
		if src, err = t.load(ctx, tip); err == nil {
			if req.Mode == report.Run {
				if err := t.Repository.Accept(ctx, tip); err != nil {
					return nil, err
				}
			}
			t.deaf = time.Time{}
			if told, news := t.refusals.Over(); news {
				t.Log.InfoContext(ctx, "the newest commit is taken again", slog.String("commit", tip.Short()), slog.Time("since", told.Since))
			}
			describe(rep, src)
			return src, nil
		}
	}
	if ctx.Err() != nil {
		return nil, applyers.ErrLeft
	}
	if !has || errors.Is(err, checkout.ErrSourceChanged) {
		return nil, refusedFirst(tip, err)
	}
	rep.Refused = refusal(tip, err)
	if rep.Refused.Unreachable() {
		if t.deaf.IsZero() || t.deaf.After(rep.Started) {
			t.deaf = rep.Started
		}
		rep.Refused.Since = t.deaf
	} else {
		t.deaf = time.Time{}
	}
	tip.Hash = rep.Refused.Commit.Hash
	if told, due := t.refusals.Due(t.Now(), tip.Hash+" "+err.Error()); due {
		t.Log.WarnContext(ctx, "commit refused", slog.String("commit", tip.Short()),
			slog.String("enforced", accepted.Short()), slog.Any("error", err), slog.Time("since", told.Since))
	}
	src, loadErr := t.load(ctx, accepted)
	if loadErr != nil {
		return nil, fmt.Errorf("%w\nand the last good commit %s can't be used either: %w", err, accepted.Short(), loadErr)
	}
	src.tip = tip.Hash
	describe(rep, src)
	return src, nil
}

// keepsLoaded is how many commits stay loaded: the one that is enforced, and the
// one that was applied before it.
const keepsLoaded = 2

// load reads a commit's manifests. A commit never changes, so that one which was
// loaded before is not read again. Nobody writes to a fleet.
func (t *Turner) load(ctx context.Context, c checkout.Commit) (*source, error) {
	for _, known := range t.loaded {
		if known.commit.Hash == c.Hash && known.commit.Path == c.Path {
			return known.as(c), nil
		}
	}
	src, err := t.read(ctx, c)
	if err == nil {
		t.loaded = append([]*source{src.as(c)}, t.loaded[:min(len(t.loaded), keepsLoaded-1)]...)
	}
	return src, err
}

// as is the same source, enforced for a commit that is the newest.
func (s *source) as(c checkout.Commit) *source {
	return &source{commit: c, files: s.files, fleet: s.fleet, tip: c.Hash}
}

func (t *Turner) read(ctx context.Context, c checkout.Commit) (*source, error) {
	files, err := t.Repository.Tree(ctx, c)
	if err != nil {
		return nil, err
	}
	fleet, err := loadFiles(&t.loader, files)
	if err != nil {
		return nil, err
	}
	return &source{commit: c, files: files, fleet: fleet, tip: c.Hash}, nil
}

// refusal tells why a newer commit is not enforced.
func refusal(tip checkout.Commit, err error) *report.Refusal {
	if untrusted, ok := errors.AsType[*checkout.UntrustedError](err); ok {
		return &report.Refusal{
			Commit: reportCommit(untrusted.Tip), Reason: untrusted.Why(),
			Signature: &report.Signature{Commit: reportCommit(untrusted.Commit), Key: untrusted.Key},
		}
	}
	if rewritten, ok := errors.AsType[*checkout.RewrittenError](err); ok {
		tip = rewritten.Tip
	}
	refused := &report.Refusal{Commit: reportCommit(tip)}
	var problems desired.Problems
	if !errors.As(err, &problems) {
		refused.Reason = err.Error()
		return refused
	}
	refused.Reason = "it does not load"
	for _, p := range problems {
		refused.Problems = append(refused.Problems, p.String())
	}
	return refused
}

func reportCommit(c checkout.Commit) report.Commit {
	return report.Commit{Hash: c.Hash, Subject: c.Subject, Author: c.Author, Time: c.Time}
}

func describe(rep *report.Report, src *source) {
	rep.Commit = reportCommit(src.commit)
	rep.Fleet = src.fleet.Spec.Name
	rep.Contents = report.ContentsOf(src.fleet)
}
