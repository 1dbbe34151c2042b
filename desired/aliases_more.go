package desired

import "reflect"

// newerAlias knows the words of data VMs, templates, secrets and approvals.
func newerAlias(typ reflect.Type, word string) alias {
	switch typ {
	case reflect.TypeFor[DataVM]():
		return dataAlias(word)
	case reflect.TypeFor[Template]():
		switch word {
		case "tag", "id", "vmid", "search", "source", "clone", "from":
			return write("find, as in {tag: NAME}")
		}
	case reflect.TypeFor[SecretPlace]():
		switch word {
		case "value", "password", "token", "content", "contents", "data", "stringdata", "text", "secret", "key", "apitoken", "privatekey":
			return alias{remedy: "a Secret says where a secret is, never what: write age, sops, vault, file, credential, env or generate; " + revoke, field: "file"}
		case "path", "filename", "src", "from":
			return write("file")
		case "environment", "variable", "envvar":
			return write("env")
		}
	case reflect.TypeFor[PlaybookGit]():
		switch word {
		case "branch", "tag", "commit", "version", "revision", "rev":
			return write("ref")
		case "repo", "repository", "remote":
			return write("url")
		}
	case reflect.TypeFor[Approval]():
		switch word {
		case "name", "id":
			return instead("what it allows is its name: take it out")
		case "expires", "expiry", "ends", "end", "validuntil", "notafter":
			return write("until")
		case "reason", "comment", "because":
			return write("why")
		case "action", "verb", "permit", "approve", "resource", "target":
			return write("allow, as in delete vm/NAME")
		}
	}
	return alias{}
}

// dataAlias is for what virtual machines have and data VMs do not.
func dataAlias(word string) alias {
	switch word {
	case "state", "started", "running", "status", "onboot", "startup", "autostart", "startonboot":
		return instead("a data VM is never started: take it out")
	case "cpu", "cores", "memory", "ram", "networks", "network", "cloudinit", "image", "clone", "agent", "boot", "uses", "ready", "expose":
		return instead("a data VM holds disks and nothing else: take it out")
	case "vmid":
		return write("id")
	case "volumes", "disk", "drives":
		return write("disks, as in {scsi0: {name: srv, storage: NAME, size: 8GiB}}")
	case "nodename", "targetnode":
		return write("node")
	}
	return alias{}
}
