package desired

import (
	"crypto/sha256"
	"encoding/hex"
)

// Playbook is the document of kind Playbook: what Ansible must have run to
// success, for which hosts, when.
type Playbook struct {
	// Name is what references say.
	Name string `yaml:"name" default:"required" example:"base"`
	// Description is for people.
	Description string `yaml:"description" example:"what every guest has"`
	// Path is the playbook's file in this repository, from the manifest's
	// directory. A digest of its directory tells whether it must run again.
	Path string `yaml:"path" default:"required" example:"ansible/base.yml"`
	// File is Path from the root of the manifests.
	File string `yaml:"-"`
	// Dir is the directory whose files are Ansible's to read: the playbook's.
	Dir string `yaml:"-"`
	// Hosts is Ansible's pattern of guests and groups, with : :& and :!.
	Hosts string `yaml:"hosts" default:"required" example:"\"vm:!db-1\""`
	// Targets are the guests that Hosts names.
	Targets []ID `yaml:"-"`
	// Runs says when hosts are due: created (a guest was made), changed (the
	// playbook or its variables were), manual.
	Runs []string `yaml:"runs" list:"replace" enum:"created|changed|manual" default:"[created, changed]" example:"[created]"`
	// Order is the place in the row: smaller runs first.
	Order int `yaml:"order" default:"50" example:"10"`
	// After are playbooks that end before this one begins.
	After List `yaml:"after" form:"play" example:"[play/users]"`
	// Vars are extra variables, which beat all others.
	Vars map[string]any `yaml:"vars" keys:"var" example:"{release: stable}"`
	// User is the login name, where it differs from the guest's.
	User string `yaml:"user" form:"login" default:"the guest's ssh.user" example:"ansible"`
	// Become runs the tasks as root.
	Become bool `yaml:"become" default:"false" example:"true"`
	// Timeout is how long a run may take.
	Timeout Duration `yaml:"timeout" default:"30m" example:"1h"`
	// Ignore are fields, by dotted path, that Berth lets go.
	Ignore List `yaml:"ignore" example:"[hosts]"`
	// Due holds, for each target by name, what must have run there.
	Due map[string]Run `yaml:"-" path:"hosts" drift:"online"`

	// Git is another repository that holds the playbook.
	Git *Later `yaml:"git" later:"playbooks of other repositories are not built yet: put it into this one"`
	// Requirements are collections and roles to install first.
	Requirements *Later `yaml:"requirements" later:"galaxy requirements are not built yet: install collections on the agent's host"`
	// Each makes one run a host, site, project or environment.
	Each *Later `yaml:"each" later:"one run a value is not built yet: write a playbook for each"`
	// Groups are groups of groups.
	Groups *Later `yaml:"groups" later:"groups of groups are not built yet: put the guests into both groups"`
	// Serial is how many hosts at a time.
	Serial *Later `yaml:"serial" later:"not built yet: write serial in the play itself"`
	// MaxFail is how many hosts may fail.
	MaxFail *Later `yaml:"maxFail" later:"not built yet: write max_fail_percentage in the play itself"`
	// VarsFiles are files of extra variables.
	VarsFiles *Later `yaml:"varsFiles" later:"not built yet: write vars_files in the play itself"`
	// Vaults are the passwords of vaulted files.
	Vaults *Later `yaml:"vaults" later:"secrets are not built yet: leave vaulted files out"`
	// Tags are the tags of tasks that run.
	Tags *Later `yaml:"tags" later:"not built yet: leave them out"`
	// SkipTags are the tags of tasks that don't.
	SkipTags *Later `yaml:"skipTags" later:"not built yet: leave them out"`
	// Retry tries again after a failure.
	Retry *Later `yaml:"retry" later:"failed runs are tried again at every turn for now: leave it out"`
	// Drift reports what the playbook would change.
	Drift *Later `yaml:"drift" later:"check mode is not built yet: leave it out"`
	// Runner is who runs it.
	Runner *Later `yaml:"runner" later:"other runners are not built yet: leave it out"`
}

// Run is what a playbook's success on one host is measured by: the digest of
// the playbook's files and variables together with the guest's instance, so
// that a guest made anew is due again.
type Run struct {
	// Digest covers the playbook's files, its variables and the guest's own.
	Digest string
	// Guest is the host.
	Guest ID
}

// Equal tells whether both stand for the same run.
func (r Run) Equal(other Run) bool { return r.Digest == other.Digest }

// String is the digest, shortened for people.
func (r Run) String() string {
	if len(r.Digest) > 12 {
		return r.Digest[:12]
	}
	return r.Digest
}

// Resolve binds the digest to the guest's instance.
func (r Run) Resolve(fact Lookup) (leaf any, from string) {
	instance, known := fact(r.Guest, FactInstance)
	if !known {
		return r, string(r.Guest) + " " + FactInstance
	}
	sum := sha256.Sum256([]byte(r.Digest + "\n" + instance))
	return Run{Digest: hex.EncodeToString(sum[:]), Guest: r.Guest}, ""
}

var _ Deferred = Run{}
