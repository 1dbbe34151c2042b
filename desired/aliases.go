package desired

import (
	"reflect"
	"strings"
)

// An alias is what a word of another tool, of Proxmox or of a habit is called
// in the language.
type alias struct {
	// remedy says what to do, field names the field of the same map that was
	// meant, or is anyField; "" if none of them was.
	remedy, field string
}

// write is the alias of what stands under another path.
func write(path string) alias {
	field := path
	if end := strings.IndexAny(path, " ,:."); end >= 0 {
		field = path[:end]
	}
	return alias{remedy: "write " + path, field: field}
}

// instead is the alias of what has no field of its own.
func instead(remedy string) alias { return alias{remedy: remedy} }

// alias finds what an unknown field of a struct is called here; top tells that
// the struct is a whole document.
func (s *shape) alias(key string, top bool) (found alias, ok bool) {
	if head, rest, dotted := strings.Cut(key, "."); dotted && s.byWord[head] != nil && rest != "" {
		return alias{remedy: "write " + head + ": {" + strings.ReplaceAll(rest, ".", ": {") + ": …" + strings.Repeat("}", 1+strings.Count(rest, ".")), field: head}, true
	}
	word := strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(key))
	if top {
		found = documentAlias(word)
	}
	if found == (alias{}) {
		found = s.ownAlias(word, key)
	}
	if found.field != "" && found.field != anyField && s.byWord[found.field] == nil {
		return alias{}, false
	}
	return found, found.remedy != ""
}

func (s *shape) ownAlias(word, key string) alias {
	switch s.typ {
	case reflect.TypeFor[VM]():
		return vmAlias(word)
	case reflect.TypeFor[Container]():
		return containerAlias(word)
	case reflect.TypeFor[Disk]():
		return diskAlias(word)
	case reflect.TypeFor[NIC]():
		return nicAlias(word)
	case reflect.TypeFor[CPU](), reflect.TypeFor[Memory]():
		return sizeAlias(word)
	case reflect.TypeFor[CloudInit]():
		return cloudInitAlias(word, key)
	case reflect.TypeFor[Site]():
		return siteAlias(word)
	case reflect.TypeFor[StorageClass](), reflect.TypeFor[Network]():
		return planAlias(word)
	}
	if found := newerAlias(s.typ, word); found != (alias{}) {
		return found
	}
	return otherAlias(s.typ, word)
}

// documentAlias knows the frame that other tools put around a document.
func documentAlias(word string) alias {
	switch word {
	case "metadata", "spec", "properties", "resource":
		// Any field may stand in there.
		return alias{remedy: "write name and all other fields beside kind, not below it", field: anyField}
	case "apiversion":
		return instead("take it out")
	case "labels":
		return instead("write tags, which are words alone")
	}
	return alias{}
}

func cloudInitAlias(word, key string) alias {
	switch word {
	case "sshauthorizedkeys", "sshkeys", "keys", "ciuser", "user", "username", "password":
		return write("users")
	case "writefiles":
		return write("files")
	case "runcmd", "bootcmd", "commands", "script":
		return write("run")
	case "packageupdate", "packageupgrade":
		return write("upgrade")
	case "fqdn", "hostname":
		return instead("write hostname at the guest")
	case "network", "networks", "networkconfig", "ipconfig", "ipconfig0":
		return instead("write networks at the guest")
	case "timezone", "locale", "phonehome", "ntp", "mounts", "swap", "growpart", "finalmessage":
		return alias{remedy: "write raw: {" + key + ": …}", field: "raw"}
	}
	return alias{}
}

func siteAlias(word string) alias {
	switch word {
	case "apiurl", "url", "pmapiurl", "host", "hosts", "server", "servers", "address", "api", "fqdn":
		return write("endpoints, as in [https://10.1.1.11:8006]")
	case "tokenid", "apitokenid", "pmapitokenid", "user", "username":
		return write("token: {secret: NAME}")
	case "apitoken", "tokensecret", "apitokensecret", "pmapitokensecret", "password", "secret", "credentials":
		return write("token: {secret: NAME}; if this is the secret itself, it is in Git's history now: revoke it and make a new one")
	case "insecure", "verifyssl", "pmtlsinsecure", "skipverify", "validatecerts", "insecureskipverify":
		return alias{remedy: "write tls: {fingerprint: …}, or {ca: FILE}", field: "tls"}
	case "nodes", "targetnode", "nodename":
		return write("node, the one where guests are made that name none")
	case "bridge", "bridges", "vlans":
		return write("networks, as in {lan: {bridge: vmbr0}}")
	case "datastore", "datastores", "storages":
		return write("storage, as in {fast: {store: local-lvm}}")
	case "vmids", "idrange":
		return write("ids")
	}
	return alias{}
}

// planAlias is for a site's storage classes and networks.
func planAlias(word string) alias {
	switch word {
	case "storage", "pool", "datastore", "datastoreid", "id":
		return write("store")
	case "cidr", "range", "iprange", "network", "prefix":
		return write("subnet")
	case "gw", "defaultgateway":
		return write("gateway")
	case "nameserver", "nameservers", "dnsservers":
		return write("dns")
	case "searchdomain", "domain":
		return write("search")
	case "tag", "vlantag", "vlanid":
		return write("vlan")
	case "dhcprange":
		return write("dhcp")
	case "reservations":
		return write("reserved")
	case "interface", "vmbr":
		return write("bridge")
	}
	return alias{}
}

func otherAlias(typ reflect.Type, word string) alias {
	switch typ {
	case reflect.TypeFor[Playbook]():
		switch word {
		case "playbook", "file", "src", "playbookpath":
			return write("path")
		case "inventory", "limit", "targets", "guests":
			return write("hosts")
		case "extravars", "variables":
			return write("vars")
		case "dependson", "needs":
			return write("after")
		case "remoteuser", "ansibleuser":
			return write("user")
		case "schedule", "cron", "when", "interval":
			return write("runs")
		case "tasks", "roles", "gatherfacts", "handlers", "prerequisites":
			return alias{remedy: "write it into the playbook's own file, and path here", field: "path"}
		}
	case reflect.TypeFor[Image]():
		switch word {
		case "checksum", "hash", "sum", "sha":
			return write("sha256 or sha512")
		case "checksumalgorithm", "checksumtype":
			return instead("take it out, sha256 or sha512 says it")
		case "link", "source", "src", "href":
			return write("url")
		case "filename":
			return write("file")
		case "type", "contenttype":
			return write("content")
		}
	case reflect.TypeFor[User]():
		switch word {
		case "sshkeys", "sshauthorizedkeys", "authorizedkeys", "publickey", "publickeys", "sshpublickeys":
			return write("keys")
		case "username", "login", "user":
			return write("name")
		case "password", "passwd", "hashedpasswd":
			return instead("a User has keys alone: take it out")
		}
	case reflect.TypeFor[Host]():
		switch word {
		case "ip", "ipaddress", "ansiblehost", "host", "hostname", "fqdn":
			return write("address")
		case "user", "ansibleuser", "port":
			return write("ssh")
		}
	}
	return alias{}
}
