//go:build !race

package main

import "testing"

// scripted is a directory with the program that scripts run; "" is that of the tests.
func scripted(*testing.T) string { return "" }
