// Package applyertest is what every applyer must hold to, as a test suite: what
// it does converges, is done once, can be broken off anywhere and taken up
// again, and looking never changes anything.
package applyertest
