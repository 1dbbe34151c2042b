package desired

import (
	"regexp"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // The host may have no zones, or others; the same manifests load alike everywhere.
)

var regexpDate = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`)

// approvalDocuments reads the approvals. Nothing asks for some of them yet, which
// each of those is told.
func (l *loader) approvalDocuments() {
	for _, doc := range l.docs {
		if doc.kind.word != "Approval" {
			continue
		}
		a := &Approval{}
		it := l.open(doc, a)
		a.Source = doc.src
		l.fleet.Approvals = append(l.fleet.Approvals, a)
		l.checkAllow(it, a)
		l.checkUntil(it, a)
		if a.Verb == AllowRecreate {
			l.note(it.at("allow"), it.id, "allow: making a guest anew is not built yet: it permits nothing")
		}
	}
	slices.SortFunc(l.fleet.Approvals, func(a, b *Approval) int { return strings.Compare(a.Allow, b.Allow) })
}

// allowExample shows how what is allowed is written.
func allowExample(verb string) string {
	switch verb {
	case AllowDestroyVolume:
		return "destroy-volume data/NAME/DISK"
	case AllowShrinkFleet:
		return "shrink-fleet"
	}
	return verb + " vm/NAME"
}

func (l *loader) checkAllow(it *item, a *Approval) {
	src := it.at("allow")
	words := strings.Fields(a.Allow)
	switch {
	case it.bad["allow"] || len(words) == 0 && it.explained("", "allow"):
		return
	case len(words) == 0:
		l.wrong(it, src, "allow is missing: write what may be done, as in delete vm/NAME")
		return
	}
	verbs := []string{AllowDelete, AllowRecreate, AllowDestroyVolume, AllowShrinkFleet}
	a.Verb, a.Allow = words[0], strings.Join(words, " ")
	switch {
	case !slices.Contains(verbs, a.Verb):
		if near := nearest(a.Verb, verbs); len(near) > 0 {
			l.wrong(it, src, "allow: %q can't be allowed; did you mean %s?", a.Verb, oneOf(near))
		} else {
			l.wrong(it, src, "allow: %q can't be allowed: write %s", a.Verb, oneOf(verbs))
		}
	case a.Verb == AllowShrinkFleet && len(words) > 1:
		l.wrong(it, src, "allow: shrink-fleet is for the whole fleet: write it alone")
	case a.Verb == AllowShrinkFleet:
	case len(words) != 2:
		l.wrong(it, src, "allow: one resource for each approval: write %s", allowExample(a.Verb))
	case a.Verb == AllowDestroyVolume:
		l.allowVolume(it, src, a, words[1])
	default:
		l.allowGuest(it, src, a, words[1])
	}
}

// allowGuest reads the guest that may be deleted or made anew. It may be gone
// from Git already, so that a wrong name is worth a note at most.
func (l *loader) allowGuest(it *item, src Source, a *Approval, word string) {
	id := ID(word)
	switch {
	case id.Kind() == KindData:
		l.wrong(it, src, "allow: a data VM goes with its disks, each of which is allowed by itself: write %s", allowExample(AllowDestroyVolume))
		return
	case !strings.Contains(word, "/") || !id.Guest():
		l.wrong(it, src, "allow: %q is no guest: write %s vm/NAME or %s ct/NAME", word, a.Verb, a.Verb)
		return
	case !isName(id.Name()):
		l.wrong(it, src, "allow: %q is no guest's name: write %s vm/NAME or %s ct/NAME", word, a.Verb, a.Verb)
		return
	}
	a.Target = id
	if l.exists(id) || l.guesses >= maxGuesses {
		return
	}
	var candidates []candidate
	for _, c := range append(l.documents(KindVM), l.documents(KindContainer)...) {
		for _, kind := range []string{KindVM, KindContainer} {
			if other := MakeID(kind, c.name); l.named[other] != nil {
				candidates = append(candidates, candidate{string(other), c.src})
			}
		}
	}
	l.perhaps(it, src, word, candidates)
}

// allowVolume reads the data VM's disk that may be destroyed.
func (l *loader) allowVolume(it *item, src Source, a *Approval, word string) {
	kind, ref, _ := strings.Cut(word, "/")
	name, disk, ok := strings.Cut(ref, "/")
	if !ok || kind != KindData || !isName(name) || !isDotted(disk) {
		l.wrong(it, src, "allow: %q is no disk of a data VM: write %s", word, allowExample(AllowDestroyVolume))
		return
	}
	a.Target, a.Disk = MakeID(KindData, name), disk
	if _, _, found := l.volume(name, disk); found || l.lost[a.Target] || l.lostAny {
		return
	}
	var candidates []candidate
	for _, c := range l.volumes() {
		candidates = append(candidates, candidate{KindData + "/" + c.name, c.src})
	}
	l.perhaps(it, src, word, candidates)
}

// perhaps notes that a name is nothing's and near another's.
func (l *loader) perhaps(it *item, src Source, word string, candidates []candidate) {
	if !l.mayGuess(len(candidates)) {
		return
	}
	names := make([]string, len(candidates))
	for i, c := range candidates {
		names[i] = c.name
	}
	for _, n := range nearest(word, names) {
		l.note(src, it.id, "allow: there is no %s in this commit: if %s (%s) is meant, write that", word, n, candidates[slices.Index(names, n)].src.place())
		return
	}
}

func (l *loader) checkUntil(it *item, a *Approval) {
	src := it.at("until")
	switch {
	case it.bad["until"] || a.Until == "" && it.explained("", "until"):
	case a.Until == "":
		l.wrong(it, it.src, "until is missing: write the last day of the permission, as in 2026-12-01, at most %d days ahead", MaxApprovalDays)
	case regexpDate.MatchString(a.Until):
		day, err := time.Parse(time.DateOnly, a.Until)
		if err != nil {
			l.wrong(it, src, "until: there is no day %s: correct it", a.Until)
			return
		}
		zone, err := time.LoadLocation(l.fleet.Spec.Zone)
		if err != nil {
			return // The fleet's mistake, told there.
		}
		a.Ends = time.Date(day.Year(), day.Month(), day.Day()+1, 0, 0, 0, 0, zone)
	default:
		ends, err := time.Parse(time.RFC3339, a.Until)
		if err != nil {
			l.wrong(it, src, "until: %q is no date: write it as in 2026-12-01, or as in 2026-12-01T18:00:00+01:00", a.Until)
			return
		}
		a.Ends = ends
	}
}
