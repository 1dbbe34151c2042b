package proxmox

import "strconv"

// whole is a number in text; otherwise where there is none.
func whole(text string, otherwise int) int {
	if n, err := strconv.Atoi(text); err == nil {
		return n
	}
	return otherwise
}

// flag is a boolean in Proxmox's words; otherwise where there is none.
func flag(text string, otherwise bool) bool {
	switch text {
	case "1", "on", "yes", "true":
		return true
	case "0", "off", "no", "false":
		return false
	}
	return otherwise
}

// bit writes a boolean in Proxmox's words.
func bit(yes bool) string {
	if yes {
		return "1"
	}
	return "0"
}
