package proxmox

import (
	"cmp"
	"net/url"
	"slices"
	"strings"

	"berth/applyers/proxmox/pve"
	"berth/desired"
)

// whyBlind says why a site can't be read, and what to do.
func (s *sweep) whyBlind(err error) (reason, remedy string) {
	switch code := pve.Status(err); {
	case code == 401:
		return "401, the token has expired or is wrong", pve.MakeToken
	case code == 403:
		return err.Error(), s.helpWith(err)
	case pve.Distrusted(err):
		return err.Error(), pve.TrustRemedy(err)
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
