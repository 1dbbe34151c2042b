package drift

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"berth/desired"
)

// look takes over what was found, sorted, and notes what is soon to be over.
func (p *Plan) look(o Outlook, now time.Time) {
	p.Outlook = Outlook{Archives: slices.Clone(o.Archives), Expiries: slices.Clone(o.Expiries), Clocks: slices.Clone(o.Clocks)}
	slices.SortStableFunc(p.Archives, func(a, b Archived) int {
		return cmp.Or(a.Until.Compare(b.Until), strings.Compare(string(a.ID), string(b.ID)))
	})
	slices.SortStableFunc(p.Clocks, func(a, b Clock) int { return strings.Compare(a.Site, b.Site) })
	p.sortExpiries()
	if now.IsZero() {
		return
	}
	for _, e := range p.Expiries {
		if e.Soon(now) {
			p.Notes = append(p.Notes, Note{ID: e.ID, Text: e.Text(now) + ": " + e.remedy()})
		}
	}
}

func (p *Plan) sortExpiries() {
	slices.SortStableFunc(p.Expiries, func(a, b Expiry) int {
		return cmp.Or(strings.Compare(string(a.ID), string(b.ID)), strings.Compare(a.Kind, b.Kind), strings.Compare(a.What, b.What), a.At.Compare(b.At))
	})
}

// Text says what is over when: "token berth@pve!agent expires on 3 Dec 2026, in 9 days".
func (e Expiry) Text(now time.Time) string {
	what := e.Kind + " " + e.What
	if e.Kind == CertificateExpiry {
		what = e.Kind + " of " + e.What
	}
	switch left := e.At.Sub(now); {
	case e.Unknown != "":
		return what + ": when it expires is not known: " + e.Unknown
	case e.At.IsZero():
		return what + " never expires"
	case left <= 0:
		return what + " has expired on " + day(e.At)
	default:
		return what + " expires on " + day(e.At) + ", " + inDays(left)
	}
}

// day is a date as people say it, in UTC: a report reads alike everywhere.
func day(t time.Time) string { return t.UTC().Format("2 Jan 2006") }

func inDays(left time.Duration) string {
	switch days := int(left / (24 * time.Hour)); days {
	case 0:
		return "in less than a day"
	case 1:
		return "in a day"
	default:
		return fmt.Sprintf("in %d days", days)
	}
}

// remedy says what to do before it is over.
func (e Expiry) remedy() string {
	if e.Kind == CertificateExpiry {
		return "renew it on its node (pvecm updatecerts --force, or pvenode acme cert renew), and where the site's tls.fingerprint names it write the new one"
	}
	name := e.What
	user, id, _ := strings.Cut(name, "!")
	return fmt.Sprintf("make another and put it where the site's token points, or prolong it: pveum user token modify %s %s --expire 0, and pveum user modify %s --expire 0 if it is the user that expires", user, id, user)
}

// approvals tells of all that are in force which of them let something go.
func (w *World) approvals(used func(desired.Source) bool) []Expiry {
	var all []Expiry
	for _, a := range w.Fleet.Approvals {
		if !a.Counts(w.Now) {
			continue
		}
		all = append(all, Expiry{
			Kind: ApprovalExpiry, ID: desired.MakeID(desired.KindApproval, a.Allow), What: a.Allow,
			At: a.Ends, Unused: !used(a.Source), Source: a.Source,
		})
	}
	return all
}
