package desired

import (
	"regexp"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

var regexpImport = regexp.MustCompile(`^(gh|lp|gl):[A-Za-z0-9][A-Za-z0-9-]*$`)

// userDocuments reads the users and resolves their keys.
func (l *loader) userDocuments() {
	items := map[string]*item{}
	for _, doc := range l.docs {
		if doc.kind.word != "User" {
			continue
		}
		u := &User{}
		it := l.open(doc, u, l.defaults["User"])
		u.Name, u.Source = doc.name, doc.src
		if u.Shell == "" {
			u.Shell = "/bin/bash"
		}
		l.fleet.Users[doc.name] = u
		items[doc.name] = it
		l.checkUser(it, u)
	}
	for _, name := range sortedKeys(items) {
		l.fleet.Users[name].Keys = l.userKeys(items, name, nil)
	}
}

func (l *loader) checkUser(it *item, u *User) {
	if !strings.HasPrefix(u.Shell, "/") {
		l.wrong(it, it.at("shell"), "shell: %q is no path: write it as in /bin/bash", u.Shell)
	}
	if u.Sudo == "false" {
		u.Sudo = ""
	}
	if strings.ContainsAny(u.Sudo, "\n\r") {
		l.wrong(it, it.at("sudo"), "sudo: write true, or one line of sudoers")
	}
	for _, node := range it.items("importKeys") {
		if node.form == scalarForm && !regexpImport.MatchString(node.text) {
			l.wrong(it, node.src(), "importKeys: %q: write it as in gh:NAME or lp:NAME", node.text)
		}
	}
}

// userKeys lists a user's public keys, those of other users put in.
func (l *loader) userKeys(items map[string]*item, name string, above []string) List {
	it := items[name]
	var keys List
	for _, node := range it.items("keys") {
		if node.form != scalarForm {
			continue
		}
		found := List{node.text}
		if !strings.ContainsAny(strings.TrimSpace(node.text), " \n") {
			switch {
			case slices.Contains(append(above, name), node.text):
				l.wrong(it, node.src(), "keys: %s has its keys from itself: write a public key", node.text)
				continue
			case items[node.text] == nil:
				l.noUser(it, "keys", node)
				continue
			}
			found = l.userKeys(items, node.text, append(above, name))
		} else if complaint := badKey(node.text); complaint != "" {
			l.wrong(it, node.src(), "keys: %s", complaint)
			continue
		}
		keys = addKeys(keys, found)
	}
	return keys
}

func addKeys(keys, more List) List {
	for _, key := range more {
		key = strings.TrimSpace(key)
		if !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	return keys
}

func (l *loader) noUser(it *item, field string, node *tree) {
	if field == "keys" && strings.ContainsAny(node.text, "/.~") {
		l.wrong(it, node.src(), "%s: %q: no file is read for this: write the public key itself, or the name of a User", field, node.text)
		return
	}
	if !l.exists(MakeID(KindUser, node.text)) {
		l.wrong(it, node.src(), "%s: %s", field, l.missing("user", node.text, l.documents(KindUser)))
	}
}

// badKey says what is wrong with a public key. It never prints it: it may be a
// private one.
func badKey(text string) string {
	if strings.Contains(text, "PRIVATE KEY") {
		return "this is a private key: take it out of Git and make a new one; the public key is wanted"
	}
	if _, _, _, rest, err := ssh.ParseAuthorizedKey([]byte(text)); err != nil || len(strings.TrimSpace(string(rest))) > 0 {
		return "this is no public key: write one whole line of a .pub file, or the name of a User"
	}
	return ""
}

// resolveKeys turns public keys and Users into public keys.
func (l *loader) resolveKeys(it *item, field string, nodes []*tree) List {
	var keys List
	for _, node := range nodes {
		if node.form != scalarForm {
			continue
		}
		if !strings.ContainsAny(strings.TrimSpace(node.text), " \n") {
			u := l.fleet.Users[node.text]
			if u == nil {
				l.noUser(it, field, node)
				continue
			}
			keys = addKeys(keys, u.Keys)
			continue
		}
		if complaint := badKey(node.text); complaint != "" {
			l.wrong(it, node.src(), "%s: %s", field, complaint)
			continue
		}
		keys = addKeys(keys, List{node.text})
	}
	return keys
}

// hostDocuments reads the machines that are not ours.
func (l *loader) hostDocuments() {
	l.hosts = map[string]*item{}
	addresses := map[string]taken{}
	for _, doc := range l.docs {
		if doc.kind.word != "Host" {
			continue
		}
		h := &Host{}
		it := l.open(doc, h, l.defaults["Host"])
		h.Name, h.Source = doc.name, doc.src
		l.hosts[doc.name] = it
		l.fleet.Hosts[doc.name] = h
		l.checkHostName(it)
		for _, node := range it.items("groups") {
			if node.form == scalarForm {
				l.checkGroup(it, node)
			}
		}
		l.checkVars(it)
		l.checkSSH(it, h.SSH)
		h.SSH = h.SSH.over(l.fleet.Spec.SSH)
		l.checkHostAddress(it, h, addresses)
	}
}

func (l *loader) checkHostAddress(it *item, h *Host, addresses map[string]taken) {
	switch {
	case it.bad["address"] || h.Address == "" && it.explained("", "address"):
		return
	case h.Address == "":
		l.wrong(it, it.src, "address is missing: write it as in 10.1.1.5")
		return
	}
	addr, err := parseAddr(h.Address)
	if err != nil {
		l.wrong(it, it.at("address"), "address: %v", err)
		return
	}
	h.Address = addr.String()
	if has, ok := addresses[h.Address]; ok {
		l.wrong(it, it.at("address"), "address: %s is %s's (%s): choose another", addr, has.id, has.src.place())
		return
	}
	addresses[h.Address] = taken{it.id, it.at("address")}
}
