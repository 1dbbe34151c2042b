package drift

// Trait is something that an applyer knows of a live resource and no manifest says: on
// which node a guest is, what proves that it is ours, how long it stays in the archive.
type Trait struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// Traited is a [Live.Handle] that tells traits, for people.
type Traited interface {
	Traits() []Trait
}
