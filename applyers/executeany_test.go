package applyers_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"berth/applyers"
	"berth/drift"
)

// TestExecuteAnything asks of random graphs what must hold for each.
func TestExecuteAnything(t *testing.T) {
	for seed := range uint64(150) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 2))
			a := &actor{}
			var changes []drift.Change
			var slow []time.Duration
			for i := range 1 + r.IntN(20) {
				c := step(fmt.Sprintf("vm/g%d create", i))
				for range r.IntN(3) {
					if i > 0 {
						c.Wait = append(c.Wait, changes[r.IntN(i)].Key)
					}
				}
				c.Lanes = []string{"site:home", fmt.Sprintf("node:%d", r.IntN(3))}
				if r.IntN(10) == 0 {
					c.Held = "no"
				}
				changes = append(changes, c)
				slow = append(slow, time.Duration(r.IntN(5))*time.Second)
			}
			a.otherwise = func(_ context.Context, job applyers.Job, _ applyers.Progress) error {
				var i int
				if _, err := fmt.Sscanf(job.ID.Name(), "g%d", &i); err != nil {
					return err
				}
				<-time.After(slow[i])
				if i%7 == 3 {
					return errors.New("no space left")
				}
				return nil
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if r.IntN(3) == 0 {
				time.AfterFunc(3*time.Second, cancel)
			}
			r.Shuffle(len(changes), func(i, j int) { changes[i], changes[j] = changes[j], changes[i] })
			e := execution(a, changes...)
			e.Lanes = map[string]int{"site": 1 + r.IntN(4), "node": 1 + r.IntN(2)}
			outcomes := execute(t, ctx, e)
			if len(outcomes) != len(changes) {
				t.Fatalf("seed %d: %d outcomes of %d changes", seed, len(outcomes), len(changes))
			}
			status := make(map[drift.Key]drift.Status)
			for i, o := range outcomes {
				status[o.Key] = o.Status
				if o.Key != changes[i].Key {
					t.Fatalf("seed %d: outcome %d is of %s", seed, i, o.Key)
				}
				if o.Status != drift.Done && o.Reason == "" {
					t.Errorf("seed %d: %s %s for no reason", seed, o.Key, o.Status)
				}
			}
			for _, c := range changes {
				begun, was := a.begun[c.String()]
				if ran := status[c.Key] == drift.Done || status[c.Key] == drift.Failed; ran != was {
					t.Errorf("seed %d: %s is %s, but was begun: %v", seed, c.Key, status[c.Key], was)
				}
				for _, k := range c.Wait {
					if was && (status[k] != drift.Done || a.ended[k.String()].After(begun)) {
						t.Errorf("seed %d: %s began while %s was %s", seed, c.Key, k, status[k])
					}
				}
			}
			for lane, n := range a.most {
				word, _, _ := strings.Cut(lane, ":")
				if n > e.Lanes[word] {
					t.Errorf("seed %d: %d at once in %s", seed, n, lane)
				}
			}
		})
		if t.Failed() {
			break
		}
	}
}

func BenchmarkExecute(b *testing.B) {
	for _, n := range []int{100, 1_000} {
		var changes []drift.Change
		for i := range n / 2 {
			id := fmt.Sprintf("vm/g%05d", i)
			create, ready := step(id+" create"), step(id+" ready", id+" create")
			create.Lanes = []string{"site:home"}
			changes = append(changes, create, ready)
		}
		a := &actor{otherwise: func(context.Context, applyers.Job, applyers.Progress) error { return nil }}
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			for b.Loop() {
				if _, err := applyers.Execute(b.Context(), execution(a, changes...)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
