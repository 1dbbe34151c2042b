package desired

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"time"
)

var (
	regexpFingerprint = regexp.MustCompile(`^([0-9A-F]{2}:){31}[0-9A-F]{2}$`)
	regexpMACPrefix   = regexp.MustCompile(`^[0-9a-f][02468ace](:[0-9a-f]{2}){2}$`)
)

// A site is a Site with what its guests have taken.
type site struct {
	*item
	*Site
	networks map[string]*network
	ids      map[int]*guest
	plans    map[string]*plan
	hosts    map[string]*guest
}

// taken tells who has something that only one can have.
type taken struct {
	id  ID
	src Source
}

// siteDocuments reads the sites.
func (l *loader) siteDocuments() {
	l.sites = map[string]*site{}
	for _, doc := range l.docs {
		if doc.kind.word != "Site" {
			continue
		}
		s := &site{
			Site:     &Site{Timeouts: Timeouts{Task: minutes(10), Create: minutes(30), Shutdown: minutes(3), Ready: minutes(10)}, MACPrefix: "bc:24:11"},
			networks: map[string]*network{}, ids: make(map[int]*guest, l.crowded()), plans: map[string]*plan{},
			hosts: make(map[string]*guest, l.crowded()),
		}
		s.item = l.open(doc, s.Site, l.defaults["Site"])
		s.Name, s.Source = doc.name, doc.src
		l.sites[doc.name] = s
		l.fleet.Sites[doc.name] = s.Site
		l.checkSite(s)
		l.checkStorage(s)
		l.checkNetworks(s)
		l.checkPlans(s)
	}
	l.checkFleetSite()
}

// crowded is how many guests there were last time, as far as is known: about so
// many places will be taken.
func (l *loader) crowded() int {
	if l.known == nil {
		return 0
	}
	return l.known.guests
}

func minutes(n int) Duration { return Duration(time.Duration(n) * time.Minute) }

// checkFleetSite checks the site that guests are on by default.
func (l *loader) checkFleetSite() {
	name := l.fleet.Spec.Site
	if only := sortedKeys(l.sites); name == "" && len(only) == 1 {
		l.fleet.Spec.Site = only[0]
	}
	if name == "" || l.fleetDoc == nil || l.exists(MakeID(KindSite, name)) {
		return
	}
	l.wrong(l.fleetDoc, l.fleetDoc.at("site"), "site: %s", l.missing("site", name, l.documents(KindSite)))
}

func (l *loader) checkSite(s *site) {
	if len(s.Endpoints) == 0 && !s.explained("", "endpoints") {
		l.wrong(s.item, s.src, "endpoints is missing: write the API's address, as in [https://10.1.1.11:8006]")
	}
	for _, node := range s.items("endpoints") {
		// One cluster under two names would be planned for twice.
		if has, ok := l.endpoints[node.text]; ok && node.form == scalarForm {
			l.wrong(s.item, node.src(), "endpoints: this is %s's as well (%s): a cluster is one Site", has.id, has.src.place())
			continue
		}
		l.endpoints[node.text] = taken{s.id, node.src()}
		if complaint := badEndpoint(node.text); complaint != "" && node.form == scalarForm {
			l.wrong(s.item, node.src(), "endpoints: %s", complaint)
		}
	}
	if s.Token.Secret == "" && !s.has("token") && !s.has("token.secret") && !s.has("token.key") && !s.explained("", "token") {
		l.wrong(s.item, s.src, "token is missing: write {secret: NAME}, and put user@realm!id=uuid where the agent's own settings find it")
	}
	l.checkSecret(s.item, s.Token, "token")
	l.checkTLS(s.item, &s.TLS, "tls")
	if s.Node != "" && !isStore(s.Node) {
		l.wrong(s.item, s.at("node"), "node: %q is no node's name", s.Node)
	}
	for _, field := range []struct{ word, value string }{{"images", s.Images}, {"seeds", s.Seeds}} {
		if field.value != "" && !isStore(field.value) {
			l.wrong(s.item, s.at(field.word), "%s: %q is no storage's name: write a class or a Proxmox storage", field.word, field.value)
		}
	}
	if s.Seeds == "" {
		s.Seeds = s.Images
	}
	for _, t := range []struct {
		word  string
		value Duration
	}{{"task", s.Timeouts.Task}, {"create", s.Timeouts.Create}, {"shutdown", s.Timeouts.Shutdown}, {"ready", s.Timeouts.Ready}} {
		if t.value <= 0 && !s.bad[Path("timeouts").Sub(t.word)] {
			l.wrong(s.item, s.at("timeouts", t.word), "timeouts.%s: nothing can be done in no time: write at least 1s", t.word)
		}
	}
	if !regexpMACPrefix.MatchString(strings.ToLower(s.MACPrefix)) {
		l.wrong(s.item, s.at("macPrefix"), "macPrefix: %q: write three bytes of which the first is even, as in bc:24:11", s.MACPrefix)
	}
	s.MACPrefix = strings.ToLower(s.MACPrefix)
	for _, name := range sortedKeys(s.Phases) {
		l.checkPhase(s, name, s.Phases[name])
	}
}

func (l *loader) checkPhase(s *site, name string, p Phase) {
	src := s.key("phases", name)
	if name == "never" || name == "yes" {
		l.wrong(s.item, src, "phases: %q is built in: choose another name", name)
	}
	if p.Order < 0 {
		l.wrong(s.item, src, "phases.%s.order: %d is less than 0: write 0 or more", name, p.Order)
	}
	for _, d := range []Duration{p.Up, p.Down} {
		if d%Duration(time.Second) != 0 {
			l.wrong(s.item, src, "phases.%s: Proxmox waits whole seconds", name)
		}
	}
}

// badEndpoint says what is wrong with an endpoint. What follows the host is
// never printed: it may be a password.
func badEndpoint(text string) string {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		return "this is no address of an API: write it as in https://10.1.1.11:8006"
	case u.User != nil:
		return "a user or password can't stand in the address: take it out, the token is what is used"
	case u.Scheme != "https":
		return fmt.Sprintf("%s is not encrypted or not known: write https://%s", u.Scheme, u.Host)
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		return "only a host and a port are wanted: write https://" + u.Host
	}
	return ""
}

// checkStorage checks the storage classes and notes which defaults they give.
func (l *loader) checkStorage(s *site) {
	for _, name := range sortedKeys(s.Storage) {
		class := s.Storage[name]
		src := s.key("storage", name)
		at := Path("storage").Sub(name)
		switch {
		case class.Store == "" && !s.explained(at, "store"):
			l.wrong(s.item, src, "storage.%s: store is missing: write the Proxmox storage, as in {store: local-lvm}", name)
		case class.Store != "" && !isStore(class.Store):
			l.wrong(s.item, s.at("storage", name, "store"), "storage.%s.store: %q is no storage's name", name, class.Store)
		}
		for _, node := range sortedKeys(class.PerNode) {
			src := s.key("storage", name, "perNode", node)
			if !isStore(node) {
				l.wrong(s.item, src, "storage.%s.perNode: %q is no node's name", name, node)
			} else if store := class.PerNode[node]; !isStore(store) {
				l.wrong(s.item, src, "storage.%s.perNode.%s: %q is no storage's name", name, node, store)
			}
		}
		class.Set = s.below(at, s.Name)
		delete(class.Set, "store")
		delete(class.Set, "perNode")
		s.Storage[name] = class
	}
}

// below gives what is set under a path, by the path from there, as something
// that follows from the site.
func (s *site) below(at Path, name string) map[Path]Source {
	out := map[Path]Source{}
	node := s.merged.find(at.Keys()...)
	if node == nil {
		return out
	}
	for _, e := range node.entries {
		if src, ok := s.set.lookup(at.Sub(e.key)); ok {
			src.Layer = KindSite + "/" + name
			out[Path("").Sub(e.key)] = src
		}
	}
	return out
}

// siteOf finds the site of a guest; nil if there is none, which has been
// reported.
func (l *loader) siteOf(it *item, name string) *site {
	switch {
	case name != "":
		if s := l.sites[name]; s != nil {
			return s
		}
		if !l.exists(MakeID(KindSite, name)) {
			l.wrong(it, it.at("site"), "site: %s", l.missing("site", name, l.documents(KindSite)))
		}
		return nil
	case l.fleet.Spec.Site != "":
		return l.sites[l.fleet.Spec.Site]
	}
	if it.explained("", "site") || l.lostAny {
		return nil
	}
	for id := range l.lost {
		if id.Kind() == KindSite {
			return nil
		}
	}
	if len(l.sites) == 0 {
		l.wrong(it, it.src, "there is no Site: write one, with its endpoints and token")
	} else {
		l.wrong(it, it.src, "site is missing: write %s, or set site in the Fleet", oneOf(sortedKeys(l.sites)))
	}
	return nil
}

// subnetHosts are the first and last address of a subnet that a guest may have.
func subnetHosts(p netip.Prefix) (first, last netip.Addr) {
	size := uint32(1) << (32 - p.Bits())
	base := number(p.Addr())
	if p.Bits() >= 31 {
		return address(base), address(base + size - 1)
	}
	return address(base + 1), address(base + size - 2)
}

// number and address turn an IPv4 address into a number and back.
func number(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

func address(n uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], n)
	return netip.AddrFrom4(b)
}
