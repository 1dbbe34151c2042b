package proxmox

import (
	"cmp"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"net/url"
	"slices"
	"strings"

	"berth/desired"
)

// makeToken is what to do where a token is no good.
const makeToken = "make one with pveum user token add, and put it where the site's token points"

// whyBlind says why a site can't be read, and what to do.
func (s *sweep) whyBlind(err error) (reason, remedy string) {
	switch code := status(err); {
	case code == 401:
		return "401, the token has expired or is wrong", makeToken
	case code == 403:
		return err.Error(), s.helpWith(err)
	case distrusted(err):
		return err.Error(), trustRemedy(err)
	case code == 0:
		// No answer at all: refused, timed out, no such host, no TLS.
		return err.Error(), "check endpoints of site " + s.site.Name + " and that port " + ports(s.site) + " answers"
	}
	return err.Error(), ""
}

// ports lists the ports of a site's endpoints.
func ports(site *desired.Site) string {
	var all []string
	for _, e := range site.Endpoints {
		if u, err := url.Parse(e); err == nil {
			all = append(all, cmp.Or(u.Port(), "443"))
		}
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), " or ")
}

// trustRemedy says how to trust the certificate that the server presented. It
// bids to compare the fingerprint, since whoever stands in between would be
// trusted as well.
func trustRemedy(err error) string {
	var have string
	if verify, ok := errors.AsType[*tls.CertificateVerificationError](err); ok && len(verify.UnverifiedCertificates) > 0 {
		sum := sha256.Sum256(verify.UnverifiedCertificates[0].Raw)
		have = colons(sum[:])
	}
	if pin, ok := errors.AsType[*pinError](err); ok {
		have = pin.have
	}
	if have == "" {
		return "write tls.ca or tls.fingerprint"
	}
	return "write tls.ca or tls.fingerprint; the server shows " + have + ", which pvenode cert info on the node must show, too"
}
