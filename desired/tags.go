package desired

// The kinds' types carry what the loader, the comparison and the reference need
// to know about a field as struct tags:
//
//	yaml:"memory"    the manifest's word; "-" is not a manifest's word
//	drift:"reboot"   what a difference costs, an [Effect]; inherited by what
//	                 stands below; "vm=create,ct=online" where kinds differ;
//	                 without, a leaf is never compared with live, nor is
//	                 what stands below "-"
//	priv:"VM.Config.Memory"
//	                 the Proxmox privilege on the guest that changing it needs;
//	                 inherited by what stands below; "vm=A,ct=B" where kinds
//	                 differ; root@pam where no token may
//	path:"cloudInit" the path under which a field that is no manifest's word is
//	                 compared
//	exact:"yes"      a map that the manifest owns whole: extra live keys go
//	zero:"none"      what says nothing here or below is not there at all, and is no
//	                 leaf to compare
//	short:"size"     the key that a plain scalar stands for ("memory: 2GiB")
//	list:"replace"   a list of which the last layer wins; others add up
//	list:"literal"   a list that adds up, and whose items begin with + or -: the
//	                 last layer wins for each, and "-x" takes nothing out
//	instead:"hostnum"
//	                 the word of the same map that this one takes the place of
//	                 when a higher layer writes it
//	enum:"a|b"       the words allowed; unbuilt:"b" of them this version refuses
//	default:"7d"     what holds unless it is written, for people; "required" where
//	                 nothing does; without, the field is unset: not sent to
//	                 Proxmox and not compared
//	example:"2GiB"   a value as a manifest writes it; it loads
//	only:"vm,data"   the kinds of guest that have the field; all unless set
//	form:"mac"       how a text, or each item of a list of texts, is written, and
//	keys:"slot"      how a map's keys are, for the schema that editors read; the
//	                 loader has checks of its own, which say what to do
//	later:"reason"   the language has it, this version can't do it: an error
//	                 that says so and what to do instead
//
// REFERENCE.md and schema.json are made from these tags and from the comments
// of the fields, which are therefore written for operators. A comment begins
// with the field's name; that of other fields is the manifest's word.
// After a change: go test ./desired -run 'TestReference|TestSchema' -update.

// Effect is what it costs to make a difference good.
type Effect string

// The effects.
const (
	// Online changes take place while the guest runs.
	Online Effect = "online"
	// Reboot changes are written now and take effect at the next start.
	Reboot Effect = "reboot"
	// Create facts are settled when the guest is made: a difference is a note.
	Create Effect = "create"
	// Recreate changes need the guest to be made anew.
	Recreate Effect = "recreate"
)

// Later marks a field of the language that this version knows but cannot do.
// Setting one is an error, so that nothing is accepted silently.
type Later struct{}
