package drift

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"berth/desired"
)

// Step is one move from what is to what should be.
type Step string

// The steps.
const (
	Fetch   Step = "fetch"   // bring an image onto a storage
	Create  Step = "create"  // make a guest, and start it if it shall run
	Restore Step = "restore" // bring an archived guest back
	Online  Step = "online"  // change what can change while it runs
	Pending Step = "pending" // write what takes effect at the next start
	Reboot  Step = "reboot"  // let pending changes take effect
	Start   Step = "start"
	Stop    Step = "stop"
	Ready   Step = "ready" // wait until it runs, is known and answers
	Run     Step = "run"   // run a playbook
	Route   Step = "route" // send names to targets
	Early   Step = "early" // send names to targets before the playbooks of other names have run
	Drain   Step = "drain" // take names away
	Archive Step = "archive"
	Delete  Step = "delete"

	Adopt   Step = "adopt"   // take a foreign guest over: stamp and tag, nothing else
	Release Step = "release" // give a guest up: take stamp and tag off, nothing else
	Migrate Step = "migrate" // move a guest to the node that it is pinned to
	Detach  Step = "detach"  // let go of a data volume, or of a drive that is to be absent
	Attach  Step = "attach"  // take a data volume
)

// Down tells whether the step takes something out of service: what uses the
// resource must let go of it before.
func (s Step) Down() bool { return s == Stop || s == Archive || s == Delete }

// alone tells whether the step waits for no other of its resource, and none for it: a
// name that is held must not keep others from going their way.
func (s Step) alone() bool { return s == Drain || s == Early }

// Destructive tells whether the step takes away what an edit of Git alone
// brings back with effort, or not at all. Guards hold these.
func (s Step) Destructive() bool { return s == Archive || s == Delete }

// Key names a change: one resource may need several steps, each once.
type Key struct {
	ID   desired.ID `json:"id"`
	Step Step       `json:"step"`
}

// String is "vm/web-1 create".
func (k Key) String() string { return string(k.ID) + " " + string(k.Step) }

// Value is one side of a difference.
type Value struct {
	// Text is how a manifest would write it; "" is unset.
	Text string `json:"text,omitempty"`
	// From is set while the value is known only after another step:
	// "vm/web-1 address".
	From string `json:"from,omitempty"`
	// Secret hides Text: it is then only told that it differs.
	Secret bool `json:"secret,omitempty"`
}

// MarshalJSON leaves out what a secret is.
func (v Value) MarshalJSON() ([]byte, error) {
	type plain Value
	if v.Secret {
		v.Text = ""
	}
	return json.Marshal(plain(v))
}

// Origin tells which side moved since the last applied commit.
type Origin string

// The origins; "" is unknown.
const (
	FromGit  Origin = "git"
	FromLive Origin = "live"
)

// Field is one difference within a change.
type Field struct {
	Path   desired.Path   `json:"path"`
	Before Value          `json:"before"`
	After  Value          `json:"after"`
	Effect desired.Effect `json:"effect,omitempty"`
	Origin Origin         `json:"origin,omitempty"`
	// By is who moved the live side, where Proxmox tells: "root@pam".
	By string `json:"by,omitempty"`
	// Held is why this field must not be applied; the others of its change go on.
	Held string `json:"held,omitempty"`
	// Reason says why, for people, where the values on both sides don't: why a playbook
	// is due. Lines say what the difference consists of: which tasks would change what.
	Reason string         `json:"reason,omitempty"`
	Lines  []string       `json:"lines,omitempty"`
	Source desired.Source `json:"source,omitzero"`
	// Needs are resources that this field alone waits for; Wait are their steps
	// in this plan. Where one fails, the field is skipped and the others go on.
	Needs []desired.ID `json:"needs,omitempty"`
	Wait  []Key        `json:"wait,omitempty"`
	// NeedsFields are single fields of other resources that this one waits for,
	// where their change concerns others, too: a playbook on the host that a name
	// leads to. WaitFields are those of them that this plan does.
	NeedsFields []FieldNeed `json:"needsFields,omitempty"`
	WaitFields  []FieldKey  `json:"waitFields,omitempty"`
	// Frees are resources that this field lets go of: what takes them out of
	// service waits for it.
	Frees []desired.ID `json:"frees,omitempty"`
	// Yields names what this field gives up and another resource may take: a
	// change that takes it waits for the field.
	Yields []string `json:"yields,omitempty"`
	// Takes is of a change's Takes what this field alone waits for.
	Takes []string `json:"takes,omitempty"`
}

// FieldNeed names a field of a resource, whatever step does it.
type FieldNeed struct {
	ID   desired.ID   `json:"id"`
	Path desired.Path `json:"path"`
}

// FieldKey names a field of a change.
type FieldKey struct {
	Key
	Path desired.Path `json:"path"`
}

// String is "edge/main route of tls.routes[.lab.example.com]".
func (k FieldKey) String() string { return k.Key.String() + " of " + string(k.Path) }

// Change is one step from what is to what should be, as plain data.
type Change struct {
	Key
	// Site is the site it happens on; "" for none.
	Site   string  `json:"site,omitempty"`
	Fields []Field `json:"fields,omitempty"`
	// Reason says why, for people; nothing decides on it.
	Reason string `json:"reason,omitempty"`
	// Needs are resources that must stand first. The planner makes Wait of them:
	// steps of this plan to finish first.
	Needs []desired.ID `json:"needs,omitempty"`
	Wait  []Key        `json:"wait,omitempty"`
	// WaitFields are fields of other changes that must have been done first,
	// since they let go of this resource.
	WaitFields []FieldKey `json:"waitFields,omitempty"`
	// Takes names what one resource alone may have at a time, as a volume that is
	// written to: the change waits for the fields of others that yield it.
	Takes []string `json:"takes,omitempty"`
	// Lanes bound what runs at once: "site:home", "node:home/pve1",
	// "guest:home/4001004", "host:edge".
	Lanes []string `json:"lanes,omitempty"`
	// Held is why it must not be applied; "" means go.
	Held string `json:"held,omitempty"`
	// Allowed are the Approvals that lift a limit or a window from it.
	Allowed []desired.Source `json:"allowed,omitempty"`
	// Source is the manifest line that asks for it; zero for what is gone.
	Source desired.Source `json:"source,omitzero"`
}

// Blind is what could not be read. Nothing is planned there, and nothing that it
// could bear on is taken away.
type Blind struct {
	// ID is the one resource that is unknown; else Site, or Kind, says what is.
	ID   desired.ID `json:"id,omitempty"`
	Site string     `json:"site,omitempty"`
	Kind string     `json:"kind,omitempty"`
	// Reason says why, Remedy what to do.
	Reason string `json:"reason"`
	Remedy string `json:"remedy,omitempty"`
}

// What is what is unknown, by one name: a resource, "site/home", or "vm/" for all of a
// kind.
func (b Blind) What() desired.ID {
	switch {
	case b.ID != "":
		return b.ID
	case b.Site != "":
		return desired.MakeID(desired.KindSite, b.Site)
	}
	return desired.MakeID(b.Kind, "")
}

// Text says why, and what to do.
func (b Blind) Text() string {
	if b.Remedy == "" {
		return b.Reason
	}
	return b.Reason + ": " + b.Remedy
}

// Covers tells whether a resource is unknown because of b.
func (b Blind) Covers(id desired.ID, site string) bool {
	switch {
	case b.ID != "":
		return b.ID == id
	case b.Site != "":
		return b.Site == site
	default:
		return b.Kind == id.Kind()
	}
}

// Foreign is something that is not ours and stands where a manifest points, or
// bears our signs. It is never touched; ID, if set, is what it stands in the
// way of.
type Foreign struct {
	ID   desired.ID `json:"id,omitempty"`
	Site string     `json:"site,omitempty"`
	// What names it: `ct 118 "pihole" on pve1`.
	What string `json:"what"`
	// Reason says why it is not ours, Remedy what to do.
	Reason string `json:"reason"`
	Remedy string `json:"remedy,omitempty"`
}

// Note is a remark that asks for nothing.
type Note struct {
	ID     desired.ID     `json:"id,omitempty"`
	Path   desired.Path   `json:"path,omitempty"`
	Text   string         `json:"text"`
	Source desired.Source `json:"source,omitzero"`
	// Unless is a step of the resource that makes the remark needless where the plan
	// is going to make it; "" is none.
	Unless Step `json:"unless,omitempty"`
	// Unknown tells that a part of the resource could not be looked at, which keeps
	// nobody from planning the rest.
	Unknown bool `json:"unknown,omitempty"`
}

// Live is a resource of ours as it is, in the manifest's words.
type Live struct {
	ID   desired.ID
	Site string
	// Spec is of the same type as the wanted resource's. It is the wanted one itself
	// where nothing of what that sets differs ([Comparer.Agrees]): what the manifest
	// leaves open is then not told.
	Spec any
	// Running tells of a guest that it runs; one in the archive does not, whatever it
	// does.
	Running bool
	// MACs are those of a guest's interfaces.
	MACs []string
	// Archived tells that it is kept, stopped, until its time is up.
	Archived bool
	// Protected tells that it must not be taken away.
	Protected bool
	// Facts are what other resources may ask: "address", "instance".
	Facts map[string]string
	// By tells who changed a path last, where that is known.
	By map[desired.Path]string
	// Handle is the applyer's own.
	Handle any
}

// Observed is what an applyer found.
type Observed struct {
	Lives   []Live
	Blind   []Blind
	Foreign []Foreign
	Notes   []Note
	// Counts are of guests, by site, for the report's heading.
	Counts map[string]Count
	// Premises is what an applyer learnt of a site beside its resources, by the
	// site's name, for its own Steps to judge by.
	Premises map[string]any
	// Comes is when something becomes due by itself, as a schedule does; zero is never.
	Comes time.Time

	Outlook
}

// Add puts what others have found to it.
func (o *Observed) Add(other Observed) {
	if o.Lives == nil {
		o.Lives = slices.Clip(other.Lives) // They may be thousands.
	} else {
		o.Lives = append(o.Lives, other.Lives...)
	}
	o.Blind = append(o.Blind, other.Blind...)
	o.Foreign = append(o.Foreign, other.Foreign...)
	o.Notes = append(o.Notes, other.Notes...)
	if o.Counts == nil {
		o.Counts = make(map[string]Count)
	}
	maps.Copy(o.Counts, other.Counts)
	if o.Premises == nil {
		o.Premises = make(map[string]any)
	}
	maps.Copy(o.Premises, other.Premises)
	o.add(other.Outlook)
	if o.Comes.IsZero() || !other.Comes.IsZero() && other.Comes.Before(o.Comes) {
		o.Comes = other.Comes
	}
}

// Count is how many guests of a site are ours, and how many are not. Unread are those
// of which one or the other can't be told.
type Count struct {
	Ours   int `json:"ours"`
	Others int `json:"others"`
	Unread int `json:"unread,omitempty"`
}

// Plan is what a turn would do, as plain data: made once, then shown, guarded,
// kept and applied.
type Plan struct {
	Commit string `json:"commit,omitempty"`
	// Digest stands for all that would be done.
	Digest  string           `json:"digest"`
	Changes []Change         `json:"changes"`
	Blind   []Blind          `json:"blind,omitempty"`
	Foreign []Foreign        `json:"foreign,omitempty"`
	Notes   []Note           `json:"notes,omitempty"`
	Counts  map[string]Count `json:"counts,omitempty"`

	Outlook
}

// Change finds a change by its key; nil if the plan has none such.
func (p *Plan) Change(k Key) *Change {
	for i := range p.Changes {
		if p.Changes[i].Key == k {
			return &p.Changes[i]
		}
	}
	return nil
}

// Go tells whether anything would be done: a change that is not held, with a
// field that is not held if it has fields at all.
func (p *Plan) Go() bool {
	for _, c := range p.Changes {
		if c.Goes() {
			return true
		}
	}
	return false
}

// Goes tells whether the change would be applied, at least in part.
func (c *Change) Goes() bool {
	if c.Held != "" {
		return false
	}
	for _, f := range c.Fields {
		if f.Held == "" {
			return true
		}
	}
	return len(c.Fields) == 0
}
