package pvesim

import "sync"

const lxcTable = `
hostname str fmt=dns len=255
description str len=8192
tags str fmt=tags-list
onboot bool
startup str fmt=startup
protection bool
template bool
lock str enum=backup|create|destroyed|disk|fstrim|migrate|mounted|rollback|snapshot|snapshot-delete
arch str enum=amd64|i386|arm64|armhf|riscv32|riscv64
ostype str enum=debian|devuan|ubuntu|centos|fedora|opensuse|archlinux|alpine|gentoo|nixos|unmanaged
console bool
tty int min=0 max=6
cmode str enum=shell|console|tty
cores int min=1 max=8192
cpulimit num min=0 max=8192
cpuunits int min=0 max=500000
memory int min=16
swap int min=0
unprivileged bool
features str prop=features
hookscript str fmt=volid
debug bool
timezone str fmt=zone
searchdomain str fmt=dns-list
nameserver str fmt=address-ll-list
rootfs str prop=rootfs
mp[256] str prop=mp
unused[256] str prop=ctunused
net[32] str prop=ctnet
dev[256] str prop=dev
`

const mountTable = "volume str key req fmt=mp\nsize str fmt=disk\nacl bool\nmountoptions str pat=mntopts\nquota bool\nreplicate bool\nro bool\nshared bool\n"

// lxcOptions is the table of a container's options.
var lxcOptions = sync.OnceValue(func() *schema { return parseSchema(lxcTable, lxcProps()) })

var lxcProps = sync.OnceValue(func() map[string]*schema {
	out := map[string]*schema{}
	for k, t := range map[string]string{
		"features": "nesting bool\nkeyctl bool\nfuse bool\nmknod bool\nforce_rw_sys bool\nmount str pat=fstypes\n",
		"rootfs":   mountTable,
		"mp":       mountTable + "mp str req fmt=mp\nbackup bool\n",
		"dev":      "path str key fmt=dev\nmode str pat=mode\nuid int min=0\ngid int min=0\ndeny-write bool\n",
		"ctunused": "volume str key req fmt=volid\n",
		"ctnet":    "name str req pat=word\nbridge str pat=word\nfirewall bool\ngw str fmt=ipv4\ngw6 str fmt=ipv6\nhwaddr str fmt=mac\nip str fmt=ipv4cfg\nip6 str fmt=ipv6cfg\nlink_down bool\nmtu int min=64 max=65535\nrate num\ntag int min=1 max=4094\ntrunks str pat=numbers\ntype str enum=veth\n",
	} {
		out[k] = parseSchema(t, nil)
	}
	return out
})

func isMount(key string) bool {
	base, n := splitIndex(key)
	return key == "rootfs" || base == "mp" && n >= 0
}
