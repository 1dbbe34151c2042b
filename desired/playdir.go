package desired

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"path"
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
	told          bool
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
		case !entry.Type().IsRegular():
			return nil
		}
		file, err := l.contentOf(name)
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

// forNobody notes files of variables that are for nobody: most often a name is wrong.
func (l *loader) forNobody(p *playbook, d *playDir, c *crowd) {
	if d.told {
		return
	}
	d.told = true
	var files []string
	for _, name := range sortedKeys(d.groups) {
		if _, is := c.groups[name]; !is && name != "all" && name != "ungrouped" {
			files = append(files, "group_vars/"+name)
		}
	}
	for _, name := range sortedKeys(d.hosts) {
		if _, is := c.hosts[name]; !is {
			files = append(files, "host_vars/"+name)
		}
	}
	if len(files) == 0 || l.lostHost("") {
		return
	}
	const shown = 5
	more := ""
	if len(files) > shown {
		more = fmt.Sprintf(" and %d more", len(files)-shown)
		files = files[:shown]
	}
	l.note(p.at("path"), p.id, "path: beside it, %s%s: nobody is called so, so that nobody gets these variables", strings.Join(files, ", "), more)
}
