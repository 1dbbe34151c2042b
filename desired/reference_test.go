package desired

import (
	"strings"
)

// told is a word's meaning as a sentence about the manifest's word. Mark is put
// around it.
func (w *word) told(mark string) string {
	text, ok := strings.CutPrefix(w.meaning, w.name+" ")
	if !ok {
		return w.meaning
	}
	return mark + w.field.word + mark + " " + text
}

// changes says what a difference costs and which privilege it needs; "" for what
// is never compared.
func (w *word) changes() string {
	if len(w.words) > 0 && w.field.short == "" {
		return ""
	}
	var parts []string
	for _, kind := range w.kinds {
		if !guestKind(kind) {
			continue
		}
		effect := effectWords(w.effect[kind])
		if effect == "" {
			continue
		}
		if priv := w.priv[kind]; priv != "" {
			effect += ", with " + priv
		}
		if len(w.kinds) > 1 {
			effect = kindWord(kind) + ": " + effect
		}
		parts = append(parts, effect)
	}
	if len(parts) == 0 {
		return ""
	}
	return "Changes " + strings.Join(parts, "; ") + "."
}

// effectWords tells people when a change takes place.
func effectWords(effect string) string {
	switch Effect(effect) {
	case Online:
		return "online"
	case Reboot:
		return "at a reboot"
	case Create:
		return "when the guest is made anew"
	case Recreate:
		return "only by making it anew"
	}
	return ""
}
