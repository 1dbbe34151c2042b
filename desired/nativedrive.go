package desired

// nativeSeed is what stands for the digest of a seed where Proxmox's own drive
// takes its place.
const nativeSeed = "native"

// CloudDrive is what is asked of Proxmox's own cloud-init drive beside addresses
// and name servers. It follows the manifest: Proxmox makes it anew at each start.
type CloudDrive struct {
	// User is the login that Keys are for; the image's own unless set.
	User string `yaml:"user" drift:"reboot" priv:"VM.Config.Cloudinit"`
	Keys Words  `yaml:"keys" drift:"reboot" priv:"VM.Config.Cloudinit"`
	// Upgrade brings all packages up to date at first boot.
	Upgrade bool `yaml:"upgrade" drift:"reboot" priv:"VM.Config.Cloudinit"`
}

// nativeDrive fills in what CloudInit asks of Proxmox's own drive.
func (l *loader) nativeDrive(g *guest) {
	c := g.vm.CloudInit
	drive := &CloudDrive{Upgrade: c.Upgrade}
	g.vm.Seed, g.vm.Drive = nativeSeed, drive
	src := g.key("cloudInit")
	g.set.put("cloudInit", src)
	if len(c.Users) == 0 {
		return
	}
	u := c.Users[0]
	drive.User, drive.Keys = u.Name, Words(u.Keys)
	if u.User != nil {
		drive.Keys = append(drive.Keys, u.User.Keys...)
	}
	g.set.put("cloudInit.user", src)
	if len(drive.Keys) > 0 {
		g.set.put("cloudInit.keys", src)
	}
}
