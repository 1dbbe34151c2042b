package desired

// The lengths that a secret may be made of.
const (
	leastLength   = 8
	mostLength    = 1024
	defaultLength = 32
)

// checkEncrypted finds the encrypted file of a secret.
func (l *loader) checkEncrypted(it *item, s *SecretPlace) {
	for _, place := range []struct{ word, rel string }{{"age", s.Age}, {"sops", s.SOPS}} {
		if place.rel == "" {
			continue
		}
		if name, ok := l.fileBeside(it, it.at(place.word), place.word, place.rel); ok {
			s.Path = name
		}
	}
	if s.Vault == nil {
		return
	}
	if s.Vault.File == "" && !it.explained("vault", "file") {
		l.wrong(it, it.at("vault"), "vault: file is missing: write the file that ansible-vault has encrypted, from this manifest's directory")
	} else if s.Vault.File != "" {
		if name, ok := l.fileBeside(it, it.at("vault", "file"), "vault.file", s.Vault.File); ok {
			s.Path = name
		}
	}
	if s.Vault.Password.Secret == "" && !it.explained("vault", "password") && it.merged.find("vault", "password") == nil {
		l.wrong(it, it.at("vault"), "vault: password is missing: write {secret: NAME}, and put the password where that Secret says")
	}
	l.checkSecret(it, s.Vault.Password, "vault", "password")
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
