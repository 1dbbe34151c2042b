package notify_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"berth/agent/internal/notify"
)

// target answers as send says, and remembers what it took.
type target struct {
	name string
	send func(ctx context.Context, e notify.Event, tries int) error

	mu    sync.Mutex
	tries int
	took  []string
}

func (t *target) Name() string { return t.name }

func (t *target) Send(ctx context.Context, e notify.Event) error {
	t.mu.Lock()
	t.tries++
	tries := t.tries
	t.mu.Unlock()
	if t.send != nil {
		if err := t.send(ctx, e, tries); err != nil {
			return err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.took = append(t.took, e.ID)
	return nil
}

func (t *target) state() (tries int, took string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.tries, strings.Join(t.took, " ")
}

// TestHangingTargetHoldsNobodyUp has one target that never answers: Tell comes back at
// once, the other target is told, and all ends with the agent.
func TestHangingTargetHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		hangs := &target{name: "hangs", send: func(ctx context.Context, _ notify.Event, _ int) error {
			<-ctx.Done()
			return ctx.Err()
		}}
		well := &target{name: "well"}
		ctx, stop := context.WithCancel(t.Context())
		n := notify.New(ctx, slog.New(slog.NewTextHandler(&log, nil)), hangs, well)
		began := time.Now()
		for i := range 100 {
			n.Tell(notify.Event{Kind: notify.WaitingForUnlock, ID: strconv.Itoa(i)})
			synctest.Wait()
		}
		if time.Since(began) != 0 {
			t.Errorf("telling took %v", time.Since(began))
		}
		if _, took := well.state(); len(strings.Fields(took)) != 100 {
			t.Errorf("the other target took %q", took)
		}
		<-time.After(11 * time.Second)
		if tries, _ := hangs.state(); tries != 1 {
			t.Errorf("%d attempts within the first time limit", tries)
		}
		stop()
		n.Wait()
		if !strings.Contains(log.String(), "too many wait for this target") {
			t.Errorf("what is dropped is not told:\n%s", log.String())
		}
	})
}

func TestDeliveryIsTriedAgainAndGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		late := &target{name: "late", send: func(_ context.Context, _ notify.Event, tries int) error {
			if tries < 3 {
				return errors.New("not yet")
			}
			return nil
		}}
		never := &target{name: "never", send: func(context.Context, notify.Event, int) error { return errors.New("broken") }}
		refuses := &target{name: "refuses", send: func(context.Context, notify.Event, int) error {
			return fmt.Errorf("post: %w", &notify.RefusedError{Reason: "it answers 404 Not Found"})
		}}
		ctx, stop := context.WithCancel(t.Context())
		n := notify.New(ctx, slog.New(slog.NewTextHandler(&log, nil)), late, never, refuses)
		n.Tell(notify.Event{ID: "a"})
		<-time.After(time.Hour)
		if tries, took := late.state(); tries != 3 || took != "a" {
			t.Errorf("late: %d attempts, took %q", tries, took)
		}
		if tries, _ := never.state(); tries != 5 {
			t.Errorf("never: %d attempts, want 5", tries)
		}
		if tries, _ := refuses.state(); tries != 1 {
			t.Errorf("refuses: %d attempts, want 1", tries)
		}
		n.Tell(notify.Event{ID: "b"})
		synctest.Wait()
		if _, took := late.state(); took != "a b" {
			t.Errorf("the next event was taken as %q", took)
		}
		stop()
		n.Wait()
		for _, want := range []string{"given up\" target=never event=\"\" id=a attempts=5 error=broken", "target=refuses", "notification sent\" target=late"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("the log lacks %q:\n%s", want, log.String())
			}
		}
	})
}
