package proxmox

import (
	"slices"
	"strings"
)

// fleetTag is the tag by which a fleet's guests are found in one request. It
// proves nothing.
func fleetTag(fleet string) string { return "berth." + fleet }

// archivedTag marks archived guests for people.
const archivedTag = "berth-archived"

// parseTags splits a list of tags as Proxmox does.
func parseTags(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(",; \t\n", r) })
}

// ownTag tells whether a tag is Berth's and no manifest's affair.
func ownTag(tag string) bool { return strings.HasPrefix(strings.ToLower(tag), "berth") }

// hasTag tells whether a tag is among others, in whatever case.
func hasTag(tags []string, tag string) bool {
	return slices.ContainsFunc(tags, func(t string) bool { return strings.EqualFold(t, tag) })
}
