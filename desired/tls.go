package desired

import (
	"encoding/pem"
	"slices"
	"strings"
)

// checkTLS checks how a certificate is judged, as it stands at keys, and reads the
// authorities.
func (l *loader) checkTLS(it *item, tls *TLS, keys ...string) {
	at := Path("")
	for _, key := range keys {
		at = at.Sub(key)
	}
	below := func(word string) Source { return it.at(append(slices.Clip(keys), word)...) }
	if tls.Fingerprint != "" && tls.CA != "" {
		l.wrong(it, it.at(keys...), "%s: fingerprint and ca are two ways of one thing: keep one", at)
		return
	}
	if tls.Fingerprint != "" {
		if tls.Fingerprint = strings.ToUpper(tls.Fingerprint); !regexpFingerprint.MatchString(tls.Fingerprint) {
			l.wrong(it, below("fingerprint"), "%s.fingerprint: 32 bytes in hex, parted by colons, are wanted: read it with openssl x509 -fingerprint -sha256", at)
		}
	}
	if tls.CA == "" {
		return
	}
	text, err := l.readBeside(below("ca"), tls.CA)
	if err != nil {
		l.wrong(it, below("ca"), "%s.ca: %v", at, err)
		return
	}
	if complaint := badCertificates(text); complaint != "" {
		l.wrong(it, below("ca"), "%s.ca: %s %s", at, tls.CA, complaint)
	}
	tls.CAPEM = text
}

// badCertificates says what is wrong with a PEM file of certificates.
func badCertificates(text string) string {
	rest, certificates := []byte(text), 0
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if strings.Contains(block.Type, "PRIVATE KEY") {
			return "holds a private key: take it out of Git and make a new one"
		}
		if block.Type == "CERTIFICATE" {
			certificates++
		}
	}
	if certificates == 0 {
		return "holds no certificate: it must be PEM, with BEGIN CERTIFICATE"
	}
	return ""
}
