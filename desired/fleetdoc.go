package desired

import (
	"fmt"
	"regexp"
	"slices"
)

var (
	regexpUID  = regexp.MustCompile(`^[0-9a-f]{8,32}$`)
	regexpZone = regexp.MustCompile(`^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$`)
)

// fleetDocument reads the Fleet document, or does without where that is allowed.
func (l *loader) fleetDocument() {
	spec := &l.fleet.Spec
	var doc *document
	siteDocs := 0
	for _, d := range l.docs {
		switch d.kind.word {
		case "Site":
			siteDocs++
		case "Fleet":
			if doc != nil {
				l.report(d.src, d.id, fmt.Sprintf("a second Fleet, the first is %s: keep one", doc.nameSrc.place()))
				continue
			}
			doc = d
		}
	}
	spec.ArchiveFor, spec.Zone, spec.Version = DefaultArchiveFor, "UTC", Version
	spec.Guards = Guards{Deletes: DefaultDeletes, Percent: DefaultPercent}
	spec.SSH = SSH{User: "root", Port: 22, KnownHosts: "learn"}
	if doc == nil {
		switch {
		case len(l.lost) > 0 || l.lostAny:
		case len(l.docs) == 0 && l.fleet.Ignored > 0 && l.ignored("."):
			l.report(Source{}, "", fmt.Sprintf("there are no manifests here: the %s at the top leaves all %d files out: move it into the directory whose YAML is not Berth's", ignoreFile, l.fleet.Ignored))
		case len(l.docs) == 0 && l.fleet.Ignored > 0:
			l.report(Source{}, "", fmt.Sprintf("there are no manifests here, a %s leaves %d files out: write a Fleet and a Site, or correct the path", ignoreFile, l.fleet.Ignored))
		case len(l.docs) == 0:
			l.report(Source{}, "", "there are no manifests here: write a Fleet and a Site, or correct the path")
		case siteDocs != 1:
			l.report(Source{}, "", "there is no Fleet document: write one with kind: Fleet, name and uid (only with a single Site may it be left out)")
		}
		return
	}
	defaults := doc.tree.get("defaults")
	doc.tree = doc.tree.without("defaults")
	it := l.open(doc, spec)
	l.fleetDoc = it
	l.checkFleet(it, spec)
	l.readDefaults(defaults)
}

func (l *loader) checkFleet(it *item, spec *FleetSpec) {
	switch {
	case it.bad["uid"], spec.UID == "" && it.explained("", "uid"):
	case spec.UID == "":
		l.wrong(it, it.src, "uid is missing: add uid: and 8 hex digits, as `openssl rand -hex 4` makes them, once")
	case !regexpUID.MatchString(spec.UID):
		l.wrong(it, it.at("uid"), "uid: %q is not 8 to 32 hex digits in lower case: make it once with `openssl rand -hex 4`", spec.UID)
	}
	if it.has("version") && !it.bad["version"] {
		switch {
		case spec.Version > Version:
			l.wrong(it, it.at("version"), "version: %d is newer than this Berth reads (%d): upgrade Berth", spec.Version, Version)
		case spec.Version < 1:
			l.wrong(it, it.at("version"), "version: there is no version %d: write %d", spec.Version, Version)
		}
	}
	if !it.bad["zone"] && !isZone(spec.Zone) {
		l.wrong(it, it.at("zone"), "zone: %q is no time zone: write it as in Europe/Berlin", spec.Zone)
	}
	if spec.Guards.Deletes < 0 {
		l.wrong(it, it.at("guards", "deletes"), "guards.deletes: %d is less than nothing: write 0 to hold every delete", spec.Guards.Deletes)
	}
	if p := spec.Guards.Percent; p < 0 || p > 100 {
		l.wrong(it, it.at("guards", "percent"), "guards.percent: %d is no share of a whole: write 0, to hold every delete, to 100", p)
	}
	l.checkWindows(it, spec)
	l.checkSSH(it, spec.SSH)
}

// readDefaults keeps the lowest layer of each kind, and checks it by itself.
func (l *loader) readDefaults(defaults *tree) {
	switch {
	case defaults == nil || defaults.form == nullForm || defaults.form == brokenForm:
		return
	case defaults.form != mapForm:
		l.report(defaults.src(), l.fleetDoc.id, "defaults: "+defaults.form.called()+" stands where a map is wanted: write {VM: {…}}")
		return
	}
	defaults.label(layerDefaults)
	var allowed []string
	for _, k := range kinds() {
		if k.layered() {
			allowed = append(allowed, k.word)
		}
	}
	for _, e := range defaults.entries {
		k := l.kinds[e.key]
		switch {
		case !slices.Contains(allowed, e.key):
			var text string
			if near := nearest(e.key, allowed); len(near) > 0 {
				text = fmt.Sprintf("no kind %q; did you mean %s?", e.key, oneOf(near))
			} else {
				text = fmt.Sprintf("no kind %q that takes defaults: write %s", e.key, oneOf(allowed))
			}
			l.report(e.src(), l.fleetDoc.id, "defaults: "+text)
			continue
		case e.value.form == nullForm:
			continue
		}
		if src, ok := e.value.keyAt("name"); ok {
			l.report(src, l.fleetDoc.id, "defaults."+e.key+".name: a name is each document's own: take it out")
		}
		layer := e.value.without("name", "hostname", "count", "renamedFrom", "adopt")
		if src, ok := e.value.keyAt("hostname"); ok {
			l.report(src, l.fleetDoc.id, "defaults."+e.key+".hostname: a host name is each guest's own: take it out")
		}
		for _, word := range []string{"count", "renamedFrom", "adopt"} {
			if src, ok := e.value.keyAt(word); ok {
				l.report(src, l.fleetDoc.id, "defaults."+e.key+"."+word+": goes with one document: write it there")
			}
		}
		l.check(l.fleetDoc.id, e.key, Path("defaults").Sub(e.key), layer, l.shapes.of(k.spec))
		l.defaults[e.key] = layer
	}
}

// checkSSH checks how guests are reached.
func (l *loader) checkSSH(it *item, ssh SSH) {
	if it.has("ssh.port") && !it.bad["ssh.port"] && (ssh.Port < 1 || ssh.Port > 65535) {
		l.wrong(it, it.at("ssh", "port"), "ssh.port: %d is no port: write 1 to 65535", ssh.Port)
	}
	if ssh.User != "" && !regexpLogin.MatchString(ssh.User) {
		l.wrong(it, it.at("ssh", "user"), "ssh.user: %q is no login name", ssh.User)
	}
	l.checkSecret(it, ssh.Key, "ssh", "key")
}

// over gives the settings of high where it has some, else those of low.
func (s SSH) over(low SSH) SSH {
	if s.User == "" {
		s.User = low.User
	}
	if s.Port == 0 {
		s.Port = low.Port
	}
	if s.Key == (SecretRef{}) {
		s.Key = low.Key
	}
	if s.KnownHosts == "" {
		s.KnownHosts = low.KnownHosts
	}
	return s
}
