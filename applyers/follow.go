package applyers

// Follower is an Applyer whose resources stand on those of others: it observes after
// these, and is told in its [Scope] what was found.
type Follower interface {
	Applyer
	// Follows are the short kinds that are observed before.
	Follows() []string
}
