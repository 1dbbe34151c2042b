package proxmox

import "testing"

func TestCounts(t *testing.T) {
	a := New(Options{})
	a.count.add("GET")
	a.count.add("GET")
	a.count.add("PUT")
	if got := a.TakeRequests(); got["GET"] != 2 || got["PUT"] != 1 {
		t.Errorf("got %v", got)
	}
	if got := a.TakeRequests(); len(got) != 0 {
		t.Errorf("then %v", got)
	}
}
