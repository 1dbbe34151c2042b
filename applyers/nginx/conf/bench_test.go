package conf

import (
	"fmt"
	"runtime"
	"strconv"
	"testing"

	"berth/desired"
)

var counts = []int{10, 1000, 100_000}

func BenchmarkRender(b *testing.B) {
	for _, count := range counts {
		b.Run(strconv.Itoa(count), func(b *testing.B) {
			e := manyNames(count)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Render(e, Options{Mark: testMark(), IPv6: true}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	for _, count := range counts {
		b.Run(strconv.Itoa(count), func(b *testing.B) {
			o := Options{Mark: testMark(), IPv6: true}
			files, err := Render(manyNames(count), o)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(files.Stream) + len(files.HTTP)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse(files, sources(o)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCompare(b *testing.B) {
	for _, count := range counts {
		b.Run(strconv.Itoa(count), func(b *testing.B) {
			want, live := manyNames(count), manyNames(count)
			live.TLS.Routes["app-1.some.example.com"] = to("10.9.9.9:443")
			b.ReportAllocs()
			for b.Loop() {
				if n := unequal(live, want); n != 1 {
					b.Fatalf("%d fields differ", n)
				}
			}
		})
	}
}

// unequal counts the fields that differ, in the way that a plan finds them.
func unequal(live, want *desired.Edge) (count int) {
	var reader desired.LeafReader
	all := func(desired.Path, bool) bool { return true }
	have, wanted := reader.Append(nil, desired.KindEdge, live, all), reader.Append(nil, desired.KindEdge, want, all)
	for len(have) > 0 || len(wanted) > 0 {
		switch {
		case len(wanted) == 0 || len(have) > 0 && have[0].Path < wanted[0].Path:
			have, count = have[1:], count+1
		case len(have) == 0 || wanted[0].Path < have[0].Path:
			wanted, count = wanted[1:], count+1
		default:
			if desired.Text(have[0].Value) != desired.Text(wanted[0].Value) {
				count++
			}
			have, wanted = have[1:], wanted[1:]
		}
	}
	return count
}

// Ten times the names take ten times the memory, and no more.
func TestGrowthIsLinear(t *testing.T) {
	const few, many = 10_000, 100_000
	o := Options{Mark: testMark(), IPv6: true}
	spent := make(map[string]map[int]float64)
	for _, count := range []int{few, many} {
		e := manyNames(count)
		e.HTTP = desired.EdgeHTTP{}
		var files Files
		for _, step := range []struct {
			name string
			do   func() error
		}{
			{"render", func() (err error) {
				files, err = Render(e, o)
				return err
			}},
			{"parse", func() error {
				_, err := Parse(files, sources(o))
				return err
			}},
			{"compare", func() error {
				if n := unequal(e, e); n != 0 {
					return fmt.Errorf("%d fields differ", n)
				}
				return nil
			}},
		} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			if err := step.do(); err != nil {
				t.Fatal(err)
			}
			runtime.ReadMemStats(&after)
			if spent[step.name] == nil {
				spent[step.name] = make(map[int]float64)
			}
			spent[step.name][count] = float64(after.TotalAlloc-before.TotalAlloc) / float64(count)
		}
	}
	for name, each := range spent {
		t.Logf("%s: %.0f bytes a name for %d names, %.0f for %d", name, each[few], few, each[many], many)
		if each[many] > 1.5*each[few] {
			t.Errorf("%s takes %.0f bytes a name for %d names, and %.0f for %d", name, each[few], few, each[many], many)
		}
	}
}
