package desired

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

var (
	regexpMode  = regexp.MustCompile(`^0?[0-7]{3,4}$`)
	regexpOwner = regexp.MustCompile(`^[a-z_][a-z0-9_-]*(:[a-z_][a-z0-9_-]*)?$`)
	regexpApt   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.+-]*\.(list|sources)$`)
)

// defaultSlot is where the seed disk goes.
const defaultSlot = "scsi30"

// madeKeys are user-data's keys that the language's own words make.
func madeKeys() map[string]string {
	return map[string]string{
		"hostname": "hostname", "fqdn": "hostname", "manage_etc_hosts": "hostname",
		"users": "cloudInit.users", "ssh_authorized_keys": "cloudInit.users", "ssh_import_id": "importKeys at a User",
		"packages": "cloudInit.packages", "package_update": "cloudInit.upgrade", "package_upgrade": "cloudInit.upgrade",
		"apt": "cloudInit.apt", "write_files": "cloudInit.files", "runcmd": "cloudInit.run",
		"ca_certs": "cloudInit.caCerts", "ca-certs": "cloudInit.caCerts", "power_state": "cloudInit.reboot",
	}
}

// checkCloudInit checks what a seed is made of, and reads the files it names.
func (l *loader) checkCloudInit(g *guest) {
	c := g.vm.CloudInit
	l.seedUsers(g, c)
	l.seedApt(g, c)
	l.seedFiles(g, c)
	for _, node := range g.items("cloudInit", "caCerts") {
		if node.form != scalarForm {
			continue
		}
		text, err := l.readBeside(node.src(), node.text)
		if err != nil {
			l.wrong(g.item, node.src(), "cloudInit.caCerts: %v", err)
			continue
		}
		if complaint := badCertificates(text); complaint != "" {
			l.wrong(g.item, node.src(), "cloudInit.caCerts: %s %s", node.text, complaint)
			continue
		}
		c.CAPEMs = append(c.CAPEMs, text)
	}
	if len(c.Raw) > 0 {
		l.checkRaw(g, c)
	}
	l.checkOnChange(g, c)
	if c.Native {
		l.checkNative(g)
		return
	}
	if c.Slot == "" {
		c.Slot = defaultSlot
	} else if complaint := badDrive(g, c.Slot); complaint != "" {
		l.wrong(g.item, g.at("cloudInit", "slot"), "cloudInit.slot: %s", complaint)
	}
	if _, used := g.Disks[c.Slot]; used && badDrive(g, c.Slot) == "" {
		l.wrong(g.item, g.key("disks", c.Slot), "disks.%s: the seed disk goes there: choose another slot, or another cloudInit.slot", c.Slot)
	}
	if g.site != nil && g.site.Seeds == "" && !g.site.explained("", "seeds") && !g.site.explained("", "images") {
		l.wrong(g.site.item, g.site.src, "seeds is missing: say which storage (content import) takes the seeds of cloudInit, as images or seeds")
	}
}

// checkRaw refuses in user-data what the language has words for.
func (l *loader) checkRaw(g *guest, c *CloudInit) {
	made := madeKeys()
	for _, key := range sortedKeys(c.Raw) {
		if word, ok := made[key]; ok {
			l.wrong(g.item, g.key("cloudInit", "raw", key), "cloudInit.raw.%s: the language has this: write %s", key, word)
		}
	}
}

// The words of cloudInit.onChange.
const (
	onChangeKeep     = "keep"
	onChangeRerun    = "rerun"
	onChangeRecreate = "recreate"
)

// Reruns tells whether an edit lets cloud-init run again in a guest that stands.
func (c *CloudInit) Reruns() bool { return c.OnChange == onChangeRerun && !c.Native }

// checkOnChange fills in the default and refuses what is not built.
func (l *loader) checkOnChange(g *guest, c *CloudInit) {
	at := g.at("cloudInit", "onChange")
	switch c.OnChange {
	case "":
		c.OnChange = onChangeKeep
	case onChangeRecreate:
		l.wrong(g.item, at, "cloudInit.onChange: recreate needs lifecycle.replace: allow, and making a guest anew is not built yet: write keep or rerun")
	}
}

// seedUsers finds the Users meant, and the keys of the image's own user.
func (l *loader) seedUsers(g *guest, c *CloudInit) {
	nodes := g.items("cloudInit", "users")
	if g.bad["cloudInit.users"] || len(nodes) != len(c.Users) {
		return
	}
	for i, node := range nodes {
		u := &c.Users[i]
		switch {
		case node.form == scalarForm:
			u.User = l.fleet.Users[u.Name]
			if u.User == nil {
				l.noUser(g.item, "cloudInit.users", node)
			}
		case u.Name == "":
			l.wrong(g.item, node.src(), "cloudInit.users: name is missing: write a User, or {name: …, keys: […]} for the image's own user")
		case l.fleet.Users[u.Name] != nil:
			l.wrong(g.item, node.src(), "cloudInit.users: %s is a User of the fleet: write %s alone", u.Name, u.Name)
		case !regexpLogin.MatchString(u.Name):
			l.wrong(g.item, node.src(), "cloudInit.users: %q is no login name", u.Name)
		default:
			var keys []*tree
			if list := node.get("keys"); list != nil {
				keys = list.items
			}
			u.Keys = l.resolveKeys(g.item, "cloudInit.users", keys)
		}
	}
}

func (l *loader) seedApt(g *guest, c *CloudInit) {
	for _, name := range sortedKeys(c.Apt) {
		apt := c.Apt[name]
		at := Path("cloudInit.apt").Sub(name)
		if !regexpApt.MatchString(name) {
			l.wrong(g.item, g.key("cloudInit", "apt", name), "%s: write a file name that ends in .list or .sources", at)
		}
		if apt.Source == "" && !g.explained(at, "source") {
			l.wrong(g.item, g.key("cloudInit", "apt", name), "%s: source is missing: write the line, as in \"deb https://… stable main\"", at)
		}
		if apt.From != "" {
			src := g.at("cloudInit", "apt", name, "from")
			if apt.Key != "" {
				l.wrong(g.item, src, "%s.from: key is there as well: keep one", at)
			}
			text, err := l.readBeside(src, apt.From)
			if err != nil {
				l.wrong(g.item, src, "%s.from: %v", at, err)
			}
			apt.Key = text
		}
		if strings.Contains(apt.Key, "PRIVATE KEY") {
			l.wrong(g.item, g.key("cloudInit", "apt", name), "%s: this is a private key: take it out of Git and make a new one", at)
		}
		c.Apt[name] = apt
	}
}

func (l *loader) seedFiles(g *guest, c *CloudInit) {
	for _, name := range sortedKeys(c.Files) {
		f := c.Files[name]
		at := Path("cloudInit.files").Sub(name)
		wrong := func(word, format string, args ...any) {
			l.wrong(g.item, g.at("cloudInit", "files", name, word), "%s.%s: %s", at, word, fmt.Sprintf(format, args...))
		}
		if !path.IsAbs(name) || path.Clean(name) != name || name == "/" {
			l.wrong(g.item, g.key("cloudInit", "files", name), "%s: write a whole path, as in /etc/motd", at)
		}
		_, content := g.set.lookup(at.Sub("content"))
		switch {
		case f.From != "" && content:
			wrong("from", "content is there as well: keep one")
		case f.From != "":
			text, err := l.readBeside(g.at("cloudInit", "files", name, "from"), f.From)
			if err != nil {
				wrong("from", "%v", err)
			} else if complaint := leaked(text); complaint != "" {
				wrong("from", "%s: %s", f.From, complaint)
			}
			f.Content = text
		case !content && !g.explained(at, "content") && !g.explained(at, "from"):
			l.wrong(g.item, g.key("cloudInit", "files", name), "%s: write content or from", at)
		}
		if f.Mode != "" && !regexpMode.MatchString(f.Mode) {
			wrong("mode", "%q is no mode: write it in octal, as in 0644", f.Mode)
		}
		if f.Owner != "" && !regexpOwner.MatchString(f.Owner) {
			wrong("owner", "%q is no owner: write it as in root:root", f.Owner)
		}
		c.Files[name] = f
	}
}

// seed computes the digest of what the seed asks for.
func (l *loader) seed(g *guest) {
	c := g.vm.CloudInit
	if c == nil {
		return
	}
	if c.Native {
		l.nativeDrive(g)
		return
	}
	type person struct {
		Name       string
		Keys       List
		ImportKeys List
		Sudo       string
		Shell      string
		Groups     List
		Own        bool
	}
	type nic struct {
		Key, Address, Gateway, MAC, Name string
		// What came later changes no digest of a guest that lacks it.
		Address6 string `json:",omitempty"`
		Gateway6 string `json:",omitempty"`
	}
	type mount struct {
		Slot, Volume, Where, Filesystem, Label string
		Options                                []string
		ReadOnly                               bool
	}
	content := struct {
		Hostname string
		DNS      List
		Search   List
		NICs     []nic
		People   []person
		Packages Words
		Upgrade  bool
		Apt      map[string]AptSource
		Files    map[string]SeedFile
		Run      []Command
		CAs      List
		Raw      map[string]any
		Reboot   bool
		Mounts   []mount `json:",omitempty"`
		Native   bool    `json:",omitempty"`
	}{
		Hostname: g.Hostname, DNS: g.DNS, Search: g.Search,
		Packages: c.Packages.sorted(), Upgrade: c.Upgrade, Apt: map[string]AptSource{}, Files: map[string]SeedFile{},
		Run: c.Run, CAs: c.CAPEMs, Raw: c.Raw, Reboot: c.Reboot, Native: c.Native,
	}
	// Where a file came from does not matter, what is in it does.
	for name, apt := range c.Apt {
		apt.From = ""
		content.Apt[name] = apt
	}
	for name, f := range c.Files {
		f.From = ""
		content.Files[name] = f
	}
	for _, key := range sortedKeys(g.Networks) {
		n := g.Networks[key]
		if n.State == "" {
			content.NICs = append(content.NICs, nic{key, n.Address, n.Gateway, n.MAC, n.Name, n.Address6, n.Gateway6})
		}
	}
	for _, key := range sortedKeys(g.Disks) {
		if d := g.Disks[key]; d.Mount != "" && d.State == "" {
			content.Mounts = append(content.Mounts, mount{key, d.Volume, d.Mount, d.Filesystem, d.Label, d.MountOptions.sorted(), d.ReadOnly})
		}
	}
	for _, u := range c.Users {
		p := person{Name: u.Name, Keys: u.Keys, Own: u.User == nil}
		if u.User != nil {
			p.Keys, p.ImportKeys, p.Sudo, p.Shell, p.Groups = u.User.Keys, u.User.ImportKeys, u.User.Sudo, u.User.Shell, u.User.Groups
		}
		content.People = append(content.People, p)
	}
	slices.SortFunc(content.People, func(a, b person) int { return strings.Compare(a.Name, b.Name) })
	g.vm.Seed = digest(content)
	if _, ok := g.set.lookup("cloudInit"); !ok {
		g.set.put("cloudInit", g.key("cloudInit"))
	}
}
