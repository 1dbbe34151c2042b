package checkout

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// gpgKeys are whose GPG signatures are taken.
type gpgKeys struct {
	all openpgp.EntityList
	// given tells that there are files of them.
	given bool
}

var (
	armorBegin     = []byte("-----BEGIN PGP ")
	errNoPublicKey = errors.New(": no public key in it: write one there by gpg --armor --export")
	errPrivate     = errors.New(": it holds a private key, which is no business of the agent's: write the public one there by gpg --armor --export")
	errNoPacket    = errors.New("no signature")
	errNotOne      = errors.New("more than one signature")
)

// parse reads a file of public keys, armored, one after the other, or not.
func (g *gpgKeys) parse(text []byte) error {
	g.given = true
	blocks := []io.Reader{bytes.NewReader(text)}
	if starts := startsOf(text, armorBegin); len(starts) > 0 {
		blocks = nil
		for _, at := range starts {
			block, err := armor.Decode(bytes.NewReader(text[at:]))
			if err != nil {
				return fmt.Errorf(": its armor is damaged: %w", err)
			}
			if block.Type == openpgp.PrivateKeyType {
				return errPrivate
			}
			blocks = append(blocks, block.Body)
		}
	}
	for _, block := range blocks {
		keys, err := openpgp.ReadKeyRing(block)
		if err != nil || len(keys) == 0 {
			return errNoPublicKey
		}
		if slices.ContainsFunc(keys, func(e *openpgp.Entity) bool { return e.PrivateKey != nil }) {
			return errPrivate
		}
		g.all = append(g.all, keys...)
	}
	return nil
}

// startsOf tells where a word stands in a text.
func startsOf(text, word []byte) (starts []int) {
	for at := 0; ; at++ {
		next := bytes.Index(text[at:], word)
		if next < 0 {
			return starts
		}
		at += next
		starts = append(starts, at)
	}
}

// sound are the hashes that a signature may be made by.
func sound(h crypto.Hash) bool {
	return slices.Contains([]crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512, crypto.SHA3_256, crypto.SHA3_512}, h)
}

// judge tells what is wrong with a signature; nil is nothing. A key must have been valid
// when it signed, and must not be revoked, whenever that was.
func (g *gpgKeys) judge(payload, armored []byte) *doubt {
	sig, raw, err := gpgPacket(armored)
	if err != nil {
		return &doubt{what: "its GPG signature can't be read"}
	}
	key := gpgFingerprint(sig)
	by := "it is signed by the GPG key " + key
	switch {
	case !g.given:
		return &doubt{what: by + ", and no file of GPG keys is set", key: key, unknown: "a file that repository.verify.gpgKeys names"}
	case !sound(sig.Hash):
		return &doubt{what: "its signature is made by " + sig.Hash.String() + ", which is not taken", key: key}
	case sig.SigType != packet.SigTypeBinary && sig.SigType != packet.SigTypeText:
		return &doubt{what: "its GPG signature is none of a document", key: key}
	}
	known := g.all.KeysById(*sig.IssuerKeyId)
	if len(known) == 0 {
		return &doubt{what: by + ", which is none of those that are taken", key: key, unknown: "the files of GPG keys"}
	}
	by += " of " + gpgName(known[0].Entity)
	now := time.Now()
	for _, k := range known {
		if k.Revoked(now) || k.Entity.Revoked(now) {
			return &doubt{what: by + ", which is revoked", key: key}
		}
	}
	_, _, err = openpgp.VerifyDetachedSignature(g.all, bytes.NewReader(payload), bytes.NewReader(raw), &packet.Config{Time: func() time.Time { return sig.CreationTime }})
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pgperrors.ErrKeyRevoked):
		return &doubt{what: by + ", which is revoked", key: key}
	case errors.Is(err, pgperrors.ErrKeyExpired):
		return &doubt{what: by + ", which was not valid when it signed; a key whose end was put off is exported anew", key: key, unknown: "the files of GPG keys once more"}
	case errors.Is(err, pgperrors.ErrSignatureExpired):
		return &doubt{what: "its signature has expired", key: key}
	case errors.Is(err, pgperrors.ErrUnknownIssuer):
		return &doubt{what: by + ", which is not for signing", key: key}
	}
	return &doubt{what: "its signature does not fit what is in it", key: key}
}

// gpgPacket reads the one signature of an armored one. Where there are more, what is told
// of the first need not be true of the one that is judged.
func gpgPacket(armored []byte) (*packet.Signature, []byte, error) {
	block, err := armor.Decode(bytes.NewReader(armored))
	if err != nil {
		return nil, nil, err
	}
	raw, err := io.ReadAll(block.Body)
	if err != nil {
		return nil, nil, err
	}
	all := packet.NewReader(bytes.NewReader(raw))
	p, err := all.Next()
	if err != nil {
		return nil, nil, err
	}
	if _, err := all.Next(); !errors.Is(err, io.EOF) {
		return nil, nil, errNotOne
	}
	sig, ok := p.(*packet.Signature)
	if !ok || sig.IssuerKeyId == nil {
		return nil, nil, errNoPacket
	}
	return sig, raw, nil
}

// gpgFingerprint is the key that a signature says it is by: whole, or by its id alone.
func gpgFingerprint(sig *packet.Signature) string {
	if len(sig.IssuerFingerprint) > 0 {
		return fmt.Sprintf("%X", sig.IssuerFingerprint)
	}
	return fmt.Sprintf("%016X", *sig.IssuerKeyId)
}

func gpgName(e *openpgp.Entity) string {
	if _, identity := e.PrimarySelfSignature(); identity != nil {
		return printable(identity.Name)
	}
	return "no name"
}
