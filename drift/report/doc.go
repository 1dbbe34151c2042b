// Package report shows what a turn found, would do and did, as text, JSON or
// Markdown. All three are made from one [Report] value, so that nothing can be
// visible to people and missing for machines.
package report
