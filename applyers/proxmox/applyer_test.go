package proxmox

import "testing"

func TestCounts(t *testing.T) {
	a := New(Options{})
	a.count.Add("GET")
	a.count.Add("GET")
	a.count.Add("PUT")
	if got := a.TakeRequests(); got["GET"] != 2 || got["PUT"] != 1 {
		t.Errorf("got %v", got)
	}
	if got := a.TakeRequests(); len(got) != 0 {
		t.Errorf("then %v", got)
	}
}
