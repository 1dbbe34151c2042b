package checkout_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"berth/agent/internal/checkout"
)

// FuzzTag holds that no tag makes the agent panic, that none is taken without a signature,
// and that what was signed and the signature are all of it.
func FuzzTag(f *testing.F) {
	const commit = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
	head := tagText("commit", commit, "v1", time.Unix(1_790_000_000, 0), unsigned)
	const ssh = "-----BEGIN SSH SIGNATURE-----\nU1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAgXDc=\n-----END SSH SIGNATURE-----\n"
	const pgp = "-----BEGIN PGP SIGNATURE-----\n\niHUEABYKAB0WIQ==\n=abcd\n-----END PGP SIGNATURE-----\n"
	for _, text := range []string{"", head, head + ssh, head + pgp, head + ssh + pgp, head + ssh + "x", strings.Replace(head, "\n\n", "\n\n"+ssh, 1), "object \ntype \ntag \ntagger \n\n", head + "-----BEGIN PGP MESSAGE-----"} {
		f.Add([]byte(text), []byte("ada ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFw3GpNwJqLYZsJvYlqLzVQp7gTB5C0M8vQfS3n1hH0k"))
	}
	f.Fuzz(func(t *testing.T, tag, list []byte) {
		taken, by, text := checkout.JudgeTag(tag, "v1", commit, list, list)
		if taken == (text != "") {
			t.Errorf("taken: %t, and says %q", taken, text)
		}
		// Nobody signs by chance.
		if taken && (!bytes.Contains(tag, []byte("SIGNATURE-----")) || !bytes.HasPrefix(tag, []byte("object "+commit+"\ntype commit\ntag v1\n"))) {
			t.Errorf("taken: %q by %q", tag, list)
		}
		if strings.ContainsAny(text+by, "\n\r\x1b\x00") {
			t.Errorf("says %q of %q", text, by)
		}
		payload, signature := checkout.SplitTag(tag)
		if !bytes.Equal(append(bytes.Clone(payload), signature...), tag) || len(signature) > 0 && !bytes.HasSuffix(payload, []byte("\n")) {
			t.Errorf("%q is split into %q and %q", tag, payload, signature)
		}
	})
}
