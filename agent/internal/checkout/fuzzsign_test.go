package checkout_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"berth/agent/internal/checkout"
)

// FuzzSignature holds that no commit and no list of signers makes the agent panic, and
// that none is taken by a list that names nobody who could have signed it.
func FuzzSignature(f *testing.F) {
	const head = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor Ada <a@x> 1790000000 +0000\ncommitter Ada <a@x> 1790000000 +0000\n"
	const ssh = "gpgsig -----BEGIN SSH SIGNATURE-----\n U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAgXDc=\n -----END SSH SIGNATURE-----\n"
	const pgp = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n iHUEABYKAB0WIQ==\n =abcd\n -----END PGP SIGNATURE-----\n"
	const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFw3GpNwJqLYZsJvYlqLzVQp7gTB5C0M8vQfS3n1hH0k"
	for _, commit := range []string{head + "\nx\n", head + ssh + "\nx\n", head + pgp + "\nx\n", head + "gpgsig-sha256 x\n y\n" + ssh + ssh + "\n", "gpgsig ", "gpgsig -----BEGIN PGP SIGNATURE-----\n\n"} {
		for _, list := range []string{"", "ada " + key, `"a b" namespaces="git",valid-after="20260101Z" ` + key + "\n# x\n", "a cert-authority " + key, "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQ==\n-----END PGP PUBLIC KEY BLOCK-----\n", "\x99\x00"} {
			f.Add([]byte(commit), []byte(list))
		}
	}
	f.Fuzz(func(t *testing.T, commit, list []byte) {
		taken, text := checkout.Judge(commit, list, list, time.Unix(1_790_000_000, 0))
		if taken == (text != "") {
			t.Errorf("taken: %t, and says %q", taken, text)
		}
		// Nobody signs by chance.
		if taken && (!bytes.Contains(commit, []byte("SIGNATURE-----")) || len(list) <= 30) {
			t.Errorf("taken: %q by %q", commit, list)
		}
		if strings.ContainsAny(text, "\n\r\x1b\x00") {
			t.Errorf("says %q", text)
		}
		payload, signature := checkout.SplitSignature(commit)
		if len(payload)+len(signature) > len(commit)+1 || bytes.Contains(payload, []byte("\ngpgsig ")) && !bytes.Contains(payload, []byte("\n\n")) {
			t.Errorf("%q is split into %q and %q", commit, payload, signature)
		}
	})
}
