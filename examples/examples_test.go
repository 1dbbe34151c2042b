package examples_test

import (
	"os"
	"testing"

	"berth/desired"
)

// TestExamplesLoad loads every fleet of this directory without a mistake.
func TestExamplesLoad(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	loaded := 0
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		t.Run(e.Name(), func(t *testing.T) {
			fleet, err := desired.Load(os.DirFS(e.Name()))
			if err != nil {
				t.Fatalf("the example does not load:\n%v", err)
			}
			if len(fleet.Resources) == 0 {
				t.Error("the example asks for nothing")
			}
			loaded++
		})
	}
	if loaded < 2 {
		t.Errorf("%d examples loaded", loaded)
	}
}
