package desired

type project struct{ *document }

func newProject(doc *document) *project { return &project{doc} }

func (l *loader) checkProject(*project) {}

func (l *loader) projectDocuments() {
	for _, doc := range l.docs {
		if doc.kind.word == "Project" {
			l.lost[doc.id] = true
			l.report(doc.tree.get("kind").src, doc.id, "projects are not built yet: write the guests out, with project and environment")
		}
	}
}
