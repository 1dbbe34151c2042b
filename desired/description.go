package desired

import "unicode/utf8"

// Proxmox takes so many characters as a guest's description (FACTS 1), and Berth's
// own line, which grows with the disks that it names and while a guest is archived,
// has to find room below what people write.
const (
	descriptionMost = 8192
	stampRoom       = 2192
)

// checkDescription refuses what leaves no room for Berth's own line: such a guest
// could not be made or, worse, not be archived.
func (l *loader) checkDescription(it *item, text string) {
	const most = descriptionMost - stampRoom
	if n := utf8.RuneCountInString(text); n > most {
		l.wrong(it, it.at("description"), "description: %d characters: Proxmox takes %d, with Berth's own line: write at most %d", n, descriptionMost, most)
	}
}
