// Package stamp is the line on a guest that says whose it is, and all that is
// remembered of it.
package stamp
