//go:build !race

package turn_test

// sparse skips no accident.
const sparse = 1
