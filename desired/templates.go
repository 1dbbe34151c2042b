package desired

// templateDocuments reads how templates are found.
func (l *loader) templateDocuments() {
	for _, doc := range l.docs {
		if doc.kind.word != "Template" {
			continue
		}
		t := &Template{}
		it := l.open(doc, t, l.defaults["Template"])
		t.Name, t.Source = doc.name, doc.src
		l.fleet.Templates[doc.name] = t
		l.checkTemplate(it, t)
	}
}

func (l *loader) checkTemplate(it *item, t *Template) {
	var ways []string
	for _, word := range []string{"tag", "name", "id"} {
		if it.has(Path("find").Sub(word)) {
			ways = append(ways, word)
		}
	}
	switch {
	case it.has("build") || it.bad["find"]:
	case len(ways) > 1:
		l.wrong(it, it.key("find", ways[1]), "find.%s: %s tells the template already: keep one", ways[1], ways[0])
	case len(ways) == 0 && !it.explained("", "find") && !it.explained("find", "tag") && !it.explained("find", "name") && !it.explained("find", "id"):
		l.wrong(it, it.src, "find is missing: write how the template is told on Proxmox, {tag: …}, {name: …} or {id: …}")
	}
	switch {
	case it.bad["find.tag"] || it.bad["find.name"] || it.bad["find.id"]:
	case it.has("find.tag") && !isTag(t.Find.Tag):
		l.wrong(it, it.at("find", "tag"), "find.tag: %q is no tag of Proxmox's: write a-z, 0-9, _ and inside also . + -", t.Find.Tag)
	case it.has("find.name") && badHostname(t.Find.Name) != "":
		l.wrong(it, it.at("find", "name"), "find.name: %s", badHostname(t.Find.Name))
	case it.has("find.id") && (t.Find.ID < minVMID || t.Find.ID > maxVMID):
		l.wrong(it, it.at("find", "id"), "find.id: %d is no VMID: write %d to %d", t.Find.ID, minVMID, maxVMID)
	}
}
