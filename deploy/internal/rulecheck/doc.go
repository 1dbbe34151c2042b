// Package rulecheck takes rules out of Berth's code, one at a time, to see whether
// a test notices.
//
// A rule is a few lines of a function that are there because of what some other
// system does. Lists of rules are txtar files, one section for each rule:
//
//	-- fresh-mac --
//	facts: 4
//	why: Proxmox makes a new MAC for a line that is written without one.
//	file: applyers/proxmox/change.go
//	fails: applyers/proxmox TestMACStays
//
//	 	case keys[0] == "networks":
//	-		p := parseNIC(j.kind, begun)
//	+		p := notation.Props{}
//
// "facts" is the part of FACTS.md that the rule is drawn from, and "fails" a
// package and a test of it that must fail without the rule; there may be several.
// Then comes what changes, as in a diff: lines that begin with a blank stay, those
// with "-" are the rule, those with "+" stand there without it. Together they occur
// in the file once, within one function or method.
//
// The tree is never touched. [Twins] gives each function that holds a rule a twin
// without it, and lets an environment variable choose between the two, so that one
// build of each test binary (go test -c -overlay) serves all rules: taking one out
// costs no more than running its tests.
package rulecheck
