package applyers

import (
	"context"
	"strings"

	"berth/desired"
)

// Watcher is an Applyer that can tell cheaply, between whole looks, whether another
// is worth its price.
type Watcher interface {
	Applyer
	// Watch tells what may have changed since this Applyer's last whole look at the
	// same fleet; nothing at all is the common answer. It reads, a few requests a
	// site, and never writes. What it can't tell, it says so of: that is news of the
	// whole site. It tells the same news until it is looked at again.
	//
	// It may miss what leaves no trace that it reads: a whole look still has to come
	// now and then.
	Watch(ctx context.Context, fleet *desired.Fleet) []News
}

// News is a cause to look at everything once more.
type News struct {
	Site string
	// ID is the resource that it is about; "" where it is about the site as a whole.
	ID desired.ID
	// What is said of it, for people: "its configuration has changed".
	What string
	// By is who did it; "" if nothing tells.
	By string
}

// String is "vm/web-1: its configuration has changed, by root@pam".
func (n News) String() string {
	var b strings.Builder
	if n.ID != "" {
		b.WriteString(string(n.ID))
	} else {
		b.WriteString("site " + n.Site)
	}
	b.WriteString(": " + n.What)
	if n.By != "" {
		b.WriteString(", by " + n.By)
	}
	return b.String()
}
