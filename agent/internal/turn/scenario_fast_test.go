//go:build !race

package turn_test

// sparse skips no accident.
const sparse = 1

// hugeFile is the size of a file that is far too large.
const hugeFile = 100 << 20
