package desired

import "reflect"

// A kind is one of the language's kinds.
type kind struct {
	// word is what manifests write after `kind:`, short what references write.
	word, short string
	// spec is the Go type; nil for a kind that can't be done yet.
	spec reflect.Type
	// later says what to do instead of a kind that can't be done yet.
	later string
	// dotted kinds may have dots and underscores in their names.
	dotted bool
}

// kinds lists the language's kinds in the order in which messages name them.
func kinds() []*kind {
	return []*kind{
		{word: "Fleet", short: "fleet", spec: reflect.TypeFor[FleetSpec]()},
		{word: "Site", short: KindSite, spec: reflect.TypeFor[Site]()},
		{word: "Profile", short: KindProfile, spec: reflect.TypeFor[profileSpec](), dotted: true},
		{word: "User", short: KindUser, spec: reflect.TypeFor[User](), dotted: true},
		{word: "Host", short: KindHost, spec: reflect.TypeFor[Host]()},
		{word: "Image", short: KindImage, spec: reflect.TypeFor[Image](), dotted: true},
		{word: "VM", short: KindVM, spec: reflect.TypeFor[VM]()},
		{word: "Container", short: KindContainer, spec: reflect.TypeFor[Container]()},
		{word: "Edge", short: KindEdge, spec: reflect.TypeFor[Edge]()},
		{word: "Playbook", short: KindPlaybook, spec: reflect.TypeFor[Playbook](), dotted: true},
		{word: "Template", short: "template", dotted: true, later: "templates are not built yet: make the guests from an Image"},
		{word: "DataVM", short: "data", later: "data VMs are not built yet: give the guest a disk of its own (size and storage)"},
		{word: "Project", short: "project", dotted: true, later: "projects are not built yet: write the guests out, with project and environment"},
		{word: "Secret", short: "secret", dotted: true, later: "Secret documents are not built yet: put the secret where the agent's own settings find it, and leave this out"},
		{word: "Approval", short: "approval", later: "approvals are not built yet: raise guards.deletes for the change, or delete by hand"},
	}
}

// kindOf finds a kind by its word; nil if there is none.
func kindOf(word string) *kind {
	for _, k := range kinds() {
		if k.word == word {
			return k
		}
	}
	return nil
}

// guest tells whether documents of the kind are guests.
func (k *kind) guest() bool { return k.short == KindVM || k.short == KindContainer }

// profileSpec holds the words of a Profile that are not its guests'.
type profileSpec struct {
	// Name is what uses says.
	Name string `yaml:"name" default:"required" example:"base"`
	// Description is for people.
	Description string `yaml:"description" example:"what every guest has"`
	// Uses are Profiles laid below this one, in their order.
	Uses List `yaml:"uses" example:"[base]"`
	// For is the one kind that the profile is for.
	For string `yaml:"for" enum:"VM|Container" default:"both" example:"VM"`
}
