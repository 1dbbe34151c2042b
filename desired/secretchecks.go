package desired

import (
	"slices"
	"strings"
)

// checkSecret checks a pointer to a secret. It never prints what stands there:
// it may be the secret itself.
func (l *loader) checkSecret(it *item, ref SecretRef, keys ...string) {
	at := Path("")
	for _, key := range keys {
		at = at.Sub(key)
	}
	switch {
	case it.explained(at, "secret") || !it.has(at.Sub("secret")) && !it.has(at.Sub("key")):
	case ref.Secret == "":
		l.wrong(it, it.at(keys...), "%s: secret is missing: write {secret: NAME}", at)
	default:
		l.checkSecretName(it, it.at(append(slices.Clip(keys), "secret")...), string(at)+".secret", ref.Secret)
	}
}

// checkSecretName checks the name in a pointer to a secret.
func (l *loader) checkSecretName(it *item, src Source, field, name string) {
	if !isDotted(name) {
		l.wrong(it, src, "%s: a name is wanted, of a-z, 0-9 and . _ - inside; %s", field, revoke)
		return
	}
	l.nearSecret(it, src, field, name)
}

// checkVars checks the names of variables, and the secrets that stand for values.
func (l *loader) checkVars(it *item) {
	vars := it.merged.get("vars")
	if vars == nil || vars.form != mapForm {
		return
	}
	for i := range vars.entries {
		e := &vars.entries[i]
		switch complaint := badVariable(e.key); {
		case complaint != "":
			l.wrong(it, e.src(), "vars: %q%s", e.key, complaint)
		default:
			l.checkVarSecrets(it, &trail{&trail{nil, "vars"}, e.key}, e.value)
		}
	}
}

// checkVarSecrets checks the secrets in a variable's value.
func (l *loader) checkVarSecrets(it *item, at *trail, t *tree) {
	switch {
	case t.form == scalarForm:
		l.checkTruth(it, at, t)
	case t.form == listForm:
		for _, item := range t.items {
			l.checkVarSecrets(it, at, item)
		}
	case t.refers():
		if name := t.get("secret"); name.form == scalarForm {
			l.checkSecretName(it, name.src(), string(at.path().Sub("secret")), name.text)
		}
		if key := t.get("key"); key.says("") {
			l.wrong(it, key.src(), "%s: it is empty: write the field of the secret, as in a.b, or take it out", at.path().Sub("key"))
		}
	case t.form == mapForm:
		l.checkAlmostSecret(it, at, t)
		for i := range t.entries {
			l.checkVarSecrets(it, &trail{at, t.entries[i].key}, t.entries[i].value)
		}
	}
}

// checkAlmostSecret notes a map that one letter keeps from standing for a secret: a
// program would get it as it is written.
func (l *loader) checkAlmostSecret(it *item, at *trail, t *tree) {
	const pair = 2
	if name := t.get("secret"); name == nil || name.form != scalarForm || len(t.entries) != pair {
		return
	}
	for i := range t.entries {
		e := &t.entries[i]
		if e.key != "secret" && e.value.form == scalarForm && len(nearest(e.key, []string{"key"})) > 0 {
			l.note(e.src(), it.id, "%s: beside %q this is a map like any other, and stands for no secret: if that is meant, write key", at.path(), e.key)
		}
	}
}

// checkTruth notes words that YAML of old takes for true and false, as Ansible's own files
// do. Here they are texts, and a text is true wherever Ansible asks.
func (l *loader) checkTruth(it *item, at *trail, t *tree) {
	if !t.plain || len(t.text) > len("FALSE") {
		return
	}
	switch word := strings.ToLower(t.text); word {
	case "yes", "on", "true":
		if t.text != "true" {
			l.note(t.src(), it.id, "%s: %s is a text here: write true, or put it in quotes if the text is meant", at.path(), t.text)
		}
	case "no", "off", "false":
		if t.text != "false" {
			l.note(t.src(), it.id, "%s: %s is a text here, which is true to Ansible: write false, or put it in quotes if the text is meant", at.path(), t.text)
		}
	}
}

// nearSecret notes that a name is no Secret document's, and near one's. Without
// a document a name is the host's affair, and no mistake.
func (l *loader) nearSecret(it *item, src Source, field, name string) {
	if l.named[MakeID(KindSecret, name)] != nil || l.lost[MakeID(KindSecret, name)] {
		return
	}
	if l.secrets == nil {
		l.secrets = append([]candidate{}, l.documents(KindSecret)...)
	}
	if !l.mayGuess(len(l.secrets)) {
		return
	}
	for _, c := range l.secrets {
		// pve-1 and pve-2 are two.
		if len(nearest(name, []string{c.name})) == 0 || withoutNumbers(name) == withoutNumbers(c.name) {
			continue
		}
		l.note(src, it.id, "%s: no Secret document is called %q, so the agent's own settings must have it: if %s (%s) is meant, write that", field, name, c.name, c.src.place())
		return
	}
}
