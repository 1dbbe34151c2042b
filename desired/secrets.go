package desired

import (
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

var (
	// regexpCredential is what systemd takes as the name of a credential.
	regexpCredential = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,254}$`)
	regexpEnv        = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	// regexpHostPath is a path that people give a file of a secret.
	regexpHostPath = regexp.MustCompile(`^(/[A-Za-z0-9._@+-]+)+$`)
)

// revoke ends what is said about a text that may be a secret. The text itself
// is never printed.
const revoke = "if this is the secret itself, it is in Git's history now: revoke it and make a new one"

// secretVariables begins the names of the variables that manifests may name:
// all others of the agent's environment are its own.
const secretVariables = "BERTH_SECRET_"

// secretDocuments reads where secrets are. A name that no document has is the
// agent's own settings' affair.
func (l *loader) secretDocuments() {
	items := map[string]*item{}
	for _, doc := range l.docs {
		if doc.kind.word != "Secret" {
			continue
		}
		s := &SecretPlace{}
		it := l.open(doc, s, l.defaults["Secret"])
		s.Name, s.Source = doc.name, doc.src
		l.fleet.Secrets[doc.name] = s
		l.checkSecretDocument(it, s)
		items[doc.name] = it
	}
	l.vaultCircles(items)
	l.forgiveSecretFiles()
}

// forgiveSecretFiles takes back what was said of files as manifests that Secrets name
// and that are wrong as such: that is told there, and once.
func (l *loader) forgiveSecretFiles() {
	if len(l.forgiven) > 0 {
		l.problems = slices.DeleteFunc(l.problems, func(p Problem) bool { return slices.Contains(l.forgiven, p.Source.File) })
	}
}

// secretPlaces are the words that say where a secret is.
func secretPlaces() []string {
	return []string{"age", "sops", "vault", "file", "credential", "env", "generate", "hook"}
}

func (l *loader) checkSecretDocument(it *item, s *SecretPlace) {
	var places []string
	for _, word := range secretPlaces() {
		if it.writes(word) {
			places = append(places, word)
		}
	}
	switch {
	case len(places) > 1:
		l.wrong(it, it.key(places[1]), "%s: %s says already where the secret is: keep one", places[1], places[0])
	case len(places) == 0 && !slices.ContainsFunc(secretPlaces(), func(word string) bool { return it.explained("", word) }):
		l.wrong(it, it.src, "nothing says where the secret is: write age, sops or vault (an encrypted file in the repository), file (a path on the agent's host), credential (systemd's), env (a variable of the agent's), generate or hook")
	}
	l.checkEncrypted(it, s)
	l.checkGenerate(it, s)
	if s.File != "" {
		l.checkSecretFile(it, s)
	}
	if s.Credential != "" && !regexpCredential.MatchString(s.Credential) {
		l.wrong(it, it.at("credential"), "credential: a name of systemd's is wanted, of letters, digits and . _ -; %s", revoke)
	}
	if s.Env != "" && !regexpEnv.MatchString(s.Env) {
		l.wrong(it, it.at("env"), "env: a variable's name is wanted, of letters, digits and _; %s", revoke)
	} else if s.Env != "" && !strings.HasPrefix(s.Env, secretVariables) {
		l.wrong(it, it.at("env"), "env: the agent gives variables that begin with %s only: rename it on its host, as in %sAPPS; %s", secretVariables, secretVariables, revoke)
	}
	for _, word := range []string{"age", "sops", "file", "credential", "env"} {
		if t := it.merged.get(word); t != nil && t.form == scalarForm && t.text == "" {
			l.wrong(it, t.src(), "%s: it is empty: write where the secret is", word)
		}
	}
}

// checkSecretFile checks the path of a file on the agent's host. Whether it is
// there is the host's affair, and not looked at.
func (l *loader) checkSecretFile(it *item, s *SecretPlace) {
	src := it.at("file")
	switch {
	case strings.HasPrefix(s.File, "~"):
		l.wrong(it, src, "file: ~ is nobody's home here: write a whole path on the agent's host, as in /etc/berth/secrets/%s", s.Name)
	case l.inRepository(src, s.File):
		l.wrong(it, src, "file: this file is in the repository, where all who read it have the secret: revoke it, make a new one and put that on the agent's host")
	case !strings.HasPrefix(s.File, "/") || !regexpHostPath.MatchString(s.File):
		l.wrong(it, src, "file: a whole path on the agent's host is wanted, as in /etc/berth/secrets/%s; %s", s.Name, revoke)
	case path.Clean(s.File) != s.File:
		l.wrong(it, src, "file: write the path as it is, without . and ..: %s", path.Clean(s.File))
	}
}

// inRepository tells whether a path names a file of the repository, from the
// manifest's own directory or from the root.
func (l *loader) inRepository(src Source, name string) bool {
	if strings.HasPrefix(name, "/") {
		return false
	}
	for _, at := range []string{path.Join(path.Dir(src.File), name), path.Clean(name)} {
		if !fs.ValidPath(at) || at == "." {
			continue
		}
		if _, err := fs.Stat(l.fsys, at); err == nil {
			return true
		}
	}
	return false
}
