package desired

import (
	"slices"
	"strings"
)

// The lengths that a secret may be made of.
const (
	leastLength   = 8
	mostLength    = 1024
	defaultLength = 32
)

// checkEncrypted finds the encrypted file of a secret, and looks whether it is one.
func (l *loader) checkEncrypted(it *item, s *SecretPlace) {
	if s.Age != "" {
		l.sealedBeside(it, s, sealAge, s.Age, "age")
	}
	if s.SOPS != "" {
		l.sealedBeside(it, s, sealSOPS, s.SOPS, "sops")
	}
	if s.Vault == nil {
		return
	}
	if s.Vault.File == "" && !it.explained("vault", "file") {
		l.wrong(it, it.at("vault"), "vault: file is missing: write the file that ansible-vault has encrypted, from this manifest's directory")
	} else if s.Vault.File != "" {
		l.sealedBeside(it, s, sealVault, s.Vault.File, "vault", "file")
	}
	if s.Vault.Password.Secret == "" && !it.explained("vault", "password") && it.merged.find("vault", "password") == nil {
		l.wrong(it, it.at("vault"), "vault: password is missing: write {secret: NAME}, and put the password where that Secret says")
	}
	l.checkSecret(it, s.Vault.Password, "vault", "password")
}

// sealedBeside finds one encrypted file.
func (l *loader) sealedBeside(it *item, s *SecretPlace, by seal, rel string, keys ...string) {
	src, field := it.at(keys...), strings.Join(keys, ".")
	name, ok := l.fileBeside(it, src, field, rel)
	if !ok {
		return
	}
	s.Path = name
	if l.secretFiles == nil {
		l.secretFiles = make(map[string]bool)
	}
	l.secretFiles[name] = true
	data, err := readFile(l.fsys, name, maxBeside+1)
	switch {
	case err != nil:
		l.wrong(it, src, "%s: read %s: %v", field, name, err)
	case len(data) > maxBeside:
		l.wrong(it, src, "%s: %s is larger than %d MiB: put what is so large onto the agent's host, and name it by file", field, name, maxBeside>>20)
	default:
		if complaint := badSeal(by, name, data); complaint != "" {
			l.forgiven = append(l.forgiven, name)
			l.wrong(it, src, "%s: %s", field, complaint)
		}
	}
}

// vaultCircles refuses vaults whose passwords can't be known since each is in the other.
func (l *loader) vaultCircles(items map[string]*item) {
	done := map[string]bool{}
	for _, name := range sortedKeys(items) {
		var above []string
		for at := name; !done[at]; {
			done[at] = true
			above = append(above, at)
			place := l.fleet.Secrets[at]
			if place == nil || place.Vault == nil {
				break
			}
			at = place.Vault.Password.Secret
			begin := slices.Index(above, at)
			if begin < 0 {
				continue
			}
			it := items[above[begin]]
			for i := range above {
				above[i] = string(MakeID(KindSecret, above[i]))
			}
			circle := append(slices.Clone(above[begin:]), above[begin])
			l.wrong(it, it.at("vault", "password"), "vault.password: a circle, %s: none of these passwords can be known; put one elsewhere", strings.Join(circle, " → "))
		}
	}
}

// unnamedSeals tells of encrypted files among the manifests that nobody names.
func (l *loader) unnamedSeals() {
	for _, file := range l.sealed {
		src := Source{File: file.name, Line: 1, Col: 1}
		switch {
		case l.secretFiles[file.name]:
		case file.kind:
			l.report(src, "", "a manifest can't be encrypted: write it in clear, put what is secret into a file of its own, and name that by a Secret")
		default:
			l.note(src, "", "it is encrypted, and neither a Secret nor a Playbook's varsFiles names it: it is not read")
		}
	}
}

// checkGenerate checks how a secret is made.
func (l *loader) checkGenerate(it *item, s *SecretPlace) {
	if t := it.merged.get("hook"); t.says("false") {
		l.wrong(it, t.src(), "hook: false is no place: take it out")
	}
	g := s.Generate
	if g == nil {
		return
	}
	if g.Length == 0 && it.merged.find("generate", "length") == nil {
		g.Length = defaultLength
	}
	if g.Chars == "" {
		g.Chars = "alnum"
	}
	if !it.bad["generate.length"] && (g.Length < leastLength || g.Length > mostLength) {
		l.wrong(it, it.at("generate", "length"), "generate.length: %d: write %d, below which a secret is guessed, to %d", g.Length, leastLength, mostLength)
	}
}
