package seed

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"berth/desired"
)

// guestAgent is the package whose service has to be started, since it was
// installed after the boot that would have started it.
const guestAgent = "qemu-guest-agent"

// languageHas says what to write in place of a key of user-data that the
// language makes, or that would undo what it says; "" for all other keys. Older
// names for the same are among them.
func languageHas(key string) (remedy string) {
	switch key {
	case "hostname", "fqdn", "preserve_hostname":
		return "write hostname at the guest"
	case "manage_etc_hosts":
		return "it is always on"
	case "users", "user", "ssh_authorized_keys":
		return "write cloudInit.users"
	case "ssh_import_id":
		return "write importKeys at a User"
	case "packages":
		return "write cloudInit.packages"
	case "package_update", "package_upgrade", "apt_update", "apt_upgrade":
		return "write cloudInit.upgrade"
	case "apt_sources":
		return "write cloudInit.apt"
	case "write_files":
		return "write cloudInit.files"
	case "runcmd":
		return "write cloudInit.run"
	case "ca_certs", "ca-certs":
		return "write cloudInit.caCerts"
	case "power_state":
		return "write cloudInit.reboot"
	}
	return ""
}

// userData composes what cloud-init does at first boot. The keys stand in the
// order in which it does them.
func userData(in Input) (mapping, error) {
	var doc mapping
	short, _, domain := strings.Cut(in.Hostname, ".")
	doc.add("hostname", short)
	doc.addIf(domain, "fqdn", in.Hostname)
	doc.add("manage_etc_hosts", true)
	ci := in.CloudInit
	if ci == nil {
		boot, err := bootCommands(in.Mounts, nil)
		doc.addIf(len(boot) > 0, "bootcmd", boot)
		return doc, err
	}
	raw := maps.Clone(ci.Raw)
	if _, own := raw["ssh_deletekeys"]; in.Rerun && !own {
		// cloud-init makes new host keys for what it takes for a new machine.
		doc.add("ssh_deletekeys", false)
	}
	boot, err := bootCommands(in.Mounts, raw["bootcmd"])
	if err != nil {
		return doc, err
	}
	delete(raw, "bootcmd")
	doc.addIf(len(boot) > 0, "bootcmd", boot)
	users, err := usersOf(ci.Users)
	if err != nil {
		return doc, err
	}
	// Without the key cloud-init makes the image's own user, as the image has it.
	doc.addIf(len(users) > 0, "users", users)
	doc.addIf(len(ci.CAPEMs) > 0, "ca_certs", map[string]any{"trusted": []string(ci.CAPEMs)})
	files, err := filesOf(ci)
	if err != nil {
		return doc, err
	}
	doc.addIf(len(files) > 0, "write_files", files)
	apt, err := aptOf(ci.Apt, raw["apt"])
	if err != nil {
		return doc, err
	}
	delete(raw, "apt")
	doc.addIf(len(apt) > 0, "apt", apt)
	packages := slices.Compact(slices.Sorted(slices.Values(ci.Packages)))
	// An image's package lists are as old as the image, or empty.
	doc.addIf(ci.Upgrade || len(packages) > 0, "package_update", true)
	doc.addIf(ci.Upgrade, "package_upgrade", true)
	doc.addIf(len(packages) > 0, "packages", packages)
	run, err := runOf(ci.Run)
	if err != nil {
		return doc, err
	}
	if slices.Contains(packages, guestAgent) {
		run = append(run, []string{"systemctl", "start", guestAgent})
	}
	doc.addIf(len(run) > 0, "runcmd", run)
	for _, key := range slices.Sorted(maps.Keys(raw)) {
		if remedy := languageHas(key); remedy != "" {
			return doc, fmt.Errorf("cloudInit.raw.%s: the language has this: %s", key, remedy)
		}
		doc.add(key, raw[key])
	}
	if ci.Reboot {
		// This module is cloud-init's last, whatever else there is.
		var reboot mapping
		reboot.add("mode", "reboot")
		reboot.add("message", "cloud-init is done: the first boot ends with a reboot")
		doc.add("power_state", reboot)
	}
	return doc, nil
}

// usersOf lists the users. The image's own user keeps what the image gives it:
// cloud-init joins an entry with its name, if there is one, to "default".
func usersOf(all []desired.CloudUser) ([]any, error) {
	var users []any
	if slices.ContainsFunc(all, func(u desired.CloudUser) bool { return u.User == nil }) {
		users = append(users, "default")
	}
	for i, u := range all {
		if u.Name == "" {
			return nil, fmt.Errorf("cloudInit.users: user %d has no name", i+1)
		}
		var entry mapping
		entry.add("name", u.Name)
		if u.User == nil {
			entry.addIf(len(u.Keys) > 0, "ssh_authorized_keys", []string(u.Keys))
			users = append(users, entry)
			continue
		}
		keys := slices.Concat(u.User.Keys, u.Keys)
		entry.addIf(len(keys) > 0, "ssh_authorized_keys", []string(dedupe(keys)))
		entry.addIf(len(u.User.ImportKeys) > 0, "ssh_import_id", []string(u.User.ImportKeys))
		switch u.User.Sudo {
		case "", "false":
		case "true":
			entry.add("sudo", "ALL=(ALL) NOPASSWD:ALL")
		default:
			entry.add("sudo", u.User.Sudo)
		}
		shell := u.User.Shell
		if shell == "" {
			shell = "/bin/bash"
		}
		entry.add("shell", shell)
		entry.addIf(len(u.User.Groups) > 0, "groups", []string(u.User.Groups))
		entry.add("lock_passwd", true)
		users = append(users, entry)
	}
	return users, nil
}

func dedupe(list desired.List) desired.List {
	var out desired.List
	for _, word := range list {
		if !slices.Contains(out, word) {
			out = append(out, word)
		}
	}
	return out
}

// aptOf joins the sources to what raw says about apt otherwise.
func aptOf(sources map[string]desired.AptSource, raw any) (map[string]any, error) {
	apt := make(map[string]any)
	if raw != nil {
		more, ok := raw.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("cloudInit.raw.apt: it is a %T, write a map", raw)
		}
		if _, taken := more["sources"]; taken {
			return nil, errors.New("cloudInit.raw.apt.sources: the language has this: write cloudInit.apt")
		}
		maps.Copy(apt, more)
	}
	if len(sources) == 0 {
		return apt, nil
	}
	list := make(map[string]any)
	for name, s := range sources {
		var entry mapping
		entry.addIf(s.Source != "", "source", s.Source)
		entry.addIf(s.KeyID != "", "keyid", s.KeyID)
		entry.addIf(s.Key != "", "key", s.Key)
		if len(entry.keys) == 0 {
			return nil, fmt.Errorf("cloudInit.apt.%s: it says nothing: write source, and keyid or key", name)
		}
		list[name] = entry
	}
	apt["sources"] = list
	return apt, nil
}

// filesOf lists the files by path.
func filesOf(ci *desired.CloudInit) ([]mapping, error) {
	var files []mapping
	for _, path := range slices.Sorted(maps.Keys(ci.Files)) {
		if !strings.HasPrefix(path, "/") {
			return nil, fmt.Errorf("cloudInit.files[%s]: write the whole path, from /", path)
		}
		f := ci.Files[path]
		var entry mapping
		entry.add("path", path)
		if plain(f.Content) {
			entry.add("content", f.Content)
		} else {
			entry.add("encoding", "b64")
			entry.add("content", base64.StdEncoding.EncodeToString([]byte(f.Content)))
		}
		entry.addIf(f.Mode != "", "permissions", f.Mode)
		entry.addIf(f.Owner != "", "owner", f.Owner)
		entry.addIf(f.Append, "append", true)
		// Files are written before users are made, and one unknown owner loses
		// all files: those of the seed's own users have to come later.
		entry.addIf(f.Defer || ownedByUser(f.Owner, ci.Users), "defer", true)
		files = append(files, entry)
	}
	return files, nil
}

func ownedByUser(owner string, users []desired.CloudUser) bool {
	user, group, _ := strings.Cut(owner, ":")
	return slices.ContainsFunc(users, func(u desired.CloudUser) bool {
		return u.Name != "root" && (u.Name == user || u.Name == group)
	})
}

func runOf(commands []desired.Command) ([]any, error) {
	var run []any
	for i, c := range commands {
		switch {
		case len(c.Args) > 0:
			run = append(run, c.Args)
		case c.Shell != "":
			run = append(run, c.Shell)
		default:
			return nil, fmt.Errorf("cloudInit.run: command %d is empty", i+1)
		}
	}
	return run, nil
}
