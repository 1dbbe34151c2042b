package desired

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// maxPlaybooks is how much the files beside a playbook may be together.
const maxPlaybooks = 64 << 20

// A content is a file of a playbook's, as it was read.
type content struct {
	// named is what tells its content without reading it; "" where nothing does.
	named, digest string
	size          int64
}

// A playDir is what lies in the directory of a playbook, by whom it concerns.
type playDir struct {
	// whole is the digest of all that is there, common of all but what is for a host or
	// a group alone.
	whole, common string
	// hosts and groups are the digests of host_vars and group_vars, by name.
	hosts, groups map[string]string
	err           error
	// first is the playbook that looked at it first, and nobody the groups that no
	// playbook here knows, sorted.
	first  *playbook
	nobody []string
}

// contentOf reads a file of a playbook's, once a load, and not at all where its content
// is known from the last one.
func (l *loader) contentOf(name string) (content, error) {
	if known, ok := l.contents[name]; ok {
		return known, nil
	}
	named := l.digestOf(name)
	c, ok := l.before[name]
	if !ok || named == "" || c.named != named {
		var err error
		if c, err = readContent(l.fsys, name); err != nil {
			return content{}, err
		}
		c.named = named
	}
	if l.contents == nil {
		l.contents = make(map[string]content)
	}
	l.contents[name] = c
	return c, nil
}

// noSubmodule is what to do about a submodule.
const noSubmodule = "put its files here, or let requirements or git name its repository"

func readContent(fsys fs.FS, name string) (content, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return content{}, err
	}
	sum := sha256.New()
	n, err := io.Copy(sum, io.LimitReader(f, maxPlaybooks+1))
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return content{digest: hex.EncodeToString(sum.Sum(nil)), size: n}, err
}

// playDir looks at the directory of a playbook, once a load.
func (l *loader) playDir(dir string) (*playDir, error) {
	if known := l.playDirs[dir]; known != nil {
		return known, known.err
	}
	d := l.readPlayDir(dir)
	if l.playDirs == nil {
		l.playDirs = make(map[string]*playDir)
	}
	l.playDirs[dir] = d
	return d, d.err
}

// readPlayDir looks at all files below a directory. Links are refused: what they lead to
// could change unseen.
func (l *loader) readPlayDir(dir string) *playDir {
	d := &playDir{hosts: map[string]string{}, groups: map[string]string{}}
	whole, common, total := sha256.New(), sha256.New(), int64(0)
	hosts, groups := map[string]hash.Hash{}, map[string]hash.Hash{}
	d.err = fs.WalkDir(l.fsys, dir, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			if name != dir && strings.HasPrefix(path.Base(name), ".") {
				return fs.SkipDir
			}
			return nil
		case entry.Type()&fs.ModeSymlink != 0:
			return fmt.Errorf("%s is a symbolic link: put the file itself here", name)
		case entry.Type()&fs.ModeIrregular != 0:
			return fmt.Errorf("%s is a submodule of Git, whose files are not there: %s", name, noSubmodule)
		case path.Base(name) == ".git" && path.Dir(name) != ".":
			return fmt.Errorf("%s is a submodule of Git, whose files the agent does not get: %s", path.Dir(name), noSubmodule)
		case !entry.Type().IsRegular():
			return nil
		}
		file, err := l.contentOf(name)
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if total += file.size; total > maxPlaybooks {
			return fmt.Errorf("the files in %s are more than %d MiB: move what Ansible does not need", dir, maxPlaybooks>>20)
		}
		rel := strings.TrimPrefix(name, dir+"/")
		to := common
		if whose, of := varsOf(rel, "host_vars"); of {
			to = hashOf(hosts, whose)
		} else if whose, of := varsOf(rel, "group_vars"); of {
			to = hashOf(groups, whose)
		}
		line := fmt.Appendf(nil, "%q %s\n", rel, file.digest)
		if info.Mode()&0o111 != 0 {
			line = fmt.Appendf(nil, "%q %s executable\n", rel, file.digest) // As Ansible may copy it.
		}
		_, _ = to.Write(line)
		_, _ = whole.Write(line)
		return nil
	})
	d.whole, d.common = hexOf(whole), hexOf(common)
	for name, sum := range hosts {
		d.hosts[name] = hexOf(sum)
	}
	for name, sum := range groups {
		d.groups[name] = hexOf(sum)
	}
	return d
}

// varsOf tells for whom a file in host_vars or group_vars beside a playbook is, as
// Ansible reads it: NAME, NAME with an extension of its own, or whatever lies in a
// directory NAME.
func varsOf(rel, dir string) (whose string, of bool) {
	rest, of := strings.CutPrefix(rel, dir+"/")
	if !of {
		return "", false
	}
	whose, _, below := strings.Cut(rest, "/")
	if below {
		return whose, true
	}
	switch ext := path.Ext(whose); ext {
	case ".yml", ".yaml", ".json":
		whose = strings.TrimSuffix(whose, ext)
	}
	return whose, whose != ""
}

func hashOf(all map[string]hash.Hash, name string) hash.Hash {
	if all[name] == nil {
		all[name] = sha256.New()
	}
	return all[name]
}

func hexOf(sum hash.Hash) string { return hex.EncodeToString(sum.Sum(nil)) }

// concerning are the digests of what lies in the directory for one host alone: its own
// variables, and those of its groups.
func (d *playDir) concerning(name string, groups []string) []string {
	var out []string
	if sum, ok := d.hosts[name]; ok {
		out = append(out, "host "+sum)
	}
	if len(d.groups) == 0 {
		return out
	}
	if sum, ok := d.groups["all"]; ok {
		out = append(out, "all "+sum)
	}
	for _, group := range groups {
		if sum, ok := d.groups[group]; ok {
			out = append(out, group+" "+sum)
		}
	}
	return out
}

// named strikes the groups that a playbook knows off those that have variables in the
// directory for nobody: the groups of groups of one are not another's.
func (d *playDir) named(p *playbook, c *crowd) {
	if d.first == nil {
		d.first, d.nobody = p, sortedKeys(d.groups)
	}
	d.nobody = slices.DeleteFunc(d.nobody, func(group string) bool {
		_, is := c.groups[group]
		return is || group == "all"
	})
}

// forNobody notes files of variables that are for nobody: most often a name is wrong.
func (l *loader) forNobody(c *crowd) {
	for _, p := range l.playbooks {
		d := l.playDirs[p.Dir]
		if d == nil || d.first != p || l.lostHost("") {
			continue
		}
		var files []string
		for _, name := range d.nobody {
			files = append(files, "group_vars/"+name)
		}
		for _, name := range sortedKeys(d.hosts) {
			if _, is := c.hosts[name]; !is {
				files = append(files, "host_vars/"+name)
			}
		}
		const shown = 5
		more := ""
		if len(files) > shown {
			more = fmt.Sprintf(" and %d more", len(files)-shown)
			files = files[:shown]
		}
		if len(files) > 0 {
			l.note(p.at("path"), p.id, "path: beside it, %s%s: nobody is called so, so that nobody gets these variables", strings.Join(files, ", "), more)
		}
	}
}
