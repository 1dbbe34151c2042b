package ansible

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"berth/desired"
)

// Parts is a [Memory] that also remembers what each part of a last good run was known
// by, so that it can be said which of them is new. Nothing is decided by it.
type Parts interface {
	// Parts are those of the last run that came to a good end; nil where nobody knows.
	Parts(play desired.ID, host string) map[string]string
	// RememberParts notes those of runs that were remembered, by host.
	RememberParts(play desired.ID, parts map[string]map[string]string) error
}

// The parts, as people call them; a secret is called by its name. The first three together
// are partManifests, by which alone older agents have remembered runs.
const (
	partFiles      = "a file of the playbook"
	partVars       = "a variable or setting of the playbook"
	partHost       = "the host's manifest"
	partManifests  = "the playbook, its variables or the host's manifest"
	partGuest      = "the guest itself"
	partRepository = "the playbook's repository"
)

// partsOf is what a run on a host is made of, each part by what it is known by; nil where
// something of it is not known.
func partsOf(wanted desired.Run, fact desired.Lookup) map[string]string {
	all := map[string]string{partManifests: short(wanted.Digest)}
	if wanted.Parts != (desired.RunParts{}) {
		all[partFiles], all[partVars], all[partHost] = hex.EncodeToString(wanted.Parts.Files[:]), hex.EncodeToString(wanted.Parts.Vars[:]), hex.EncodeToString(wanted.Parts.Host[:])
	}
	if wanted.Guest.Kind() != desired.KindHost {
		instance, known := fact(wanted.Guest, desired.FactInstance)
		if !known {
			return nil
		}
		all[partGuest] = short(instance)
	}
	if !wanted.Outside() {
		return all
	}
	version, known := fact(wanted.Play, desired.VersionFact(wanted.Guest.Name()))
	if !known {
		return nil
	}
	commit, secrets, _ := strings.Cut(version, "\n")
	if commit != "" {
		all[partRepository] = short(commit)
	}
	for line := range strings.Lines(secrets) {
		name, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		key, text, _ := strings.Cut(rest, " ")
		called := "secret " + name
		if key != "" {
			called += " (" + key + ")"
		}
		all[called] = short(text)
	}
	return all
}

// covered tells whether a part is one of those that partManifests is made of.
func covered(part string) bool { return part == partFiles || part == partVars || part == partHost }

func short(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:6])
}

// news says which parts of a run are new since the last good one on a host; "" where
// nobody can tell.
func (a *Applyer) news(play desired.ID, host string, wanted desired.Run, fact desired.Lookup) string {
	memory, ok := a.Memory.(Parts)
	if !ok {
		return ""
	}
	before, now := memory.Parts(play, host), partsOf(wanted, fact)
	if before == nil || now == nil {
		return ""
	}
	var changed []string
	for _, part := range slices.Sorted(maps.Keys(now)) {
		if before[part] != now[part] && (before[part] != "" || !covered(part)) {
			changed = append(changed, part)
		}
	}
	if slices.ContainsFunc(changed, covered) {
		changed = slices.DeleteFunc(changed, func(part string) bool { return part == partManifests })
	}
	if len(changed) == 0 {
		return ""
	}
	is := "is"
	if len(changed) > 1 {
		is = "are"
	}
	return strings.Join(changed, " and ") + " " + is + " new since its last run"
}

// noteParts remembers of runs that ended well what they were made of.
func (a *Applyer) noteParts(ctx context.Context, play desired.ID, group []*host) {
	memory, ok := a.Memory.(Parts)
	if !ok {
		return
	}
	parts := make(map[string]map[string]string)
	for _, h := range group {
		if h.err == nil && h.parts != nil {
			parts[h.name] = h.parts
		}
	}
	if len(parts) == 0 {
		return
	}
	if err := memory.RememberParts(play, parts); err != nil {
		a.Log.WarnContext(ctx, "what a run was made of can't be noted; which part is new is not told next time", slog.Any("error", err))
	}
}
