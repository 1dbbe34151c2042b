// Package drift compares what is wanted with what is live and plans the steps
// between. It only reads: the appliers observe and act, package report shows.
package drift
