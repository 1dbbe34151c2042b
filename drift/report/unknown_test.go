package report

import (
	"strings"
	"testing"

	"berth/drift"
)

// What could not be looked at is no remark: nobody may take it for being as it should be.
func TestWhatCouldNotBeLookedAtIsUnknown(t *testing.T) {
	r := &Report{Mode: Drift, Plan: &drift.Plan{Notes: []drift.Note{
		{ID: "play/base", Text: "check mode has not looked at web-1: can't be reached", Unknown: true},
		{ID: "play/base", Text: "the file is long"},
	}}}
	r.Summarize()
	if r.Summary.Unknown != 1 || r.Summary.Notes != 1 || !r.Differs() {
		t.Errorf("%+v, differs %t", r.Summary, r.Differs())
	}
	var page strings.Builder
	if err := Text(&page, r, TextOptions{Width: 200}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(page.String(), "? play/base") && !strings.Contains(page.String(), "1 unknown") {
		t.Errorf("it says\n%s", page.String())
	}
}
