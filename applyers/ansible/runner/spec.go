package runner

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"berth/desired"
)

// Spec is one run of a playbook.
type Spec struct {
	// Files holds the playbook. Of it, Dir is unpacked, where File is: both are
	// paths from its root, and File is what messages call the playbook.
	Files     fs.FS
	Dir, File string
	// Requirements are the files, from the root of Files, of what Ansible Galaxy is
	// to install first; see [Options].Cache.
	Requirements []string

	// Inventory writes the inventory, as JSON or YAML, once it is known where
	// the run's files are. It says also as whom and on which port hosts are reached.
	Inventory func(Place) ([]byte, error)
	// Keys are the SSH keys, under names of the caller's choice; Place says in
	// which files they are.
	Keys map[string]desired.Secret
	// Limit names the hosts to run for.
	Limit []string
	// Serial runs the whole playbook for so many hosts at a time, in the order of
	// Limit; zero and less for all at once. A play's own serial divides them further.
	// To a task, the hosts of its batch are all that there are, save that groups and
	// hostvars hold the others too, without their facts.
	Serial int
	// MaxFail is how many hosts may fail before no other batch is begun; nil for any
	// number.
	MaxFail *int
	// Forks is how many hosts a task runs on at the same time; zero for what an
	// ansible.cfg beside the playbook says, else Ansible's own 5.
	Forks int

	// VarsFiles are files of extra variables, of which later ones beat earlier ones.
	VarsFiles []VarsFile
	// Vars are extra variables, which beat all others. Each [desired.Secret] in it
	// stands for its value, which is never taken for a template.
	Vars map[string]any
	// Vaults are the passwords of encrypted files, by vault id.
	Vaults map[string]desired.Secret
	// Secrets are those besides Keys, Vaults and the ones in Vars that nobody may
	// see: those in the inventory, above all.
	Secrets []desired.Secret

	Tags, SkipTags []string
	// Become runs tasks as another user, root unless variables say otherwise.
	Become bool
	// Check changes nothing and asks what would be changed, with differences. Tasks
	// of the playbook that say check_mode: false are run all the same.
	Check bool

	// Timeout ends the run, whatever it is at; zero is none.
	Timeout time.Duration
	// Say is told what happens, in single lines for people. Not nil.
	Say func(line string)
	// Output gets all that Ansible writes for people, without secrets; nil for
	// nobody. What it does not take is lost.
	Output io.Writer
}

// VarsFile is a file of variables; it may be encrypted by ansible-vault.
type VarsFile struct {
	// Name is what messages call it.
	Name string
	Text []byte
}

// Place is what an inventory needs to know of its run.
type Place struct {
	// Keys are the paths of Spec.Keys.
	Keys map[string]string
	// Share are ssh's options that say whether connections are shared.
	Share []string
}

// within is File from Dir.
func (s Spec) within() string {
	return strings.TrimPrefix(path.Clean(s.File), strings.TrimPrefix(path.Clean(s.Dir)+"/", "./"))
}

// secrets are all that have to be masked.
func (s Spec) secrets() []desired.Secret {
	all := slices.Clone(s.Secrets)
	for _, keys := range []map[string]desired.Secret{s.Keys, s.Vaults} {
		all = slices.AppendSeq(all, maps.Values(keys))
	}
	_, more, _ := Plain(s.Vars)
	return append(all, more...)
}

// Plain is a tree of variables with the values of the [desired.Secret] in it, to be
// written as JSON, and lists these secrets. They are marked, so that Ansible takes
// none for a template.
func Plain(v any) (plain any, secrets []desired.Secret, err error) {
	switch v := v.(type) {
	case desired.Secret:
		if !utf8.Valid(v.Reveal()) {
			return nil, []desired.Secret{v}, errors.New("a secret is no UTF-8 text, which variables are: encode it, with base64 for one")
		}
		return map[string]any{"__ansible_unsafe": string(v.Reveal())}, []desired.Secret{v}, nil
	case desired.SecretRef:
		return nil, nil, fmt.Errorf("the secret %s was not read", v.Secret)
	case map[string]any:
		all := make(map[string]any, len(v))
		for _, name := range slices.Sorted(maps.Keys(v)) {
			var more []desired.Secret
			var wrong error
			all[name], more, wrong = Plain(v[name])
			secrets = append(secrets, more...)
			if err == nil && wrong != nil {
				err = fmt.Errorf("variable %s: %w", name, wrong)
			}
		}
		return all, secrets, err
	case []any:
		all := make([]any, len(v))
		for i := range v {
			var more []desired.Secret
			var wrong error
			all[i], more, wrong = Plain(v[i])
			secrets = append(secrets, more...)
			if err == nil {
				err = wrong
			}
		}
		return all, secrets, err
	}
	return v, nil, nil
}
