package runner

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// requirements is one file of what Ansible Galaxy is to install.
type requirements struct {
	// file is its path, from the root of the manifests.
	file               string
	text               []byte
	roles, collections []requirement
}

// requirement is one role or collection.
type requirement struct {
	name, source string
	line         int
}

// String names it for people.
func (r requirement) String() string {
	text := r.name
	if r.source != "" && r.source != r.name {
		text = strings.TrimSpace(text + " from " + r.source)
	}
	return fmt.Sprintf("%s (line %d)", text, r.line)
}

// readRequirements reads a file in either of Ansible's forms: a list of roles, or a
// map of roles and collections. What is in a requirement is Ansible's to judge.
func readRequirements(fsys fs.FS, file string) (*requirements, error) {
	text, err := fs.ReadFile(fsys, path.Clean(file))
	if err != nil {
		return nil, fmt.Errorf("read the requirements: %w", err)
	}
	r := &requirements{file: file, text: text}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("read the requirements %s: %w", file, err)
	}
	if doc.Kind == 0 || len(doc.Content) == 0 || doc.Content[0].Tag == "!!null" {
		return r, nil
	}
	top := doc.Content[0]
	switch top.Kind {
	case yaml.SequenceNode:
		r.roles = listed(top)
	case yaml.MappingNode:
		for i := 0; i+1 < len(top.Content); i += 2 {
			switch word := top.Content[i]; word.Value {
			case "roles":
				r.roles = listed(top.Content[i+1])
			case "collections":
				r.collections = listed(top.Content[i+1])
			default:
				return nil, fmt.Errorf("%s:%d: %s: requirements have roles and collections alone", file, word.Line, word.Value)
			}
		}
	default:
		return nil, fmt.Errorf("%s:%d: requirements are a list of roles, or a map of roles and collections", file, top.Line)
	}
	return r, nil
}

func listed(list *yaml.Node) []requirement {
	var all []requirement
	for _, item := range list.Content {
		r := requirement{line: item.Line}
		if item.Kind == yaml.ScalarNode {
			r.name = item.Value
		}
		for i := 0; i+1 < len(item.Content) && item.Kind == yaml.MappingNode; i += 2 {
			switch value := item.Content[i+1].Value; item.Content[i].Value {
			case "name", "include":
				r.name = value
			case "src", "source":
				r.source = value
			}
		}
		all = append(all, r)
	}
	return all
}

// key is what the installed requirements are known by: their text, the programs'
// version and the files on this host that they name. src is where the playbook's
// directory lies.
func (r *requirements) key(version, src string) (string, error) {
	sum := sha256.New()
	fmt.Fprintf(sum, "1\n%s\n%d\n%s", version, len(r.text), r.text)
	for _, item := range slices.Concat(r.roles, r.collections) {
		for _, name := range []string{item.source, item.name} {
			local := localPath(name, src)
			if local == "" {
				continue
			}
			if err := digest(sum, local); err != nil {
				return "", fmt.Errorf("read %s, which %s needs: %w", item, r.file, err)
			}
		}
	}
	return hex.EncodeToString(sum.Sum(nil)[:16]), nil
}

// localPath is the file or directory on this host that a source names; "" for none.
func localPath(source, src string) string {
	source = strings.TrimPrefix(source, "file://")
	if source == "" || strings.Contains(source, "://") || strings.HasPrefix(source, "git+") {
		return ""
	}
	if !filepath.IsAbs(source) {
		source = filepath.Join(src, source)
	}
	if !exists(source) {
		return ""
	}
	return source
}

var errLocalTooMuch = errors.New("more than 64 MiB")

// digest adds the names and contents of a file, or of all in a directory.
func digest(sum io.Writer, root string) error {
	dir, name := filepath.Split(root)
	if info, err := os.Stat(root); err == nil && info.IsDir() {
		dir, name = root, "."
	}
	fsys, room := os.DirFS(dir), int64(maxBytes)
	return fs.WalkDir(fsys, name, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && entry.Name() == ".git" {
			return fs.SkipDir
		}
		if entry.IsDir() {
			return nil
		}
		in, err := fsys.Open(name)
		if err != nil {
			return err
		}
		defer in.Close()
		info, err := in.Stat()
		if err != nil || !info.Mode().IsRegular() {
			return err
		}
		if room -= info.Size(); room < 0 {
			return errLocalTooMuch
		}
		fmt.Fprintf(sum, "%s\n%d\n", name, info.Size())
		_, err = io.Copy(sum, io.LimitReader(in, info.Size()))
		return err
	})
}
