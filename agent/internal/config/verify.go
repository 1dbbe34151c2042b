package config

import (
	"regexp"
	"strings"
)

// Verify says which commits must be signed, and by whom; the zero value asks it of none.
type Verify struct {
	// Mode is tip, the newest commit, or every, each since the accepted one.
	Mode string `yaml:"mode"`
	// AllowedSigners is a file of SSH keys as OpenSSH reads it; GPGKeys are files of
	// public keys of GPG's.
	AllowedSigners string   `yaml:"allowedSigners"`
	GPGKeys        []string `yaml:"gpgKeys"`
	// Tags takes a commit as signed also where a tag on it is.
	Tags bool `yaml:"tags"`
	// Since is the commit after which every begins while none was accepted.
	Since string `yaml:"since"`
}

// The modes.
const (
	verifyTip   = "tip"
	verifyEvery = "every"
)

// Given tells that commits must be signed.
func (v Verify) Given() bool { return v.Mode != "" }

// Every tells that each commit must be, and not the newest alone.
func (v Verify) Every() bool { return v.Mode == verifyEvery }

// within takes relative files as relative to dir.
func (v *Verify) within(dir string) {
	v.AllowedSigners = within(dir, v.AllowedSigners)
	for i := range v.GPGKeys {
		v.GPGKeys[i] = within(dir, v.GPGKeys[i])
	}
}

var wholeHash = regexp.MustCompile(`^[0-9a-f]{40}$`)

func (v Verify) check(say complaint) {
	const at = "repository.verify"
	keys := v.AllowedSigners != "" || strings.Join(v.GPGKeys, "") != ""
	switch {
	case v.Mode == "" && (keys || v.Since != "" || v.Tags):
		say(at, "repository.verify.mode is missing: write tip, for the newest commit, or every, for each")
	case v.Mode != "" && v.Mode != verifyTip && v.Mode != verifyEvery:
		say(at+".mode", "repository.verify.mode: %q: write tip, for the newest commit, or every, for each", v.Mode)
	case v.Mode != "" && !keys:
		say(at, "repository.verify: nobody is named who may sign: write allowedSigners: FILE, of SSH keys, or gpgKeys: [FILE]")
	}
	switch {
	case v.Since == "":
	case v.Mode == verifyTip:
		say(at+".since", "repository.verify.since is for mode: every; tip looks at the newest commit alone: take it out")
	case !wholeHash.MatchString(v.Since):
		say(at+".since", "repository.verify.since: %q: write a commit's whole hash, which git rev-parse prints", v.Since)
	}
}
