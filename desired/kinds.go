package desired

import "reflect"

// A kind is one of the language's kinds.
type kind struct {
	// word is what manifests write after `kind:`, short what references write.
	word, short string
	// spec is the Go type.
	spec reflect.Type
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
		{word: "DataVM", short: KindData, spec: reflect.TypeFor[DataVM]()},
		{word: "Template", short: KindTemplate, spec: reflect.TypeFor[Template](), dotted: true},
		{word: "Secret", short: KindSecret, spec: reflect.TypeFor[SecretPlace](), dotted: true},
		{word: "Project", short: KindProject, spec: reflect.TypeFor[projectSpec](), dotted: true},
		{word: "Approval", short: KindApproval, spec: reflect.TypeFor[Approval]()},
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

// layered tells whether Fleet.defaults may have a layer for documents of the
// kind.
func (k *kind) layered() bool {
	switch k.word {
	case "Fleet", "Profile", "Project", "Approval":
		return false
	}
	return true
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
