package desired

// projectSpec holds the words of a Project that are not its guests'. Any field
// of a guest may stand beside them, for all of the project's guests.
type projectSpec struct {
	Name        string `yaml:"name"`
	Description string `yaml:"description"`
	// Guests are the project's guests, by name, each with its kind; Environments
	// are what they are multiplied by, each with fields over those of all guests
	// and, under guests, over those of one.
	Guests       map[string]any `yaml:"guests"`
	Environments map[string]any `yaml:"environments"`
}
