package pvesim

import (
	"encoding/json"
	"math"
	"testing"
)

// TestAnswersAreWrittenAsJSON holds the short way of writing answers to the long one.
func TestAnswersAreWrittenAsJSON(t *testing.T) {
	inner := map[string]any{"z": 1, "a": "b", "": nil}
	for _, v := range []any{
		nil,
		null{},
		true, false, 0, -3, int64(math.MinInt64), 1.5, 1e21, uint64(math.MaxUint64), "", "plain", `qu"ote`, `back\slash`, "<&>", "tab\t\n\x00\x7f",
		"ä €\u2028", "torn \xff", json.RawMessage(`{"Sys.Audit":1}`),
		map[string]any(nil),
		map[string]any{},
		inner, []any(nil),
		[]any{},
		[]any{1, "x", nil, inner, []any{inner}},
		[]map[string]any(nil),
		[]map[string]any{},
		[]map[string]any{inner, nil},
		[]string{"a", "b"},
		map[string]int{"b": 1, "a": 2},
		map[string]any{"data": []any{map[string]any{"vmid": 100, "name": "a&b", `k"ey`: 0.25}}, "total": 1, "errors": map[string]string{"vmid": "x"}},
	} {
		want, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := appendJSON(nil, v); err != nil || string(got) != string(want) {
			t.Errorf("%#v: %s, %v, want %s", v, got, err, want)
		}
	}
	for _, v := range []any{math.NaN(), map[string]any{"a": math.Inf(1)}, []any{func() {}}, []map[string]any{{"a": func() {}}}} {
		if got, err := appendJSON(nil, v); err == nil {
			t.Errorf("%v is written as %s", v, got)
		}
	}
}
