package checkout

// SetMaxPacks makes the clone anew earlier than after defaultMaxPacks.
func (r *Repo) SetMaxPacks(n int) { r.maxPacks = n }
