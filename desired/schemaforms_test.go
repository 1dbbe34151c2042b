package desired

import "strings"

// A writing is how a text, a number or a map's key is written, as far as a JSON
// Schema can say it.
type writing struct {
	// pattern is for texts, without anchors; "" is any text.
	pattern string
	// say is what an editor shows where the pattern does not fit.
	say string
	// number tells that the same may be written as a number.
	number bool
	// from and to bound numbers; both 0 is no bound.
	from, to int
}

// forms are those that tags may name. Kind is the guest's short one; "" is what
// may become any guest, and be a template for several.
func forms(kind string) map[string]writing {
	name, tag, group := `[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?`, `[a-z0-9_][a-z0-9_.+-]*`, `[a-z0-9_]+`
	placed := `([a-z0-9_.-]|\{(n|n:0[0-9]|project|env|guest)\})+`
	if kind == "" {
		tag, group = placed, placed
	}
	slots := map[string]string{
		KindVM:        `scsi([0-9]|[12][0-9]|30)|virtio([0-9]|1[0-5])|sata[0-5]|ide[0-3]|efidisk0|tpmstate0`,
		KindContainer: `rootfs|mp([0-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5])`,
		KindData:      `scsi([0-9]|[12][0-9]|30)|virtio([0-9]|1[0-5])|sata[0-5]|ide[0-3]`,
	}
	slots[""] = slots[KindVM] + "|" + slots[KindContainer]
	dotted := `[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?`
	v4 := `[0-9]{1,3}(\.[0-9]{1,3}){3}`
	return map[string]writing{
		"name":      {pattern: name, say: "a-z, 0-9 and - inside", number: true},
		"dotted":    {pattern: dotted, say: "a-z, 0-9 and . _ - inside", number: true},
		"guestname": {pattern: placed, say: "a-z, 0-9 and - inside; with count also {n} or {n:02}, in quotes", number: true},
		"tag":       {pattern: tag, say: "a-z, 0-9, _ and inside also . + -", number: true},
		"group":     {pattern: group, say: "a-z, 0-9 and _", number: true},
		"login":     {pattern: `[a-z_][a-z0-9_-]{0,31}`, say: "a login name"},
		"guest":     {pattern: `(vm|ct|host)/.+`, say: "vm/NAME, ct/NAME or host/NAME"},
		"play":      {pattern: `play/.+`, say: "play/NAME"},
		"volume":    {pattern: `(data/)?[^/]+/[^/]+`, say: "a data VM, a slash, its disk's name, as in certs/letsencrypt"},
		"approval":  {pattern: `(delete|recreate) +(vm|ct)/[^/ ]+|destroy-volume +data/[^/ ]+/[^/ ]+|shrink-fleet`, say: "as in delete vm/db-1, recreate ct/web-1, destroy-volume data/certs/letsencrypt or shrink-fleet"},
		"until":     {pattern: `[0-9]{4}-[0-9]{2}-[0-9]{2}(T.+)?`, say: "a date as in 2026-12-01, or a time as in 2026-12-01T18:00:00+01:00"},
		"cron":      {pattern: `@(hourly|daily|midnight|weekly|monthly|yearly|annually)|[^ =@]+( +[^ =@]+){4}`, say: "minute, hour, day of the month, month and day of the week, as in 0 3 * * *"},
		"uuid":      {pattern: `[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}`, say: "a uuid"},
		"mac":       {pattern: `[0-9A-Fa-f][02468ACEace](:[0-9A-Fa-f]{2}){5}`, say: "six bytes of which the first is even, in quotes, as in \"bc:24:11:00:00:01\""},
		"macprefix": {pattern: `[0-9a-f][02468ace](:[0-9a-f]{2}){2}`, say: "three bytes of which the first is even, in quotes, as in \"bc:24:11\""},
		"ip":        {pattern: v4 + `|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*`, say: "an address as in 10.1.1.4"},
		"startup":   {pattern: `.+`, say: "yes, never, or a phase of the site", number: true},
		"path":      {pattern: `/.*`, say: "a whole path, as in /etc/motd"},
		"url":       {pattern: `https?://.+`, say: "an http or https address"},
		"endpoint":  {pattern: `https://.+`, say: "the API's address, as in https://10.1.1.11:8006"},
		"file":      {pattern: `[A-Za-z0-9_][A-Za-z0-9_.+-]*`, say: "letters, digits and . _ + -"},
		"sha256":    {pattern: `[0-9A-Fa-f]{64}`, say: "64 hex digits"},
		"sha512":    {pattern: `[0-9A-Fa-f]{128}`, say: "128 hex digits"},
		"uid":       {pattern: `[0-9a-f]{8,32}`, say: "8 to 32 hex digits, made once: openssl rand -hex 4", number: true},
		// openssl prints the hex in capitals.
		"fingerprint":  {pattern: `([0-9A-Fa-f]{2}:){31}[0-9A-Fa-f]{2}`, say: "32 bytes in hex, parted by colons"},
		"serial":       {pattern: `[A-Za-z0-9._-]{1,20}`, say: "at most 20 letters, digits and . _ -", number: true},
		"interface":    {pattern: `[a-z][a-z0-9]{0,14}`, say: "an interface, as in eth0"},
		"device":       {pattern: slots[kind] + `|net([0-9]|[12][0-9]|3[01])`, say: "a slot or NIC, as in scsi0 or net0"},
		"import":       {pattern: `(gh|lp|gl):[A-Za-z0-9][A-Za-z0-9-]*`, say: "gh:NAME, gl:NAME or lp:NAME"},
		"mode":         {pattern: `0?[0-7]{3,4}`, say: "a mode, as in 0644", number: true},
		"owner":        {pattern: `[a-z_][a-z0-9_-]*(:[a-z_][a-z0-9_-]*)?`, say: "user or user:group"},
		"route":        {pattern: `(\.|\*\.)?[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*`, say: "a DNS name; .apex is the name and all below it"},
		"share":        {pattern: `0|[1-9][0-9]{0,5}|(0|[1-9][0-9]?|100)%`, say: "a number of hosts, or a share as in 25%", number: true},
		"tasktag":      {pattern: `[^\s,:!{}]+`, say: "a tag of tasks, without blanks and commas", number: true},
		"giturl":       {pattern: `(https?|ssh)://.+|[A-Za-z0-9_.-]+@[A-Za-z0-9_.-]+:.+`, say: "a repository, as in https://git.example.com/ansible.git"},
		"gitref":       {pattern: `[A-Za-z0-9_][A-Za-z0-9_./+-]*`, say: "a branch, tag or commit", number: true},
		"secretlength": {from: leastLength, to: mostLength},
		"port":         {from: 1, to: 65535},
		"vlan":         {from: 1, to: 4094},
		"vmid":         {from: 100, to: 999999999},
		"positive":     {from: 1, to: 1 << 31},
		"natural":      {from: 0, to: 1 << 31},
		"percent":      {from: 0, to: 100},
		// Keys of maps.
		"slot":     {pattern: slots[kind]},
		"nic":      {pattern: `net([0-9]|[12][0-9]|3[01])`},
		"var":      {pattern: `[A-Za-z_][A-Za-z0-9_]*`},
		"vault":    {pattern: `[A-Za-z0-9_.-]{1,64}`},
		"header":   {pattern: "[A-Za-z0-9!#$%&'*+.^_`|~-]+"},
		"apt":      {pattern: `[A-Za-z0-9][A-Za-z0-9_.+-]*\.(list|sources)`},
		"upstream": {pattern: `[a-z]([a-z0-9-]{0,61}[a-z0-9])?`, say: "a-z, 0-9 and - inside, the first a letter"},
		"listen":   {pattern: `([0-9.]+:|\[[0-9A-Fa-f:.]*\]:)?[0-9]{1,5}`, say: "a port, or address:port in quotes"},
		"range":    {pattern: v4 + `( *- *` + v4 + `)?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:. -]*`},
		"kind":     {pattern: strings.Join([]string{"Site", "User", "Secret", "Host", "Image", "Template", "VM", "Container", "DataVM", "Edge", "Playbook"}, "|")},
	}
}
