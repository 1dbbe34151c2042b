//go:build race

package deploy_test

// raceEnabled tells that this test is built with the race detector.
const raceEnabled = true
