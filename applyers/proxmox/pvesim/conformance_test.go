package pvesim

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The floors of the three figures. They only ever rise.
const (
	floorGuests  = 1003
	floorStorage = 216
	floorRest    = 156
)

// categories says which figure a recording counts for. Latencies (16) are no
// exchanges.
var categories = map[string]string{
	"00": "rest", "01": "guests", "02": "guests", "03": "guests", "04": "guests", "06": "guests", "07": "guests",
	"09": "storage-tasks-errors", "10": "storage-tasks-errors", "10b": "storage-tasks-errors", "11": "rest",
	"12": "guests", "12a": "guests", "13": "storage-tasks-errors", "13b": "storage-tasks-errors", "14": "rest",
	"15": "guests", "17": "guests", "18": "guests", "20": "storage-tasks-errors", "21": "guests", "22": "rest",
	"23": "rest", "25": "guests", "26": "rest", "27": "guests",
}

// exchange is one recorded request with its answer.
type exchange struct {
	Note    any `json:"note"`
	Request *struct {
		Method, URL string
		Auth        *string
		Form        map[string]any
		JSON        any
		Headers     map[string]string
	}
	Response *struct {
		Status  int
		Reason  string
		Headers [][2]string
		JSON    any
		Body    *string
	}
}

// transcripts finds the recordings; without them there is nothing to compare with.
func transcripts(t *testing.T) []string {
	t.Helper()
	dir := os.Getenv("BERTH_TRANSCRIPTS")
	if dir == "" {
		root, err := filepath.Abs(".")
		if err != nil {
			t.Fatal(err)
		}
		for ; ; root = filepath.Dir(root) {
			if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
				break
			}
			if root == filepath.Dir(root) {
				t.Fatal("no go.mod above the package")
			}
		}
		dir = filepath.Join(root, "..", "shared", "pve", "transcripts")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) == 0 {
		t.Skip("no recordings in the folder that BERTH_TRANSCRIPTS names")
	}
	slices.Sort(files)
	return files
}

// differences reads the list of exchanges that are known to differ, as
// file#index: reason.
func differences(t *testing.T) map[string]string {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "differences.txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	out := map[string]string{}
	for s := bufio.NewScanner(f); s.Scan(); {
		line := strings.TrimSpace(s.Text())
		if line == "" || strings.HasPrefix(line, "//") {
			continue
		}
		key, reason, ok := strings.Cut(line, ": ")
		if !ok || reason == "" {
			t.Errorf("differences.txt: no reason in %q", line)
		}
		if out[key] != "" {
			t.Errorf("differences.txt: %s is listed twice", key)
		}
		out[key] = reason
	}
	return out
}

func TestConformance(t *testing.T) {
	known := differences(t)
	agreed, total := map[string]int{}, map[string]int{}
	var unlisted, healed []string
	for _, file := range transcripts(t) {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var list []exchange
		if json.Unmarshal(raw, &list) != nil {
			continue // a table of latencies
		}
		number, _, _ := strings.Cut(filepath.Base(file), "-")
		category, ok := categories[number]
		if !ok {
			t.Errorf("%s has no category", file)
		}
		for i, diff := range newReplay(t, list).run() {
			key := fmt.Sprintf("%s#%d", number, i)
			total[category]++
			if diff == "" {
				agreed[category]++
			}
			switch _, listed := known[key]; {
			case diff != "" && !listed:
				unlisted = append(unlisted, key+": "+diff)
			case diff == "" && listed:
				healed = append(healed, key)
			case diff != "":
				delete(known, key)
			}
		}
	}
	for _, c := range []string{"guests", "storage-tasks-errors", "rest"} {
		fmt.Printf("conformance: %s %d of %d\n", c, agreed[c], total[c]) //nolint:forbidigo // the figures are the test's output
	}
	slices.Sort(unlisted)
	for _, d := range unlisted {
		t.Errorf("differs, and is not listed: %s", d)
	}
	for _, k := range healed {
		t.Errorf("%s is listed as differing, but agrees", k)
		delete(known, k)
	}
	for _, k := range slices.Sorted(maps.Keys(known)) {
		t.Errorf("%s is listed, but there is no such exchange", k)
	}
	for c, floor := range map[string]int{"guests": floorGuests, "storage-tasks-errors": floorStorage, "rest": floorRest} {
		if agreed[c] < floor {
			t.Errorf("%s: %d agree, the floor is %d", c, agreed[c], floor)
		}
	}
}
