package checkout

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
)

const maxTokenFile = 64 << 10

// readToken reads a token from a file that other users cannot read. No error repeats its content.
func readToken(name string) (string, error) {
	raw, err := readBounded(name, maxTokenFile, 0o006)
	if err != nil {
		return "", fmt.Errorf("read token file: %w", err)
	}
	token, err := oneToken(raw)
	if err != nil {
		return "", fmt.Errorf("read token file %s: %w", name, err)
	}
	return token, nil
}

// oneLine reads a token. No error repeats its content.
func (c Credential) oneLine() (string, error) {
	raw, err := c.Read()
	if err != nil {
		return "", err
	}
	token, err := oneToken(raw)
	if err != nil {
		return "", fmt.Errorf("%s: %w", c.Name, err)
	}
	return token, nil
}

// oneToken is a token that may have a newline after it.
func oneToken(raw []byte) (string, error) {
	token := strings.TrimSpace(string(raw))
	if token == "" {
		return "", errors.New("it is empty")
	}
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return "", errors.New("it must hold the token alone, on one line")
	}
	return token, nil
}

// readBounded reads a regular file of at most limit bytes with none of the mode bits in forbidden.
func readBounded(name string, limit int64, forbidden os.FileMode) (raw []byte, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", name)
	}
	if info.Mode().Perm()&forbidden != 0 {
		may, remedy := "lets every user of this machine at it", "o-rwx"
		if forbidden&0o004 == 0 {
			may, remedy = "lets every user of this machine change it", "o-w"
		}
		return nil, fmt.Errorf("%s: mode %04o %s; run chmod %s on it", name, info.Mode().Perm(), may, remedy)
	}
	raw, err = io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(raw)) > limit {
		return nil, fmt.Errorf("%s: larger than %d bytes", name, limit)
	}
	return raw, nil
}

// scrub takes a token out of a text, in each form in which it was sent.
func scrub(text, token string) string {
	if token == "" {
		return text
	}
	sent := base64.StdEncoding.EncodeToString([]byte(tokenUser + ":" + token))
	for _, form := range []string{sent, token, url.QueryEscape(token), url.PathEscape(token)} {
		text = strings.ReplaceAll(text, form, "***")
	}
	return text
}
