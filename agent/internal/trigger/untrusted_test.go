package trigger_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"berth/agent/internal/trigger"
	"berth/agent/internal/turn"
	"berth/drift/report"
)

// A commit whose signature is not taken is told of by one turn, and taken by the next poll
// once it is.
func TestACommitThatIsNotTrustedIsTriedAgainOnceItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{tip: "a"}
		var trusted atomic.Bool
		trusted.Store(true)
		var why atomic.Value
		why.Store("no tag is on it")
		start(t, w, func(work *trigger.Work) {
			tip, made := work.Tip, work.Turn
			work.Tip = func(ctx context.Context) (string, error) {
				hash, err := tip(ctx)
				if !trusted.Load() {
					hash = trigger.Untrusted(hash, why.Load().(string))
				}
				return hash, err
			}
			work.Turn = func(ctx context.Context, req turn.Request) (*report.Report, error) {
				rep, err := made(ctx, req)
				if !trusted.Load() {
					rep.Refused = &report.Refusal{Commit: rep.Commit, Reason: why.Load().(string), Signature: &report.Signature{Commit: rep.Commit}}
					rep.Commit.Hash = "a"
				}
				return rep, err
			}
		})
		synctest.Wait()
		trusted.Store(false)
		w.set(func() { w.tip = "b" })
		pass(time.Minute)
		wantTurns(t, w, "the first, and one for the commit that is refused", 2)
		pass(5 * time.Minute)
		wantTurns(t, w, "as long as it is", 2)
		why.Store("its tag is not signed")
		pass(5 * time.Minute)
		wantTurns(t, w, "once it is for another reason", 3)
		trusted.Store(true)
		pass(12 * time.Second)
		wantTurns(t, w, "once it is taken", 4)
		pass(5 * time.Minute)
		wantTurns(t, w, "afterwards", 4)
	})
}
