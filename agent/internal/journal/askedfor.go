package journal

import (
	"maps"
	"slices"

	"berth/desired"
)

// AskedFor is a playbook that is to run on some hosts, due or not.
type AskedFor struct {
	Playbook desired.ID
	Hosts    []string
	Why      string
}

// AllAsked lists what is asked for and has not come to a good end yet, by playbook and by
// why, each with its hosts sorted.
func (j *Journal) AllAsked() []AskedFor {
	j.memory.Lock()
	defer j.memory.Unlock()
	var all []AskedFor
	for _, play := range slices.Sorted(maps.Keys(j.known.Asked)) {
		by := make(map[string][]string)
		for host, asked := range j.known.Asked[play] {
			by[asked.Why] = append(by[asked.Why], host)
		}
		for _, why := range slices.Sorted(maps.Keys(by)) {
			slices.Sort(by[why])
			all = append(all, AskedFor{Playbook: play, Hosts: by[why], Why: why})
		}
	}
	return all
}
