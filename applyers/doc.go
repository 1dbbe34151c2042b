// Package applyers carries out a plan: each step after the steps it waits for,
// in bounded lanes. It knows no kind; what a step does is its applyer's affair.
package applyers
