package webhook

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// scheme is how a delivery proves whom it is from.
type scheme int

const (
	// digest is an HMAC over the body in hexadecimal, behind the name of its hash or bare.
	digest scheme = iota
	// standard is that of Standard Webhooks, over id, time and body.
	standard
	// token is the secret itself.
	token
)

// proof is what a delivery shows.
type proof struct {
	scheme scheme
	header string
	// shown are signatures, one of which must hold, or the token.
	shown [][]byte
	hash  func() hash.Hash
	// signed comes before the body in what is signed.
	signed string
	// id is the delivery's own, "" if it has none; idSigned that it is signed, too.
	id       string
	idSigned bool
}

// tolerance is how far the clocks of the two may be apart (Standard Webhooks).
const tolerance = 5 * time.Minute

// proof finds what a delivery shows, or tells why that can't be judged.
func (f forge) proof(header http.Header, now time.Time) (proof, *outcome) {
	refuse := func(result Result, format string, args ...any) (proof, *outcome) {
		out := say(result, format, args...)
		return proof{}, &out
	}
	for _, place := range f.proofs {
		value := strings.TrimSpace(header.Get(place.header))
		if _, sum, cut := strings.Cut(value, "="); value == "" || cut && sum == "" && place.scheme == digest {
			continue // Gitea sends it empty where it has no secret.
		}
		p := proof{scheme: place.scheme, header: place.header, id: header.Get(f.idHeader)}
		switch place.scheme {
		case token:
			p.shown = [][]byte{[]byte(value)}
			return p, nil
		case standard:
			return p.standard(header, value, now)
		case digest:
		}
		name, sum, cut := strings.Cut(value, "=")
		if !cut {
			name, sum = "sha256", value
		}
		switch strings.ToLower(name) {
		case "sha256":
			p.hash = sha256.New
		case "sha512":
			p.hash = sha512.New
		case "sha1":
			return refuse(Refused, "%s is made by SHA-1, which is not taken: sign by SHA-256", place.header)
		default:
			return refuse(Refused, "%s is made by %s: sign by SHA-256", place.header, quoted(name))
		}
		raw, err := hex.DecodeString(sum)
		if err != nil || len(raw) != p.hash().Size() {
			return refuse(Refused, "%s holds no digest by %s in hexadecimal", place.header, strings.ToLower(name))
		}
		p.shown = [][]byte{raw}
		return p, nil
	}
	if old := header.Get("X-Hub-Signature"); strings.HasPrefix(old, "sha1=") && old != "sha1=" {
		return refuse(Refused, "X-Hub-Signature is made by SHA-1, which is not taken: sign by SHA-256, as X-Hub-Signature-256 or X-Signature")
	}
	return refuse(Unsigned, "the delivery is not signed: give its sender one of the agent's secrets (http.webhooks.secrets)")
}

// standard reads the headers of Standard Webhooks.
func (p proof) standard(header http.Header, value string, now time.Time) (proof, *outcome) {
	refuse := func(format string, args ...any) (proof, *outcome) {
		out := say(Refused, format, args...)
		return proof{}, &out
	}
	id, sent := header.Get("Webhook-Id"), header.Get("Webhook-Timestamp")
	seconds, err := strconv.ParseInt(sent, 10, 64)
	if id == "" || err != nil {
		return refuse("a signature of Standard Webhooks comes with webhook-id and webhook-timestamp")
	}
	if at := time.Unix(seconds, 0); at.Before(now.Add(-tolerance)) || at.After(now.Add(tolerance)) {
		return refuse("webhook-timestamp is not within %s of the agent's clock (%s)", tolerance, now.UTC().Format(time.RFC3339))
	}
	for one := range strings.FieldsSeq(value) {
		sum, ours := strings.CutPrefix(one, "v1,")
		if raw, err := base64.StdEncoding.DecodeString(sum); ours && err == nil && len(raw) == sha256.Size {
			p.shown = append(p.shown, raw)
		}
	}
	if p.shown == nil {
		return refuse("webhook-signature holds no signature as v1,BASE64")
	}
	p.hash, p.signed, p.id, p.idSigned = sha256.New, id+"."+sent+".", id, true
	return p, nil
}

// holds tells whether one of the secrets made what is shown. How long it takes tells
// nothing of them.
func (p proof) holds(secrets [][]byte, body []byte) bool {
	right := 0
	for _, secret := range secrets {
		if p.scheme == token {
			// Of equal length, so that the time tells nothing of the secret's own.
			a, b := sha256.Sum256(p.shown[0]), sha256.Sum256(secret)
			right |= subtle.ConstantTimeCompare(a[:], b[:])
			continue
		}
		for _, key := range p.keys(secret) {
			mac := hmac.New(p.hash, key)
			mac.Write([]byte(p.signed))
			mac.Write(body)
			sum := mac.Sum(nil)
			for _, shown := range p.shown {
				right |= subtle.ConstantTimeCompare(shown, sum)
			}
		}
	}
	return right == 1
}

// keys are what a secret may be meant as: Standard Webhooks sign by what it holds in
// Base64, behind whsec_ or not.
func (p proof) keys(secret []byte) [][]byte {
	if p.scheme != standard {
		return [][]byte{secret}
	}
	coded, marked := bytes.CutPrefix(secret, []byte("whsec_"))
	keys := [][]byte{}
	if !marked {
		keys = append(keys, secret)
	}
	if raw, err := base64.StdEncoding.DecodeString(string(coded)); err == nil {
		keys = append(keys, raw)
	}
	return keys
}
