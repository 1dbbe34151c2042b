package proxmox

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"berth/applyers"
	"berth/applyers/proxmox/pve"
	"berth/desired"
)

// Options are what an Applyer needs from outside.
type Options struct {
	// Token answers "user@realm!id=uuid" for a site. It is asked once a turn.
	Token func(ctx context.Context, site *desired.Site) (string, error)
	// Secret answers what a manifest refers to. It is asked for when a guest is made
	// with it, and what it answers is kept nowhere.
	Secret func(ctx context.Context, ref desired.SecretRef) ([]byte, error)
	// Locked tells why a secret can't be read before somebody unlocks the agent; nil
	// stands for one that can, or fails for another reason. It is asked at each look
	// about the guests to be made, so that they wait in the plan, rather than fail. A nil
	// Locked asks nobody.
	Locked func(ctx context.Context, ref desired.SecretRef) *desired.LockedError
	// Transport carries requests to a site; nil stands for TLS as the site's
	// manifest asks for it.
	Transport func(site *desired.Site) (http.RoundTripper, error)
	// Log takes what is worth knowing beside the report; nil discards it.
	Log *slog.Logger
	// Now is the clock; nil stands for time.Now.
	Now func() time.Time
	// Dial tries whether a guest's port answers; nil stands for a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Answers tells which addresses answer on the network, and how, in words that
	// follow the address: "answers to ping". It is asked all at once, about the
	// static addresses that a plan would give to guests. nil asks nobody, as where
	// the guests are only simulated.
	Answers func(ctx context.Context, addrs []netip.Addr) map[netip.Addr]string
	// Memory is what the turns before have left; nil stands for an empty one.
	Memory *Memory
	// Asked is told of each request to a site once it is over, by many at once; nil is
	// told of none.
	Asked func(Request)
}

// Request is one that was sent to a site.
type Request = pve.Request

// Applyer looks after the kinds vm, ct, data and image. It is safe for concurrent use.
type Applyer struct {
	opts  Options
	count pve.Counter
	// poll is how soon a task is first asked after.
	poll time.Duration

	mu       sync.Mutex
	clusters map[string]*cluster
	// seen is where guests stood at the last look, to find them in a narrow one.
	seen map[desired.ID]place
	// looks are what the last whole look at each site left for polls.
	looks map[string]*looked
}

// place is where a guest stands.
type place struct {
	site string
	vmid int
}

var (
	_ applyers.Applyer = (*Applyer)(nil)
	_ applyers.Resumer = (*Applyer)(nil)
	_ applyers.Watcher = (*Applyer)(nil)
)

// New makes an Applyer.
func New(o Options) *Applyer {
	if o.Transport == nil {
		o.Transport = pve.SystemTransport
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Memory == nil {
		o.Memory = new(Memory)
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{}).DialContext
	}
	return &Applyer{opts: o, poll: pve.FirstPoll, clusters: make(map[string]*cluster), seen: make(map[desired.ID]place), looks: make(map[string]*looked)}
}

// Kinds are vm, ct, data and image.
func (a *Applyer) Kinds() []string {
	return []string{desired.KindVM, desired.KindContainer, desired.KindData, desired.KindImage}
}

// TakeRequests gives how many requests were sent, by method, since it was last
// asked.
func (a *Applyer) TakeRequests() map[string]int { return a.count.Take() }

// begin gives the API of a site, with its token read afresh.
func (a *Applyer) begin(ctx context.Context, site *desired.Site) (*cluster, error) {
	if a.opts.Token == nil {
		return nil, errors.New("no way to a token is set up")
	}
	token, err := a.opts.Token(ctx, site)
	if err != nil {
		return nil, fmt.Errorf("read the token: %w", err)
	}
	if token, err = pve.CheckToken(site, token); err != nil {
		return nil, err
	}
	return a.open(site, token)
}

// open gives the API of a site, keeping connections while the site is reached
// in the same way. Others find it once it has its token.
func (a *Applyer) open(site *desired.Site, token string) (*cluster, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	old := a.clusters[site.Name]
	if old != nil && old.site.TLS == site.TLS && old.site.Endpoints.Equal(site.Endpoints) {
		fresh := *old
		fresh.site = site
		fresh.begin(token)
		a.clusters[site.Name] = &fresh
		return &fresh, nil
	}
	base, err := a.opts.Transport(site)
	if err != nil {
		return nil, err
	}
	api, err := pve.New(site.Name, base, site.Endpoints, &a.count, a.opts.Now, a.poll)
	if err != nil {
		return nil, err
	}
	api.Observe(a.opts.Asked)
	api.Ledger = &a.opts.Memory.of(site.Name).ledger
	c := &cluster{Client: api, site: site}
	c.begin(token)
	a.clusters[site.Name] = c
	return c, nil
}

// begin has the token shown from now on.
func (c *cluster) begin(token string) {
	c.Begin(token)
	c.tokenSum = sha256.Sum256([]byte(token))
}

// at gives the API of a site as the last observation set it up; it sets it up
// where there was none, as after a restart.
func (a *Applyer) at(ctx context.Context, fleet *desired.Fleet, name string) (*cluster, error) {
	site := fleet.Sites[name]
	if site == nil {
		return nil, fmt.Errorf("no site %q", name)
	}
	a.mu.Lock()
	c := a.clusters[name]
	a.mu.Unlock()
	if c != nil {
		return c, nil
	}
	return a.begin(ctx, site)
}

// Resume waits for a task that was started in an earlier life of the agent. One that
// can't be asked for any more, since Proxmox has forgotten it (400, FACTS 2) or its site
// is gone from Git, is over: what is live tells what became of it.
func (a *Applyer) Resume(ctx context.Context, fleet *desired.Fleet, task string) error {
	rest, ok := strings.CutPrefix(task, pve.TaskPrefix)
	name, upid, cut := strings.Cut(rest, ":")
	if !ok || !cut {
		return fmt.Errorf("%q is no task of Proxmox", task)
	}
	if fleet.Sites[name] == nil {
		return nil
	}
	c, err := a.at(ctx, fleet, name)
	if err != nil {
		return err
	}
	c.Ledger.Begun(upid, c.Now())
	_, err = c.Follow(ctx, upid, c.limit(longest))
	if _, failed := errors.AsType[*pve.TaskError](err); failed || pve.Status(err) == http.StatusBadRequest {
		return nil
	}
	return err
}

// wait names what a site sets a limit for.
type wait int

const (
	anyTask wait = iota
	creation
	shutdown
	readiness
	longest
)

// limit is how long the site waits.
func (c *cluster) limit(w wait) time.Duration {
	t := c.site.Timeouts
	task := cmp.Or(time.Duration(t.Task), 10*time.Minute)
	create := cmp.Or(time.Duration(t.Create), 30*time.Minute)
	switch w {
	case creation:
		return create
	case shutdown:
		return cmp.Or(time.Duration(t.Shutdown), 3*time.Minute)
	case readiness:
		return cmp.Or(time.Duration(t.Ready), 10*time.Minute)
	case longest:
		return max(task, create)
	default:
		return task
	}
}
