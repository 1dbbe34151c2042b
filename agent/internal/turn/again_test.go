package turn_test

import (
	"context"
	"io/fs"
	"reflect"
	"slices"
	"testing"
	"testing/fstest"

	"berth/agent/internal/checkout"
	"berth/applyers"
	"berth/desired"
	"berth/drift/report"
)

// readings counts which commits were read.
type readings struct {
	*repository
	of []string
}

func (r *readings) Tree(ctx context.Context, c checkout.Commit) (fs.FS, error) {
	r.of = append(r.of, c.Hash)
	return r.repository.Tree(ctx, c)
}

func TestACommitIsReadOnce(t *testing.T) {
	r, c := &readings{repository: &repository{}}, newCluster()
	first, second := base+guest("web", "101", "512MiB"), base+guest("web", "101", "1GiB")
	r.push("aaaa", first)
	turner := newTurner(t, r.repository, c)
	turner.Repository = r
	var used []*desired.Fleet
	inner := turner.Appliers
	turner.Appliers = func(f *desired.Fleet, files fs.FS) ([]applyers.Applyer, func() map[string]int, error) {
		used = append(used, f)
		return inner(f, files)
	}
	for range 2 {
		run(t, turner, report.Run)
	}
	r.push("bbbb", second)
	for _, mode := range []report.Mode{report.Drift, report.Drift, report.Run, report.Run} {
		if rep := run(t, turner, mode); rep.Commit.Hash != "bbbb" {
			t.Errorf("enforced %s", rep.Commit.Hash)
		}
	}
	if want := []string{"aaaa", "bbbb"}; !slices.Equal(r.of, want) {
		t.Errorf("read %q, want %q", r.of, want)
	}
	// What is kept is as it was read: nobody has written to it.
	for manifests, kept := range map[string]*desired.Fleet{first: used[0], second: used[len(used)-1]} {
		fresh, err := desired.Load(fstest.MapFS{"fleet.yaml": {Data: []byte(manifests)}})
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(fresh, kept) {
			t.Errorf("a turn changed its fleet:\n%+v\nwas read, now it is\n%+v", fresh, kept)
		}
	}
	// A third is read, and takes the place of the older one.
	r.push("cccc", first)
	run(t, turner, report.Run)
	r.push("aaaa", first)
	run(t, turner, report.Run)
	if want := []string{"aaaa", "bbbb", "cccc", "aaaa"}; !slices.Equal(r.of, want) {
		t.Errorf("read %q, want %q", r.of, want)
	}
}
