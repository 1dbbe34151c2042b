package applyers_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/applyers"
	"berth/desired"
	"berth/drift"
)

// runFor is a playbook's run on hosts, each of which waits for its own guest.
func runFor(play string, hosts ...string) drift.Change {
	c := step(play + " run")
	for _, host := range hosts {
		c.Fields = append(c.Fields, drift.Field{Path: desired.Path("hosts").Sub(host), Wait: parseAll([]string{"vm/" + host + " ready"})})
	}
	return c
}

// A guest that boots slowly keeps a playbook from the others for a while, not for as
// long as it takes; a later playbook is not run there before the first.
func TestExecuteBeginsWithoutTheLate(t *testing.T) {
	for name, row := range map[string]struct {
		slow time.Duration
		at   time.Duration // when the run begins
		on   []desired.Path
		want []string
	}{
		"soon enough": {
			90 * time.Second, 90 * time.Second,
			[]desired.Path{"hosts.a", "hosts.b", "hosts.slow"},
			[]string{"edge/base run done", "edge/app run done"},
		},
		"too late": {
			10 * time.Minute, 2*time.Minute + 2*time.Second,
			[]desired.Path{"hosts.a", "hosts.b"},
			[]string{"edge/base run done", "edge/app run done"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var on []desired.Path
				waits := func(d time.Duration) func(context.Context, applyers.Job, applyers.Progress) error {
					return func(context.Context, applyers.Job, applyers.Progress) error {
						<-time.After(d)
						return nil
					}
				}
				runs := func(_ context.Context, job applyers.Job, p applyers.Progress) error {
					for _, f := range job.Fields {
						if job.ID == "edge/base" {
							on = append(on, f.Path)
						}
						p.Field(f.Path, nil)
					}
					return nil
				}
				a := &actor{steps: map[string]func(context.Context, applyers.Job, applyers.Progress) error{
					"vm/a ready": waits(2 * time.Second), "vm/b ready": waits(5 * time.Second), "vm/slow ready": waits(row.slow),
					"edge/base run": runs, "edge/app run": runs,
				}}
				app := step("edge/app run")
				for _, host := range []string{"a", "slow"} {
					path := desired.Path("hosts").Sub(host)
					app.Fields = append(app.Fields, drift.Field{Path: path, WaitFields: []drift.FieldKey{{Key: parse("edge/base run"), Path: path}}})
				}
				began := time.Now()
				outcomes := execute(t, t.Context(), execution(a, step("vm/a ready"), step("vm/b ready"), step("vm/slow ready"), runFor("edge/base", "a", "b", "slow"), app))
				slices.Sort(on)
				if diff := cmp.Diff(row.on, on); diff != "" {
					t.Errorf("ran (-want +got):\n%s", diff)
				}
				if at := a.begun["edge/base run"].Sub(began).Round(time.Second); at != row.at {
					t.Errorf("it began after %s, want %s", at, row.at)
				}
				if diff := cmp.Diff(row.want, told(outcomes)[3:]); diff != "" {
					t.Errorf("outcomes (-want +got):\n%s", diff)
				}
				late := len(row.on) == 2
				if base := outcomes[3]; late != slices.Equal(base.Untried, []desired.Path{"hosts.slow"}) || late &&
					base.Results["hosts.slow"] != "vm/slow ready takes long, and others wait for the same run: the next turn runs it here" {
					t.Errorf("base: %q, untried %q", base.Results, base.Untried)
				}
				if app := outcomes[4]; late != slices.Equal(app.Untried, []desired.Path{"hosts.slow"}) {
					t.Errorf("app: %q, untried %q", app.Results, app.Untried)
				}
			})
		})
	}
}

// Where no host is ready there is nothing to begin with.
func TestExecuteWaitsForTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &actor{steps: map[string]func(context.Context, applyers.Job, applyers.Progress) error{
			"vm/a ready": func(context.Context, applyers.Job, applyers.Progress) error {
				<-time.After(9 * time.Minute)
				return nil
			},
			"vm/b ready": fails,
		}}
		got := told(execute(t, t.Context(), execution(a, step("vm/a ready"), step("vm/b ready"), runFor("edge/base", "a", "b"))))
		if want := []string{"vm/a ready done", "vm/b ready failed: no space left", "edge/base run done"}; !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	})
}

// What comes after a playbook as a whole waits until that has run on all its hosts.
func TestExecuteWaitsForAllHosts(t *testing.T) {
	for name, row := range map[string]struct {
		held string
		want string
	}{
		"one is not ready": {"", "edge/later run skipped: waits for edge/base run, which was not done for hosts.b: waits for vm/b ready, which failed"},
		"one is held":      {"waiting for unlock", "edge/later run skipped: waits for edge/base run, which was not done for hosts.b: waiting for unlock"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &actor{steps: map[string]func(context.Context, applyers.Job, applyers.Progress) error{"vm/b ready": fails}}
				base := runFor("edge/base", "a", "b")
				base.Fields[1].Held = row.held
				got := told(execute(t, t.Context(), execution(a, step("vm/a ready"), step("vm/b ready"), base, step("edge/later run", "edge/base run"))))
				if got[2] != "edge/base run done" || got[3] != row.want {
					t.Errorf("%q, want %s", got[2:], row.want)
				}
			})
		})
	}
}
