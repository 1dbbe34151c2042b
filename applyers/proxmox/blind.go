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
	switch pve.Status(err) {
	case 401:
		return "401, the token has expired or is wrong", pve.MakeToken
	case 403:
		return err.Error(), s.helpWith(err)
	}
	return err.Error(), s.remedy(err)
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
