// Package examples holds fleets that work: to read, to copy, and for the demo.
package examples

import (
	"embed"
	"io/fs"
)

//go:embed all:pegasus
var files embed.FS

// Pegasus is a homelab of six guests behind one edge, after a real one.
func Pegasus() (fs.FS, error) { return fs.Sub(files, "pegasus") }
