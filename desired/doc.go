// Package desired is the manifest language: its kinds, how manifests load, and
// what a whole fleet must hold to.
//
// [Load] reads a tree of YAML files into a [Fleet], or reports every mistake in
// it at once, each with its place and its remedy. Nothing here knows what is
// live: package drift compares, the applyers act.
package desired
