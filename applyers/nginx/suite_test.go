package nginx

import (
	"context"
	"slices"
	"strings"
	"testing"

	"berth/applyers"
	"berth/applyers/applyertest"
	"berth/applyers/nginx/conf"
	"berth/desired"
	"berth/drift"
)

// TestApplyer holds the edge to what every applyer must hold to.
func TestApplyer(t *testing.T) {
	applyertest.Run(t, func(t testing.TB) applyertest.World {
		b := newBench(t)
		b.guest("web", "dhcp", true)
		b.lives[0].Facts = map[string]string{desired.FactAddress: "10.1.1.21"}
		fleet := func(def string, pairs ...string) *desired.Fleet {
			b.route(pairs...)
			spec := *b.spec
			spec.TLS.Default.Text = def
			set := make(map[desired.Path]desired.Source)
			for _, leaf := range desired.Leaves(desired.KindEdge, &spec) {
				set[leaf.Path] = desired.Source{File: "edge.yaml", Line: 1}
			}
			return &desired.Fleet{Spec: b.fleet.Spec, Resources: []*desired.Resource{{ID: "edge/main", Spec: &spec, Set: desired.SettingsOf(set)}}}
		}
		at := &atCall{run: b.fake.run}
		another := func() applyers.Applyer {
			return New(Options{Run: at.call, Takeover: b.applyer.takeover})
		}
		return applyertest.World{
			Applyer: another(), Another: another,
			Fleet: fleet("vm/web:443", "a.example.com", "vm/web:443", ".lab.example.com", "10.1.1.9:443", "gone.example.com", "10.1.1.9:443"),
			Next: []*desired.Fleet{
				fleet("vm/web:443", "a.example.com", "10.1.1.8:443", ".lab.example.com", "10.1.1.9:443"),
				fleet("reject", "lab.example.com", "10.1.1.7:443", ".lab.example.com", "10.1.1.9:443"),
			},
			Others: []drift.Live{b.lives[0]},
			Writes: b.fake.count,
			Things: func() []string {
				b.noLeftovers()
				return slices.DeleteFunc(strings.Split(b.managed(), "\n"), func(line string) bool {
					return strings.Contains(line, "."+conf.Domain) || strings.Contains(line, "listen ")
				})
			},
			Damage:  func() { b.edit("10.1.1.9:443", "10.6.6.6:443") },
			AtWrite: at.set,
		}
	})
}

// atCall calls something in the middle of a call of nginx.
type atCall struct {
	run  func(ctx context.Context, argv []string) ([]byte, error)
	left int
	do   func()
}

func (a *atCall) set(n int, do func()) { a.left, a.do = n, do }

func (a *atCall) call(ctx context.Context, argv []string) ([]byte, error) {
	if a.do != nil {
		if a.left--; a.left == 0 {
			a.do()
		}
	}
	return a.run(ctx, argv)
}
