//go:build !linux

package main

// hush is done by who reads the passphrase.
func hush(int) {}
