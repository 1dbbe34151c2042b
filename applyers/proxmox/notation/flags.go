package notation

import "strconv"

// Whole is a number in text; otherwise where there is none.
func Whole(text string, otherwise int) int {
	if n, err := strconv.Atoi(text); err == nil {
		return n
	}
	return otherwise
}

// Flag is a boolean in Proxmox's words; otherwise where there is none.
func Flag(text string, otherwise bool) bool {
	switch text {
	case "1", "on", "yes", "true":
		return true
	case "0", "off", "no", "false":
		return false
	}
	return otherwise
}

// Bit writes a boolean in Proxmox's words.
func Bit(yes bool) string {
	if yes {
		return "1"
	}
	return "0"
}
