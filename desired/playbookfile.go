package desired

import (
	"io/fs"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"strings"
)

var (
	// regexpScp is a repository as git's own short form names it: user@host:path.
	regexpScp = regexp.MustCompile(`^[A-Za-z0-9_.-]+@[A-Za-z0-9_.-]+:[A-Za-z0-9_./~-]+$`)
	// regexpRef is a branch, a tag or a commit.
	regexpRef = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_./+-]*$`)
)

// checkGit checks another repository.
func (l *loader) checkGit(p *playbook) {
	if p.Git == nil {
		return
	}
	if complaint := badRepository(p.Git.URL); p.Git.URL == "" && !p.explained("git", "url") {
		l.wrong(p.item, p.at("git"), "git: url is missing: write where the repository is, as in https://git.example.com/ansible.git")
	} else if p.Git.URL != "" && complaint != "" {
		l.wrong(p.item, p.at("git", "url"), "git.url: %s", complaint)
	}
	switch ref := p.Git.Ref; {
	case ref == "" && !p.explained("git", "ref"):
		l.wrong(p.item, p.at("git"), "git: ref is missing: write a tag or a commit, or a branch, each commit of which makes hosts due")
	case ref != "" && (!regexpRef.MatchString(ref) || strings.Contains(ref, "..") || strings.HasSuffix(ref, "/")):
		l.wrong(p.item, p.at("git", "ref"), "git.ref: %q is no branch, tag or commit", ref)
	}
	l.checkSecret(p.item, p.Git.Key, "git", "key")
}

// badRepository says what is wrong with the address of a repository. A password in it
// is never printed.
func badRepository(text string) string {
	if regexpScp.MatchString(text) {
		return ""
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme == "" && u.Host == "":
		return "this is no address of a repository: write it as in https://git.example.com/ansible.git or git@git.example.com:ansible.git"
	case u.User != nil && u.Scheme != "ssh", u.User.String() != u.User.Username():
		return "a user or password can't stand in the address: take it out, and name a secret by key; " + revoke
	case u.RawQuery != "" || u.Fragment != "":
		return "what follows ? or # can't stand in it: take it out, and write the branch or tag into ref"
	case u.Scheme != "https" && u.Scheme != "ssh" && (u.Scheme != "http" || !loopback(u.Hostname())):
		return u.Scheme + " is not encrypted or not known, and what comes by it runs on the hosts: write https:// or ssh://"
	case u.Hostname() == "" || strings.Trim(u.Path, "/") == "":
		return "it names no repository: write it as in https://git.example.com/ansible.git"
	}
	return ""
}

// loopback tells whether a host is the machine itself.
func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// playbookFile finds the playbook's file.
func (l *loader) playbookFile(p *playbook) {
	src := p.at("path")
	switch {
	case p.bad["path"] || p.Path == "" && p.explained("", "path"):
		return
	case p.Path == "" && p.Runner.Webhook != nil:
		return
	case p.Path == "" && p.Git != nil:
		l.wrong(p.item, p.src, "path is missing: write the playbook's file, from the root of the repository that git names")
		return
	case p.Path == "":
		l.wrong(p.item, p.src, "path is missing: write the playbook's file, from this manifest's directory")
		return
	case path.Ext(p.Path) != ".yml" && path.Ext(p.Path) != ".yaml":
		l.wrong(p.item, src, "path: %q: a playbook ends in .yml or .yaml", p.Path)
		return
	case p.Git != nil:
		name := path.Clean(p.Path)
		if !fs.ValidPath(name) {
			l.wrong(p.item, src, "path: %q is no path from the root of the repository that git names: write one, as in site.yml", p.Path)
			return
		}
		p.File, p.Dir = name, path.Dir(name)
		return
	}
	name, ok := l.fileBeside(p.item, src, "path", p.Path)
	if ok {
		p.File, p.Dir = name, path.Dir(name)
	}
}

// requirementFiles finds what Ansible Galaxy installs first.
func (l *loader) requirementFiles(p *playbook) {
	src, rel := p.at("requirements"), p.Requirements
	switch {
	case p.bad["requirements"]:
	case p.takenOut("requirements"):
		p.NoRequirements = true
	case p.has("requirements") && path.Ext(rel) != ".yml" && path.Ext(rel) != ".yaml":
		l.wrong(p.item, src, "requirements: %q: a file of requirements ends in .yml or .yaml", rel)
	case rel != "" && p.Git != nil && !fs.ValidPath(path.Clean(rel)):
		l.wrong(p.item, src, "requirements: %q is no path from the root of the repository that git names: write one, as in requirements.yml", rel)
	case rel != "" && p.Git != nil:
		p.RequirementFiles = []string{path.Clean(rel)}
	case rel != "":
		if name, ok := l.fileBeside(p.item, src, "requirements", rel); ok {
			p.RequirementFiles = []string{name}
		}
	case p.File != "" && p.Git == nil:
		p.RequirementFiles = RequirementsBeside(l.fsys, p.Dir)
	}
}

// RequirementsBeside lists the files of requirements that Ansible users keep beside a
// playbook, in the order in which they are installed: those that are there.
func RequirementsBeside(fsys fs.FS, dir string) []string {
	var files []string
	for _, below := range []string{"", "collections", "roles"} {
		for _, name := range []string{"requirements.yml", "requirements.yaml"} {
			name = path.Join(dir, below, name)
			if info, err := fs.Lstat(fsys, name); err == nil && info.Mode().IsRegular() {
				files = append(files, name)
			}
		}
	}
	return files
}

// varsFiles finds the files of extra variables.
func (l *loader) varsFiles(p *playbook) {
	for _, node := range p.items("varsFiles") {
		if node.form != scalarForm {
			continue
		}
		if name, ok := l.fileBeside(p.item, node.src(), "varsFiles", node.text); ok {
			p.VarsFilePaths = append(p.VarsFilePaths, name)
			if l.secretFiles == nil {
				l.secretFiles = make(map[string]bool)
			}
			l.secretFiles[name] = true
			if len(p.Vaults) == 0 && l.vaulted(name) {
				l.note(node.src(), p.id, "varsFiles: %s is encrypted by ansible-vault, and no password is given here: add vaults, as in {default: {secret: NAME}}", name)
			}
		}
	}
}

// fileBeside finds a regular file that a field of a manifest names.
func (l *loader) fileBeside(it *item, src Source, field, rel string) (name string, ok bool) {
	name, info, err := l.beside(src, rel)
	switch {
	case err != nil:
		l.wrong(it, src, "%s: %v", field, err)
	case !info.Mode().IsRegular():
		l.wrong(it, src, "%s: %s is no file: name one", field, name)
	default:
		return name, true
	}
	return "", false
}
