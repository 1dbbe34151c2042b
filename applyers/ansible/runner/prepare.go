package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
)

// prepare fills the run's directory and says how to start the program.
func (b *batches) prepare(ctx context.Context, bin string) error {
	if err := unpack(ctx, b.Files, path.Clean(b.Dir), b.dir.in("src"), b.say); err != nil {
		return err
	}
	if err := b.dir.write("ansible.cfg", []byte(settings)); err != nil {
		return err
	}
	installed, err := b.install(ctx)
	if err != nil {
		return err
	}
	place := Place{Keys: make(map[string]string), Share: share(b.dir)}
	for i, name := range slices.Sorted(maps.Keys(b.Keys)) {
		// OpenSSH wants the last line to end.
		text := append(bytes.TrimRight(b.Keys[name].Reveal(), "\r\n"), '\n')
		file := "keys/" + strconv.Itoa(i)
		if err := b.dir.write(file, text); err != nil {
			return err
		}
		place.Keys[name] = b.dir.in(file)
	}
	inventory, err := b.Inventory(place)
	if err != nil {
		return err
	}
	start, text, err := wrapper(b.Spec)
	if err != nil {
		return err
	}
	for _, f := range []file{
		{"callback/berth_events.py", callback},
		{"inventory.json", inventory},
		{start, text},
	} {
		if err := b.dir.write(f.name, f.text); err != nil {
			return err
		}
	}
	args := []string{"-i", b.dir.in("inventory.json"), "--limit", "@" + b.dir.in("limit")}
	more, err := b.variables()
	if err != nil {
		return err
	}
	args = append(append(args, more...), b.flags()...)
	b.proc = process{
		bin: bin, args: append(args, b.dir.in(start)), dir: b.dir.in("src"), run: b.dir,
		env: environment(os.Environ(), b.dir, b.configuration(), installed),
	}
	return nil
}

type file struct {
	name string
	text []byte
}

// variables writes the files of variables and vault passwords, and gives the
// arguments that name them.
func (b *batches) variables() ([]string, error) {
	var args []string
	for i, id := range slices.Sorted(maps.Keys(b.Vaults)) {
		name := "vaults/" + strconv.Itoa(i)
		if b.Vaults[id].Empty() {
			return nil, fmt.Errorf("run %s: the password of vault %s is empty", b.File, id)
		}
		if err := b.dir.write(name, b.Vaults[id].Reveal()); err != nil {
			return nil, err
		}
		args = append(args, "--vault-id", id+"@"+b.dir.in(name))
	}
	for i, f := range b.VarsFiles {
		name := varsName(i)
		if err := b.dir.write(name, f.Text); err != nil {
			return nil, err
		}
		args = append(args, "-e", "@"+b.dir.in(name))
	}
	if len(b.Vars) == 0 {
		return args, nil
	}
	vars, _, err := Plain(b.Vars)
	if err != nil {
		return nil, fmt.Errorf("write the variables of %s: %w", b.File, err)
	}
	text, err := json.Marshal(vars)
	if err != nil {
		return nil, fmt.Errorf("write the variables of %s: %w", b.File, err)
	}
	return append(args, "-e", "@"+b.dir.in("vars.json")), b.dir.write("vars.json", text)
}

func varsName(i int) string { return "vars/" + strconv.Itoa(i) + ".yml" }

// flags are the arguments that hold nothing to hide.
func (b *batches) flags() []string {
	var args []string
	if len(b.Tags) > 0 {
		args = append(args, "--tags", strings.Join(b.Tags, ","))
	}
	if len(b.SkipTags) > 0 {
		args = append(args, "--skip-tags", strings.Join(b.SkipTags, ","))
	}
	if b.Forks > 0 {
		args = append(args, "--forks", strconv.Itoa(b.Forks))
	}
	if b.Become {
		args = append(args, "--become")
	}
	if b.Check {
		args = append(args, "--check", "--diff")
	}
	return args
}

// names turns the paths of the run's files into what their owners call them.
func (b *batches) names() *strings.Replacer {
	pairs := []string{b.dir.in("src") + "/", strings.TrimPrefix(path.Clean(b.Dir)+"/", "./"), b.dir.in("src"), path.Clean(b.Dir)}
	for i, f := range b.VarsFiles {
		pairs = append(pairs, b.dir.in(varsName(i)), f.Name)
	}
	for i, id := range slices.Sorted(maps.Keys(b.Vaults)) {
		pairs = append(pairs, b.dir.in("vaults/"+strconv.Itoa(i)), "the password of vault "+id)
	}
	return strings.NewReplacer(append(pairs, b.dir.in("vars.json"), "the playbook's vars", b.dir.in("inventory.json"), "the inventory", b.dir.path+"/", "")...)
}

// wrapper is a playbook of ours that runs theirs, from the same directory so
// that all that lies beside it is found, and then tells that it came to its end:
// Ansible's own sums don't tell hosts on which all went well from hosts on which
// nothing more was done because others had failed. It is JSON, which is YAML.
func wrapper(s Spec) (name string, text []byte, err error) {
	file := s.within()
	base := path.Base(file)
	if !Quotable(base) {
		return "", nil, fmt.Errorf("run %s: Ansible can't import a file of this name: use letters, digits and ._+@=,- alone", s.File)
	}
	text, err = json.Marshal([]map[string]any{
		{"import_playbook": base},
		{"name": lastPlay, "hosts": "all", "gather_facts": false},
	})
	if err != nil {
		return "", nil, fmt.Errorf("run %s: %w", s.File, err)
	}
	return path.Join("src", path.Dir(file), "berth-run.yml"), text, nil
}

// share are the options by which ssh uses one connection for many tasks, where
// its socket's path is not too long for that.
func share(dir *runDir) []string {
	if len(dir.path) <= 70 {
		return []string{"ControlMaster=auto", "ControlPersist=15s"}
	}
	return []string{"ControlMaster=no", "ControlPath=none"}
}
