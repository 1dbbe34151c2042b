package checkout_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"berth/agent/internal/checkout"
)

// gpgKey is somebody's.
type gpgKey struct {
	entity      *openpgp.Entity
	fingerprint string
}

// gpgFrom makes a key at a time, for as long as is said; zero is for ever.
func gpgFrom(t *testing.T, at time.Time, lasts time.Duration) gpgKey {
	t.Helper()
	entity, err := openpgp.NewEntity("Ada", "", "ada@example.com", &packet.Config{
		Algorithm: packet.PubKeyAlgoEdDSA, Time: func() time.Time { return at }, KeyLifetimeSecs: uint32(lasts.Seconds()),
	})
	if err != nil {
		t.Fatal(err)
	}
	return gpgKey{entity, fmt.Sprintf("%X", entity.PrimaryKey.Fingerprint)}
}

func gpgOf(t *testing.T) gpgKey {
	t.Helper()
	// One for all tests that only look at how it is refused.
	return gpgFrom(t, committed.Add(-time.Hour), 0)
}

func (k gpgKey) sign(payload []byte) string { return k.signAt(committed)(payload) }

func (k gpgKey) signAt(at time.Time) signWith {
	return func(payload []byte) string {
		var out bytes.Buffer
		if err := openpgp.ArmoredDetachSign(&out, k.entity, bytes.NewReader(payload), &packet.Config{Time: func() time.Time { return at }}); err != nil {
			panic(err)
		}
		return out.String()
	}
}

// public is the key as gpg --export writes it, armored or not.
func (k gpgKey) public(t *testing.T, armored bool) string {
	t.Helper()
	var plain bytes.Buffer
	if err := k.entity.Serialize(&plain); err != nil {
		t.Fatal(err)
	}
	if !armored {
		return plain.String()
	}
	return armoredAs(t, openpgp.PublicKeyType, plain.Bytes())
}

func armoredAs(t *testing.T, kind string, content []byte) string {
	t.Helper()
	var out bytes.Buffer
	w, err := armor.Encode(&out, kind, nil)
	if err == nil {
		_, err = w.Write(content)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.String() + "\n"
}

func TestSignaturesByGPG(t *testing.T) {
	t.Parallel()
	f := newForge(t)
	day := 24 * time.Hour
	ada, other := gpgFrom(t, committed.Add(-day), 0), gpgFrom(t, committed.Add(-day), 0)
	brief := gpgFrom(t, committed.Add(-2*day), day)
	over := gpgFrom(t, committed.Add(-day), 2*day)
	withdrawn := gpgFrom(t, committed.Add(-day), 0)
	// Long after it signed, and for no reason that would make it never have been good.
	if err := withdrawn.entity.RevokeKey(packet.KeyRetired, "", &packet.Config{Time: func() time.Time { return committed.Add(day) }}); err != nil {
		t.Fatal(err)
	}
	subkey := gpgFrom(t, committed.Add(-day), 0)
	if err := subkey.entity.AddSigningSubkey(&packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, Time: func() time.Time { return committed.Add(-time.Hour) }}); err != nil {
		t.Fatal(err)
	}
	sub := fmt.Sprintf("%X", subkey.entity.Subkeys[len(subkey.entity.Subkeys)-1].PublicKey.Fingerprint)
	var private bytes.Buffer
	if err := ada.entity.SerializePrivate(&private, nil); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name, file string
		sign       signWith
		key, want  string
	}{
		{"armored", ada.public(t, true), ada.sign, "", ""},
		{"not armored", ada.public(t, false), ada.sign, "", ""},
		{"one of two", other.public(t, true) + "\n# and\n" + ada.public(t, true), ada.sign, "", ""},
		{"one of two, not armored", other.public(t, false) + ada.public(t, false), ada.sign, "", ""},
		{"before it expired", over.public(t, true), over.sign, "", ""},
		{"by a subkey", subkey.public(t, true), subkey.sign, "", ""},
		{"by a subkey of nobody's", ada.public(t, true), subkey.sign, sub, "which is none of those that are taken"},
		{"after it expired", brief.public(t, true), func(p []byte) string { return gpgFresh(brief).signAt(committed)(p) }, brief.fingerprint, "of Ada <ada@example.com>, which was not valid when it signed"},
		{"revoked", withdrawn.public(t, true), gpgUnrevoked(withdrawn).sign, withdrawn.fingerprint, "which is revoked"},
		{"another's", other.public(t, true), ada.sign, ada.fingerprint, "it is signed by the GPG key " + ada.fingerprint + ", which is none of those that are taken; if that key may sign, add it to the files of GPG keys"},
		{"of something else", ada.public(t, true), func([]byte) string { return ada.sign([]byte("x")) }, ada.fingerprint, "does not fit what is in it"},
		{"not signed", ada.public(t, true), unsigned, "", "it is not signed"},
		{"unreadable", ada.public(t, true), func([]byte) string { return "-----BEGIN PGP SIGNATURE-----\n\nx\n-----END PGP SIGNATURE-----\n" }, "", "its GPG signature can't be read"},
		{"a key for a signature", ada.public(t, true), func([]byte) string {
			return strings.ReplaceAll(ada.public(t, true), "PUBLIC KEY BLOCK", "SIGNATURE")
		}, "", "its GPG signature can't be read"},
		{"a private key", armoredAs(t, openpgp.PrivateKeyType, private.Bytes()), ada.sign, "", "it holds a private key, which is no business of the agent's"},
		{"a private key, not armored", private.String(), ada.sign, "", "it holds a private key"},
		{"no key", "hello\n", ada.sign, "", "no public key in it"},
		{"no key at all", "", ada.sign, "", "no public key in it"},
	} {
		t.Run(row.name, func(t *testing.T) {
			f.t = t
			tip := f.signed(row.name, row.sign)
			a := f.verifying(checkout.Verify{GPGKeys: []string{writeFile(t, "keys.asc", row.file)}})
			if row.want == "" {
				a.accept(tip)
				return
			}
			a.distrusts(tip, tip, row.key, row.want)
		})
	}
}

// gpgFresh is the key without its end, as one who has set back a clock uses it.
func gpgFresh(k gpgKey) gpgKey {
	entity := *k.entity
	entity.Identities = map[string]*openpgp.Identity{}
	for name, identity := range k.entity.Identities {
		self := *identity.SelfSignature
		self.KeyLifetimeSecs = nil
		fresh := *identity
		fresh.SelfSignature = &self
		entity.Identities[name] = &fresh
	}
	return gpgKey{&entity, k.fingerprint}
}

// gpgUnrevoked is the key as it is with one who has not heard that it is revoked.
func gpgUnrevoked(k gpgKey) gpgKey {
	entity := *k.entity
	entity.Revocations = nil
	return gpgKey{&entity, k.fingerprint}
}
