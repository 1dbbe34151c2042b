package checkout

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode"
)

const (
	// sshUser logs in where the address names nobody: all forges take it. The name of
	// whoever runs the agent, which ssh would take, must not matter to a service.
	sshUser = "git"
	sshPort = "22"
)

// sshAddress is where an SSH repository is.
type sshAddress struct {
	user, host, port string
	// path is what the server's Git is told: relative to the user's home unless it
	// begins with a slash.
	path string
}

// errSSHPassword repeats nothing of the address.
var errSSHPassword = errors.New("repository URL: it holds a password; remove it: over SSH the agent shows a key, repository.ssh.key of the settings")

// parseSSH reads an ssh:// address.
func parseSSH(u *url.URL) (sshAddress, error) {
	if _, has := u.User.Password(); has {
		return sshAddress{}, errSSHPassword
	}
	if u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return sshAddress{}, errors.New("repository URL: an SSH address has no query or fragment; remove it, or write ? as %3F and # as %23")
	}
	a := sshAddress{user: u.User.Username(), host: u.Hostname(), port: u.Port(), path: u.Path}
	return a.settle()
}

// parseSCP reads the short form, user@host:path. Its path may be relative to the user's home.
func parseSCP(raw string) (sshAddress, error) {
	var a sshAddress
	at := strings.IndexAny(raw, "@:[/")
	if at >= 0 && raw[at] == '@' {
		a.user, raw = raw[:at], raw[at+1:]
	}
	host, path, ok := strings.Cut(raw, ":")
	if strings.HasPrefix(raw, "[") {
		host, path, ok = strings.Cut(raw[1:], "]:")
	}
	if !ok {
		return a, errors.New("repository URL: write git@host:path.git, or ssh://git@host:port/path.git")
	}
	if first, _, _ := strings.Cut(path, "/"); strings.Contains(first, "@") {
		return a, errSSHPassword // user:password@host: has been taken apart wrongly.
	}
	a.host, a.path = host, path
	return a.settle()
}

// settle checks an address and gives it its canonical form.
func (a sshAddress) settle() (sshAddress, error) {
	if a.user == "" {
		a.user = sshUser
	}
	if a.user[0] == '-' || strings.ContainsFunc(a.user, notInUser) {
		return a, errors.New("repository URL: its user name has characters that no user name has")
	}
	a.host = strings.ToLower(a.host)
	if a.host == "" {
		return a, errors.New("repository URL: the host is missing")
	}
	_, err := netip.ParseAddr(a.host)
	if err != nil && (a.host[0] == '-' || strings.ContainsFunc(a.host, func(r rune) bool {
		return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune(".-_", r)
	})) {
		return a, errors.New("repository URL: its host is no host name or address")
	}
	if a.port == "" {
		a.port = sshPort
	}
	port, err := strconv.ParseUint(a.port, 10, 16)
	if err != nil || port == 0 {
		return a, errors.New("repository URL: its port is no number from 1 to 65535")
	}
	a.port = strconv.FormatUint(port, 10)
	a.path = strings.TrimRight(a.path, "/")
	if strings.HasPrefix(a.path, "/~") {
		a.path = a.path[1:] // As git does: ssh://host/~ann/fleet.git is below Ann's home.
	}
	switch {
	case a.path == "":
		return a, errors.New("repository URL: the path of the repository is missing")
	case a.path[0] == '-' || strings.ContainsFunc(a.path, unicode.IsControl) || strings.ToValidUTF8(a.path, "") != a.path:
		return a, errors.New("repository URL: its path begins with - or holds control characters")
	}
	return a, nil
}

// notInUser tells of what an ssh:// address can't hold in a user's name as it is
// (RFC 3986, 3.2.1): it could not be read again.
func notInUser(r rune) bool {
	return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-._~!$&'()*+,;=", r)
}

// String is the one form that two spellings of the same address share. A path below
// the user's home and one from the root on may be different repositories, and stay so.
func (a sshAddress) String() string {
	if a.path[0] != '/' && a.path[0] != '~' {
		host := a.host
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		return a.user + "@" + host + ":" + a.path
	}
	host := net.JoinHostPort(a.host, a.port)
	if a.port == sshPort {
		host = strings.TrimSuffix(host, ":"+sshPort)
	}
	host = strings.ReplaceAll(host, "%", "%25") // An IPv6 zone.
	return "ssh://" + a.user + "@" + host + (&url.URL{Path: "/" + strings.TrimPrefix(a.path, "/")}).EscapedPath()
}

// hostPort is the address to dial, and the one that known hosts are looked up by.
func (a sshAddress) hostPort() string { return net.JoinHostPort(a.host, a.port) }

// ssh reports whether a settled source is reached over SSH.
func (s Source) ssh() bool {
	return strings.HasPrefix(s.URL, "ssh://") || !strings.Contains(s.URL, "://")
}

// sshAddress takes a settled SSH URL apart.
func (s Source) sshAddress() (sshAddress, error) {
	if !strings.HasPrefix(s.URL, "ssh://") {
		return parseSCP(s.URL)
	}
	u, err := url.Parse(s.URL)
	if err != nil {
		return sshAddress{}, errors.New("repository URL: it cannot be parsed")
	}
	return parseSSH(u)
}
