package desired

import "slices"

// refers tells whether a map among values that are nobody's field stands for a
// secret: it has the key secret, and beside it at most the key key.
func (t *tree) refers() bool {
	if t.form != mapForm || t.get("secret") == nil {
		return false
	}
	for i := range t.entries {
		if word := t.entries[i].key; word != "secret" && word != "key" {
			return false
		}
	}
	return true
}

// reference decodes a secret among variables. Whether its name can be one is
// looked at when the document is.
func (d *decoder) reference(a at, t *tree) (value any, ok bool) {
	if !a.variable() {
		d.secret(a, t.src())
		return nil, false
	}
	ref := SecretRef{}
	for i := range t.entries {
		e := &t.entries[i]
		to := &ref.Secret
		if e.key == "key" {
			to = &ref.Key
		}
		switch e.value.form {
		case scalarForm:
			*to = e.value.text
		case brokenForm:
			d.spoil(a)
			return nil, false
		default:
			d.wrong(a.sub(e.key), e.value.src(), "a map with the key secret alone stands for a secret, as in {secret: NAME, key: a.b}: write a name, or give the map another key")
			return nil, false
		}
	}
	return ref, true
}

// variable tells whether a value stands among Ansible's variables, in a document or
// in a layer of one.
func (a at) variable() bool {
	for _, key := range a.path.path.Keys() {
		switch key {
		case "vars":
			return true
		case "cloudInit":
			return false
		}
	}
	return false
}

// secret reports a secret where none may stand.
func (d *decoder) secret(a at, src Source) {
	if slices.Contains(a.path.path.Keys(), "cloudInit") {
		d.wrong(a, src, "visible to every user of the guest: use a Playbook's vars")
		return
	}
	d.wrong(a, src, "a secret can't stand here: it may in vars, in a Playbook's vaults and a webhook's headers, as the key of git and of ssh, as a Site's token, a Container's and a vault's password")
}
