package desired

import (
	"slices"
	"strings"
)

// groupWord is a word as Ansible takes it for the name of a group.
func groupWord(word string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_' {
			return r
		}
		return '_'
	}, word)
}

// groups is [Fleet.Groups] for a guest of a short kind.
func (g *Guest) groups(kind string) []string {
	out := append([]string{kind}, g.Groups...)
	add := func(prefix, word string) {
		if word != "" {
			out = append(out, prefix+groupWord(word))
		}
	}
	add("site_", g.Site)
	add("env_", g.Environment)
	add("project_", g.Project)
	if g.Project != "" {
		out = append(out, appGroups(g.Project, g.Environment)...)
	}
	for _, tag := range g.Tags {
		add("tag_", tag)
	}
	add("phase_", g.Startup)
	slices.Sort(out)
	return slices.Compact(out)
}

// appGroups are the groups of what belongs to a project, as stacks of applications
// name them.
func appGroups(project, environment string) []string {
	groups := []string{"app_all", "app_" + groupWord(project) + "_all"}
	if environment != "" {
		groups = append(groups, "app_"+groupWord(project)+"_"+groupWord(environment))
	}
	return groups
}

// Groups lists the Ansible groups of a guest or Host, sorted, without "all" and
// without the groups of groups that these are in: those that its manifest names,
// its kind ("vm", "ct", "host"), and for a guest those that follow from its site,
// environment, project, tags and startup phase, as in "site_home" and "tag_prod",
// where whatever is no letter or digit is "_". A guest of a project, be it made by
// a Project or not, is in "app_all", "app_PROJECT_all" and, with an environment, in
// "app_PROJECT_ENVIRONMENT".
func (f *Fleet) Groups(id ID) []string {
	if g := f.Guest(id); g != nil {
		return g.groups(id.Kind())
	}
	if h := f.Hosts[id.Name()]; h != nil && id.Kind() == KindHost {
		return h.groups()
	}
	return nil
}

// groups is [Fleet.Groups] for a Host.
func (h *Host) groups() []string {
	out := append([]string{KindHost}, h.Groups...)
	slices.Sort(out)
	return slices.Compact(out)
}
