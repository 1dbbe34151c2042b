package desired

import (
	"crypto/sha256"
	"encoding/hex"
)

// Playbook is the document of kind Playbook: what Ansible must have run to
// success, for which hosts, when.
type Playbook struct {
	Name        string `yaml:"name"`
	Description string `yaml:"description"`
	// Path is the playbook's file in this repository, from its manifest's
	// directory; File is the same from the root of the manifests.
	Path string `yaml:"path"`
	File string `yaml:"-"`
	// Dir is the directory whose files are Ansible's to read: the playbook's.
	Dir string `yaml:"-"`
	// Hosts is Ansible's pattern; Targets are the guests that it names.
	Hosts   string `yaml:"hosts"`
	Targets []ID   `yaml:"-"`
	// Runs says when hosts are due: created and changed unless set; manual.
	Runs []string `yaml:"runs" list:"replace" enum:"created|changed|manual"`
	// Order: smaller runs first; 50 unless set. After names playbooks that end
	// before this one begins.
	Order   int            `yaml:"order"`
	After   List           `yaml:"after"`
	Vars    map[string]any `yaml:"vars"`
	User    string         `yaml:"user"`
	Become  bool           `yaml:"become"`
	Timeout Duration       `yaml:"timeout"`
	Ignore  List           `yaml:"ignore"`
	// Due holds, for each target by name, what must have run there.
	Due map[string]Run `yaml:"-" path:"hosts" drift:"online"`

	Git          *Later `yaml:"git" later:"playbooks of other repositories are not built yet: put it into this one"`
	Requirements *Later `yaml:"requirements" later:"galaxy requirements are not built yet: install collections on the agent's host"`
	Each         *Later `yaml:"each" later:"one run a value is not built yet: write a playbook for each"`
	Groups       *Later `yaml:"groups" later:"groups of groups are not built yet: put the guests into both groups"`
	Serial       *Later `yaml:"serial" later:"not built yet: write serial in the play itself"`
	MaxFail      *Later `yaml:"maxFail" later:"not built yet: write max_fail_percentage in the play itself"`
	VarsFiles    *Later `yaml:"varsFiles" later:"not built yet: write vars_files in the play itself"`
	Vaults       *Later `yaml:"vaults" later:"secrets are not built yet: leave vaulted files out"`
	Tags         *Later `yaml:"tags" later:"not built yet: leave them out"`
	SkipTags     *Later `yaml:"skipTags" later:"not built yet: leave them out"`
	Retry        *Later `yaml:"retry" later:"failed runs are tried again at every turn for now: leave it out"`
	Drift        *Later `yaml:"drift" later:"check mode is not built yet: leave it out"`
	Runner       *Later `yaml:"runner" later:"other runners are not built yet: leave it out"`
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
