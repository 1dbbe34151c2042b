package pve

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"berth/desired"
)

// tokenForm is "user@realm!id=uuid", as Proxmox makes tokens.
var tokenForm = regexp.MustCompile(`^[^\s:/!=]+@[A-Za-z][A-Za-z0-9._-]+![A-Za-z][A-Za-z0-9._-]+=[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// MakeToken is what to do where a token is no good.
const MakeToken = "make one with pveum user token add, and put it where the site's token points"

// errToken is a token that can be none.
var errToken = errors.New("is not of the form user@realm!id=uuid")

// CheckToken refuses what Proxmox would refuse three seconds later, and tells
// nothing of what it is.
func CheckToken(site *desired.Site, token string) (string, error) {
	token = strings.TrimSpace(token)
	if !tokenForm.MatchString(token) {
		return "", fmt.Errorf("the token of secret %q %w", site.Token.Secret, errToken)
	}
	return token, nil
}

// TokenRemedy says what to do about a token that can be none; "" for other errors.
func TokenRemedy(err error) string {
	if errors.Is(err, errToken) {
		return MakeToken
	}
	return ""
}
