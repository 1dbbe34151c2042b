package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"berth/agent/internal/importer"
)

// writeNew writes files that must not be there yet: all of them, or none.
func writeNew(dir string, files map[string][]byte) error {
	names := slices.Sorted(maps.Keys(files))
	for _, name := range names {
		if !fs.ValidPath(name) {
			return fmt.Errorf("write %q: this is no file of the manifests", name)
		}
		path := filepath.Join(dir, filepath.FromSlash(name))
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s is there already: nothing was written, since no file is ever overwritten; move it away, or choose other guests", path)
		}
	}
	var made []string
	for _, name := range names {
		path := filepath.Join(dir, filepath.FromSlash(name))
		dirs, err := makeDirs(filepath.Dir(path))
		made = append(made, dirs...)
		if err == nil {
			if err = writeExclusive(path, files[name]); err == nil {
				made = append(made, path)
			}
		}
		if err != nil {
			for _, path := range slices.Backward(made) {
				err = errors.Join(err, os.Remove(path))
			}
			return fmt.Errorf("write the manifests, of which nothing was kept: %w", err)
		}
	}
	return nil
}

// makeDirs makes a directory and those above it, and tells which were not there.
func makeDirs(dir string) (made []string, err error) {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil, nil
	}
	if above := filepath.Dir(dir); above != dir {
		if made, err = makeDirs(above); err != nil {
			return made, err
		}
	}
	switch err := os.Mkdir(dir, 0o755); { //nolint:gosec // Manifests hold no secrets, and people share them.
	case err == nil:
		return append(made, dir), nil
	case errors.Is(err, fs.ErrExist):
		if info, stat := os.Stat(dir); stat == nil && info.IsDir() {
			return made, nil // Somebody else was faster.
		}
		return made, err
	default:
		return made, err
	}
}

func writeExclusive(path string, text []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // As above.
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err = errors.Join(err, file.Close()); err != nil {
		// A full disk leaves the beginning of it.
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// counted is "1 guest" or "3 guests".
func counted(n int, word string) string { return fmt.Sprintf("%d %s", n, plural(n, word)) }

// summary tells what was written, what was not and why, and what to do next.
func (f *importFlags) summary(s streams, made *importer.Import) {
	fresh := len(f.endpoints) > 0
	fmt.Fprintf(s.Out, "wrote %s into %s\n", counted(len(made.Taken), "guest"), f.out)
	for _, line := range []struct {
		word  string
		names []string
	}{{"networks", made.Networks}, {"storage classes", made.Classes}, {"phases", made.Phases}, {"templates", made.Templates}, {"profiles", made.Profiles}} {
		if len(line.names) > 0 {
			fmt.Fprintf(s.Out, "  %s: %s\n", line.word, strings.Join(line.names, ", "))
		}
	}
	if made.Unlifted != "" {
		fmt.Fprintf(s.Out, "  profiles: none, since what guests share can't be lifted: %s\n", made.Unlifted)
	}
	f.leftOut(s, made, fresh)
	if len(made.Unsaid) > 0 {
		fmt.Fprintf(s.Out, "\nleft out of the manifests, and kept as it is on Proxmox (each guest's file tells it, too):\n")
		for _, line := range bundled(made.Unsaid) {
			fmt.Fprintln(s.Out, "  "+line)
		}
	}
	f.next(s, made, fresh)
}

func (f *importFlags) leftOut(s streams, made *importer.Import, fresh bool) {
	if len(made.LeftOut) > 0 {
		where := ""
		if fresh {
			where = ", and listed as foreign"
		}
		fmt.Fprintf(s.Out, "\nleft out%s:\n", where)
		byReason := make(map[string][]string)
		for _, l := range made.LeftOut {
			byReason[l.Reason] = append(byReason[l.Reason], l.What)
		}
		for _, reason := range slices.Sorted(maps.Keys(byReason)) {
			fmt.Fprintf(s.Out, "  %s: %s\n", few(byReason[reason]), reason)
		}
	}
	if made.Unasked > 0 {
		fmt.Fprintf(s.Out, "\n%s more %s not asked for", counted(made.Unasked, "guest"), map[bool]string{true: "was", false: "were"}[made.Unasked == 1])
		if fresh {
			fmt.Fprint(s.Out, ", and listed as foreign; take an id out of site.yaml before you import its guest")
		}
		fmt.Fprintln(s.Out)
	}
	if made.Ours > 0 {
		fmt.Fprintf(s.Out, "\n%s of the site %s in the manifests already\n", counted(made.Ours, "guest"), map[bool]string{true: "is", false: "are"}[made.Ours == 1])
	}
}

// bundled puts the same remark on several guests into one line.
func bundled(all []importer.Unsaid) []string {
	who := make(map[string][]string)
	for _, u := range all {
		line := u.Option + ": " + u.Reason
		who[line] = append(who[line], string(u.ID))
	}
	var lines []string
	for _, line := range slices.Sorted(maps.Keys(who)) {
		lines = append(lines, line+" ("+few(who[line])+")")
	}
	return lines
}

// few names the first of many.
func few(names []string) string {
	if len(names) <= 4 {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:3], ", "), len(names)-3)
}

// next says what to type.
func (f *importFlags) next(s streams, made *importer.Import, fresh bool) {
	fmt.Fprintf(s.Out, "\nNothing on the site was changed. The first plan adopts %s: stamp and tag, no other field.\nRead what was written, then:\n\n", counted(len(made.Taken), "guest"))
	if !fresh {
		fmt.Fprintf(s.Out, "  git -C %[1]s add . && git -C %[1]s commit --message %[2]q\n  git -C %[1]s push\n  agent drift\n", f.out, "Import from site "+f.site)
		return
	}
	dir, token := absolute(f.out), absolute(f.tokenFile)
	begin := "git -C " + f.out + " init --quiet --initial-branch main && "
	if _, err := os.Stat(filepath.Join(f.out, ".git")); err == nil {
		begin = ""
	}
	fmt.Fprintf(s.Out, `  %sgit -C %s add . && git -C %[2]s commit --message %q
  cat > agent.yaml <<END
  repository: {url: %s}     # or where you push it to
  state: state
  socket: agent.sock
  secrets: {pve-%s: %s}
  END
  agent drift --config agent.yaml
`, begin, f.out, "Import site "+f.site, dir, f.site, token)
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
