package inventory

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"berth/desired"
)

// hosts is a fleet of so many guests, with groups and variables.
func hosts(b testing.TB, many int) *desired.Fleet {
	b.Helper()
	files := fstest.MapFS{"fleet.yaml": {Data: []byte(strings.ReplaceAll(strings.ReplaceAll(base, "10.1.1.0/24", "10.0.0.0/8"), "range: 1000-1999", "range: 1000-99999"))}}
	for i := range many - 1 {
		files[fmt.Sprintf("hosts/%d.yaml", i)] = &fstest.MapFile{Data: fmt.Appendf(nil, `
kind: VM
name: host-%d
tags: [t%d, all-of-them]
groups: [g%d, everything]
vars: {branch: main, list: [1, 2, 3], map: {a: b, c: "{{ d }}"}}
networks: {net0: {network: lan, address: 10.%d.%d.%d}}
`, i, i%7, i%50, 2+i/60000, i/250%250, 2+i%250)}
	}
	fleet, err := desired.Load(files)
	if err != nil {
		b.Fatal(err)
	}
	return fleet
}

// write makes an inventory and writes it as a run and a script would.
func write(b testing.TB, fleet *desired.Fleet) {
	b.Helper()
	inv := Make(fleet, func(id desired.ID, _ string) (string, bool) { return fleet.Address(id) })
	for _, form := range []func() ([]byte, error){inv.JSON, inv.List} {
		if text, err := form(); err != nil || len(text) == 0 {
			b.Fatal(err)
		}
	}
}

func BenchmarkInventory(b *testing.B) {
	for _, many := range []int{10, 200, 1000, 10000} {
		b.Run(strconv.Itoa(many), func(b *testing.B) {
			fleet := hosts(b, many)
			b.ReportAllocs()
			b.ResetTimer()
			for b.Loop() {
				write(b, fleet)
			}
		})
	}
}

// TestInventoryIsQuick holds that 200 hosts take no 100 ms, on the busiest machine.
func TestInventoryIsQuick(t *testing.T) {
	fleet := hosts(t, 200)
	best := time.Hour
	for tries := 0; tries < 100 && best > 100*time.Millisecond; tries++ {
		began := time.Now()
		write(t, fleet)
		best = min(best, time.Since(began))
	}
	if best > 100*time.Millisecond {
		t.Errorf("an inventory of 200 hosts took %s", best)
	}
}
