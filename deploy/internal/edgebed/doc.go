// Package edgebed is what the edge is tried with: backends that tell who they are
// and what a proxy let them see, a client that asks them in every way that people
// ask, and a host with nginx as Debian installs it.
//
// It runs in the networks of package standin, and so needs Linux, root and
// BERTH_REAL=1.
package edgebed
