package nginx

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"berth/applyers"
	"berth/drift"
)

// Wherever the agent is killed, the next one brings file and nginx together.
func TestKilledAnywhere(t *testing.T) {
	for n := 1; ; n++ {
		died := false
		for _, after := range []bool{false, true} {
			b := newBench(t)
			b.route("a.example.com", "10.1.1.1:443", "gone.example.com", "10.1.1.1:443")
			b.settle()
			b.route("a.example.com", "10.1.1.2:443", "new.example.com", "10.1.1.3:443")
			plan := b.plan()
			calls := 0
			b.applyer.run = func(ctx context.Context, argv []string) ([]byte, error) {
				if calls++; calls != n {
					return b.fake.run(ctx, argv)
				}
				died = true
				if after {
					_, _ = b.fake.run(ctx, argv)
				}
				runtime.Goexit()
				return nil, nil
			}
			over := make(chan struct{})
			go func() {
				defer close(over)
				for _, c := range plan.Changes {
					job := b.job(c.Fields)
					job.Key = c.Key
					if err := b.applyer.Apply(t.Context(), job, &said{}); err != nil {
						t.Error(err)
					}
				}
			}()
			<-over
			b.applyer.run = b.fake.run
			b.litter()
			b.settle()
			if died && b.fake.running != b.managed() {
				t.Errorf("killed at call %d (after it: %v), nginx runs\n%s\nthe file is\n%s", n, after, b.fake.running, b.managed())
			}
			if died {
				b.noLeftovers()
			}
		}
		if !died {
			break
		}
	}
}

// litter leaves what a kill, or a link that was cut, leaves of files being written.
func (b *bench) litter() {
	for _, name := range []string{
		".nginx.conf.staged-1", "..nginx.conf.staged-1-2.berth-new-x1", "berth/.stream.conf.staged-1",
		"berth/..stream.conf.staged-1123456", "berth/.stream.conf123456", "berth/.stream.conf.berth-new-x1",
		"berth/..stream.conf.former123456", "berth/..http.conf.former.berth-new-x1",
	} {
		b.write(name, "half a fi")
	}
}

// A step whose reload was not seen to its end keeps no later step of the turn from what
// it is to do: nobody else has moved anything.
func TestStepAfterAnotherHung(t *testing.T) {
	b := newBench(t)
	b.route("a.example.com", "10.1.1.1:443", "gone.example.com", "10.1.1.1:443")
	b.settle()
	b.route("a.example.com", "10.1.1.2:443")
	failed := 0
	b.applyer.run = func(ctx context.Context, argv []string) ([]byte, error) {
		if argv[1] == "-s" && failed < 2 {
			failed++
			return nil, errors.New("it did not end")
		}
		return b.fake.run(ctx, argv)
	}
	_, outcomes := b.turn()
	if len(outcomes) != 2 || outcomes[0].Status != drift.Failed || !strings.Contains(outcomes[0].Reason, "the former file is back, but nginx may still route by what failed") ||
		outcomes[1].Status != drift.Done {
		t.Errorf("%+v", outcomes)
	}
	b.applyer.run = b.fake.run
	b.settle()
	if got := b.managed(); !strings.Contains(got, "a.example.com 10.1.1.2:443") || strings.Contains(got, "gone.") || b.fake.running != got {
		t.Errorf("it routes\n%s", got)
	}
}

func TestAnotherAgentAtWork(t *testing.T) {
	b := newBench(t)
	b.route("a.example.com", "10.1.1.1:443")
	plan := b.plan()
	dir, err := os.Open(filepath.Dir(b.spec.Nginx.Config))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(dir.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	err = b.applyer.Apply(t.Context(), b.job(plan.Changes[0].Fields), &said{})
	if held := (*applyers.HeldError)(nil); !errors.As(err, &held) || held.Reason != "another agent is changing nginx's configuration: the next turn looks again" {
		t.Errorf("got %v", err)
	}
	if calls := b.fake.took(); calls != "" {
		t.Errorf("calls: %s", calls)
	}
	if err := dir.Close(); err != nil {
		t.Fatal(err)
	}
	b.settle()
}
