package runner

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"berth/desired"
)

// install sees to it that all requirements are installed, and gives the directories
// that have them as roles/ and collections/.
func (b *batches) install(ctx context.Context) ([]string, error) {
	var dirs []string
	for _, file := range b.Requirements {
		r, err := readRequirements(b.Files, file)
		if err != nil {
			return nil, fmt.Errorf("run %s: %w", b.File, err)
		}
		if len(r.roles)+len(r.collections) == 0 {
			continue
		}
		if b.runner.Cache == "" {
			return nil, fmt.Errorf("run %s: install %s: the runner has no cache", b.File, file)
		}
		dir, err := b.installed(ctx, r)
		if err != nil {
			return nil, fmt.Errorf("run %s: install %s: %w", b.File, file, err)
		}
		dirs = append(dirs, dir)
	}
	return dirs, nil
}

// installed is the directory of one file of requirements, which is filled if it is
// not there.
func (b *batches) installed(ctx context.Context, r *requirements) (string, error) {
	galaxy, err := exec.LookPath(b.runner.Galaxy)
	if err != nil {
		return "", fmt.Errorf("%s is not on the agent's host: install Ansible there (Debian: apt-get install ansible-core)", b.runner.Galaxy)
	}
	version, err := exec.CommandContext(ctx, galaxy, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("ask %s for its version: %w", galaxy, err)
	}
	first, _, _ := bytes.Cut(version, []byte("\n"))
	src := b.dir.in("src")
	name, err := r.key(string(first), src)
	if err != nil {
		return "", err
	}
	c := entry{dir: filepath.Join(b.runner.Cache, name)}
	err = c.fill(ctx, func(fresh string) error {
		b.at = "installing " + r.file
		b.say(b.at)
		// The cache grows here alone, so this is when it is looked through.
		sweepCache(b.runner.Cache, b.runner.Log)
		return b.fetch(ctx, galaxy, r, fresh)
	})
	if err == nil {
		b.at = ""
	}
	return c.dir, err
}

// fetch installs requirements into a directory.
func (b *batches) fetch(ctx context.Context, galaxy string, r *requirements, into string) error {
	parent := ctx
	ctx, cancel := context.WithTimeout(ctx, b.runner.Fetch)
	defer cancel()
	if err := b.dir.write("requirements.yml", r.text); err != nil {
		return err
	}
	// Clones may be too large for the run's memory.
	temporary := filepath.Join(into, "tmp")
	if err := os.Mkdir(temporary, 0o700); err != nil {
		return fmt.Errorf("make a directory in the cache: %w", err)
	}
	defer os.RemoveAll(temporary)
	for _, kind := range []struct {
		word, dir string
		items     []requirement
	}{{"role", "roles", r.roles}, {"collection", "collections", r.collections}} {
		if len(kind.items) == 0 {
			continue
		}
		last := &ring{}
		target := filepath.Join(into, kind.dir)
		proc := process{
			bin: galaxy, dir: b.dir.in("src"), run: b.dir,
			args: []string{kind.word, "install", "-r", b.dir.in("requirements.yml"), "-p", target},
			env:  b.galaxyEnvironment(into),
		}
		err := b.start(ctx, proc, func(line []byte) {
			last.line(line)
			b.told(line)
		})
		switch {
		case err == nil:
		case parent.Err() != nil:
			return parent.Err()
		case ctx.Err() != nil:
			return fmt.Errorf("it took longer than %s and was stopped; it was at: %s%s", b.runner.Fetch, last.last(), named(last, kind.items))
		default:
			return errors.New(b.words.message(failure("ansible-galaxy", err)+": "+last.reason(), false) + named(last, kind.items))
		}
	}
	return nil
}

// told passes on what is being installed.
func (b *batches) told(line []byte) {
	text := string(line)
	for _, word := range []string{"- downloading role", "- extracting ", "Downloading http", "Installing '", "Cloning into"} {
		if strings.HasPrefix(text, word) {
			b.say(b.words.short(text))
		}
	}
}

// named names the requirements where the program's own words name none of them.
func named(said *ring, items []requirement) string {
	text := strings.Join(said.lines, "\n")
	words := strings.FieldsFunc(text, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("._-", r)
	})
	var all []string
	for _, item := range items {
		url := strings.TrimPrefix(cmp.Or(item.source, item.name), "git+")
		if strings.Contains(url, "/") && strings.Contains(text, url) || slices.Contains(words, item.name) {
			return " (" + item.String() + ")"
		}
		all = append(all, item.String())
	}
	if len(all) > 5 {
		all = append(all[:5], fmt.Sprintf("and %d more", len(all)-5))
	}
	return " (asked for: " + strings.Join(all, ", ") + ")"
}

// galaxyEnvironment is that of an installation. Nothing of it can ask anybody, and
// what is found elsewhere on the host does not count as installed.
func (b *batches) galaxyEnvironment(into string) []string {
	env := append(inherited(os.Environ()), ofGalaxy(os.Environ())...)
	return append(env,
		"LC_ALL=C.UTF-8",
		"ANSIBLE_CONFIG="+b.configuration(),
		"BERTH_RUN="+b.dir.path+"/", // Which is how what strays is found.
		"ANSIBLE_LOCAL_TEMP="+filepath.Join(into, "tmp"),
		"TMPDIR="+filepath.Join(into, "tmp"),
		"ANSIBLE_ROLES_PATH="+filepath.Join(into, "roles"),
		"ANSIBLE_COLLECTIONS_PATH="+filepath.Join(into, "collections"),
		"ANSIBLE_LOG_PATH=/dev/null",
		"ANSIBLE_GALAXY_DISPLAY_PROGRESS=False",
		"ANSIBLE_NOCOLOR=True",
		"GIT_TERMINAL_PROMPT=0",
		"GIT_ASKPASS=/bin/true",
		"GIT_SSH_COMMAND=ssh -o BatchMode=yes -o ConnectTimeout=15",
	)
}

// ofGalaxy are the settings of an environment that only installations get: the token
// of a server is among them, under the server's name.
func ofGalaxy(agents []string) []string {
	return slices.DeleteFunc(slices.Clone(agents), func(pair string) bool { return !strings.HasPrefix(pair, "ANSIBLE_GALAXY_") })
}

// galaxySecrets are those among them.
func galaxySecrets(agents []string) []desired.Secret {
	var all []desired.Secret
	for _, pair := range ofGalaxy(agents) {
		if name, value, _ := strings.Cut(pair, "="); secretive.MatchString(name) {
			all = append(all, desired.MakeSecret([]byte(value)))
		}
	}
	return all
}
