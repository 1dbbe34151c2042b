package desired

import (
	"fmt"
	"strings"
)

// ID names a resource in a fleet: a short kind, a slash and a name, as in
// "vm/web-1", "ct/cache", "edge/main", "play/base". An image is fetched onto
// each site that uses it and is a resource on each: "image/debian-12@home".
type ID string

// The short kinds, as references in manifests write them.
const (
	KindVM        = "vm"
	KindContainer = "ct"
	KindImage     = "image"
	KindEdge      = "edge"
	KindPlaybook  = "play"
	KindSite      = "site"
	KindHost      = "host"
	KindProfile   = "profile"
	KindUser      = "user"
	KindData      = "data"
	KindTemplate  = "template"
	KindSecret    = "secret"
	KindProject   = "project"
	KindApproval  = "approval"
)

// MakeID joins a short kind and a name.
func MakeID(kind, name string) ID { return ID(kind + "/" + name) }

// Kind is the part before the slash.
func (id ID) Kind() string {
	kind, _, _ := strings.Cut(string(id), "/")
	return kind
}

// Name is the part after the slash.
func (id ID) Name() string {
	_, name, _ := strings.Cut(string(id), "/")
	return name
}

// Guest tells whether id names a virtual machine or a container.
func (id ID) Guest() bool { return id.Kind() == KindVM || id.Kind() == KindContainer }

// Machine tells whether id names what has a VMID on Proxmox: a guest, or a data
// VM.
func (id ID) Machine() bool { return id.Guest() || id.Kind() == KindData }

// Source is the place in the manifests that something comes from.
// The zero Source means: not from a manifest.
type Source struct {
	File string `json:"file,omitempty"`
	// Line and Col count from 1. A large fleet has hundreds of thousands of places.
	Line int32 `json:"line,omitempty"`
	Col  int32 `json:"col,omitempty"`
	// Layer is what gave the value when it was not the resource's own
	// document: "profile/ubuntu", "fleet defaults", "site/home". "" otherwise.
	Layer string `json:"layer,omitempty"`
}

// String is "file:line", or "file:line (layer)".
func (s Source) String() string {
	if s.File == "" {
		return ""
	}
	text := fmt.Sprintf("%s:%d", s.File, s.Line)
	if s.Layer != "" {
		text += " (" + s.Layer + ")"
	}
	return text
}
