package main

import (
	"io/fs"
	"strings"
	"testing"

	"berth/agent/internal/web"
)

// TestDoorSaysWhatIsWrongWithACertificate tells a file that is not there from one that is
// none of a certificate.
func TestDoorSaysWhatIsWrongWithACertificate(t *testing.T) {
	for want, certificate := range map[string]web.Certificate{
		"http.tls: file does not exist":                          func() (cert, key []byte, err error) { return nil, nil, fs.ErrNotExist },
		"http.tls: cert and key must be PEM and belong together": func() (cert, key []byte, err error) { return []byte("x"), []byte("y"), nil },
	} {
		if err := (&door{}).show(certificate); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
