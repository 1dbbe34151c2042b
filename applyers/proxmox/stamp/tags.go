package stamp

import (
	"slices"
	"strings"
)

// FleetTag is the tag by which a fleet's guests are found in one request. It
// proves nothing.
func FleetTag(fleet string) string { return "berth." + fleet }

// ArchivedTag marks archived guests for people.
const ArchivedTag = "berth-archived"

// ParseTags splits a list of tags as Proxmox does.
func ParseTags(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(",; \t\n", r) })
}

// OwnTag tells whether a tag is Berth's and no manifest's affair.
func OwnTag(tag string) bool { return strings.HasPrefix(strings.ToLower(tag), "berth") }

// HasTag tells whether a tag is among others, in whatever case.
func HasTag(tags []string, tag string) bool {
	return slices.ContainsFunc(tags, func(t string) bool { return strings.EqualFold(t, tag) })
}
