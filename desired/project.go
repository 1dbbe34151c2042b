package desired

// projectSpec holds the words of a Project that are not its guests'. Any field
// of a guest may stand beside them, for all of the project's guests.
type projectSpec struct {
	// Name is the project's name; each guest's project is set to it.
	Name string `yaml:"name" default:"required" example:"shop"`
	// Description is for people.
	Description string `yaml:"description" example:"the web shop"`
	// Guests are the project's guests, by name, each with its kind and any of that
	// kind's fields. A guest is called {project}-{env}-{guest} unless its name
	// says otherwise, and with count {project}-{env}-{guest}-{n}. In groups the
	// placeholders stand for words as Ansible takes them: eu-prod is eu_prod.
	Guests map[string]any `yaml:"guests" keys:"dotted" default:"required" example:"{app: {kind: VM, disks: {scsi0: {image: debian-12, storage: ssd}}}}"`
	// Environments are what the guests are multiplied by, each with any field of a
	// guest, for all guests in it, and under guests for one of them, where null leaves
	// the guest out of the environment.
	Environments map[string]any `yaml:"environments" keys:"dotted" default:"required" example:"{dev: {}, prod: {guests: {app: {memory: 4GiB}}}}"`
}
