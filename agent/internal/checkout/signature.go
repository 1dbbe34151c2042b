package checkout

import "bytes"

// How armored signatures begin.
const (
	sshSignature = "-----BEGIN SSH SIGNATURE-----"
	gpgSignature = "-----BEGIN PGP SIGNATURE-----"
)

// kindOf tells what kind of signature it is; "" is none that is known.
func kindOf(signature []byte) string {
	for _, kind := range []string{sshSignature, gpgSignature} {
		if bytes.HasPrefix(signature, []byte(kind)) {
			return kind
		}
	}
	return ""
}

// splitSignature takes a commit, as it is stored, into what was signed and the signature:
// the header gpgsig, whatever made it. Git leaves the header of signatures for SHA-256
// out of what is signed, too. twice tells of a second gpgsig.
func splitSignature(raw []byte) (payload, signature []byte, twice bool) {
	taken, within := false, false
	for rest := raw; len(rest) > 0; {
		line, after, found := bytes.Cut(rest, []byte("\n"))
		if len(line) == 0 {
			return append(payload, rest...), signature, twice // The message.
		}
		whole := rest[:len(line)]
		if found {
			whole = rest[:len(line)+1]
		}
		rest = after
		value, ours := bytes.CutPrefix(line, []byte("gpgsig "))
		switch {
		case ours:
			twice, taken, within = twice || taken, true, true
			signature = append(append(signature, value...), '\n')
		case bytes.HasPrefix(line, []byte("gpgsig-sha256 ")):
			within, rest = false, skipFolded(rest)
		case within && line[0] == ' ':
			signature = append(append(signature, line[1:]...), '\n')
		default:
			within = false
			payload = append(payload, whole...)
		}
	}
	return payload, signature, twice
}

// skipFolded leaves out the lines that go on with a header.
func skipFolded(rest []byte) []byte {
	for len(rest) > 0 && rest[0] == ' ' {
		_, rest, _ = bytes.Cut(rest, []byte("\n"))
	}
	return rest
}
