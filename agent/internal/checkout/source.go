package checkout

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
)

// Source says where the manifests come from.
type Source struct {
	// URL is a directory, a file:// URL, an http(s) URL, or an SSH address: ssh://user@host:port/path
	// or user@host:path. It carries no credentials.
	URL string
	// Branch is the branch that is followed. It is always named, never guessed.
	Branch string
	// Path is the folder of the repository that holds the manifests; empty means all of it.
	Path string
	// TokenFile holds the access token for an http(s) URL; empty means none is sent. It is
	// read at every fetch, so that a renewed token needs no restart, and must be closed to
	// other users.
	TokenFile string
	// CAFile holds PEM certificates that are trusted besides the system's; read at every fetch.
	CAFile string
	// SSH is how an SSH address is reached, and nil for any other.
	SSH *SSH
	// Verify says which commits must be signed; nil asks it of none.
	Verify *Verify
	// AllowRewrite accepts a branch whose history no longer contains the accepted commit.
	AllowRewrite bool
	// Timeout is how long the server may be silent; zero means a minute. A whole fetch
	// ends after half an hour, whatever happens.
	Timeout time.Duration
	// MaxFile and MaxTotal bound one file and all files that are read of a commit, in bytes;
	// zero means 1 MiB and 64 MiB.
	MaxFile, MaxTotal int64

	// anyRef and token are those of a [Library]: Branch may be a tag or a commit as
	// well, and an http(s) URL's token is read where it lies.
	anyRef bool
	token  Credential
	// anyName is that of [Repo.Propose]: Branch may be any reference, by its full name.
	anyName bool
}

// FieldError is what is wrong with a setting of a source.
type FieldError struct {
	// Field is where it stands below `repository`, as in "verify.gpgKeys.0".
	Field string
	Err   error
}

// Error says what is wrong.
func (e *FieldError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *FieldError) Unwrap() error { return e.Err }

const (
	defaultTimeout  = time.Minute
	defaultMaxFile  = 1 << 20
	defaultMaxTotal = 64 << 20
)

// ID is what makes a source this one and no other. The zero value is no source.
type ID struct {
	URL    string `json:"url"`
	Branch string `json:"branch"`
	Path   string `json:"path"` // "." for the whole repository.
}

// String names the source for people.
func (id ID) String() string {
	s := id.URL + " branch " + id.Branch
	if id.Path != "." {
		s += " path " + id.Path
	}
	return s
}

// settle checks a source and gives every field its canonical form or default.
func (s Source) settle() (Source, error) {
	var err error
	if s.URL, err = canonicalURL(s.URL); err != nil {
		return s, &FieldError{"url", err}
	}
	if s.Branch == "" {
		return s, &FieldError{"branch", errors.New("repository branch: missing; name the branch to follow")}
	}
	if err := plumbing.NewBranchReferenceName(s.Branch).Validate(); err != nil {
		return s, &FieldError{"branch", fmt.Errorf("repository branch %q: %w; give it without refs/heads/", s.Branch, err)}
	}
	s.Path = path.Clean(strings.Trim(s.Path, "/"))
	if !fs.ValidPath(s.Path) {
		return s, &FieldError{"path", fmt.Errorf("repository path %q: it leaves the repository", s.Path)}
	}
	if (s.local() || s.ssh()) && (s.TokenFile != "" || s.CAFile != "") {
		field := "token"
		if s.TokenFile == "" {
			field = "ca"
		}
		return s, &FieldError{field, fmt.Errorf("repository %s: a token or CA file is only for http(s) URLs; remove it", s.URL)}
	}
	if field, err := s.settleSSH(); err != nil {
		return s, &FieldError{field, fmt.Errorf("repository %s: %w", s.URL, err)}
	}
	if s.Timeout <= 0 {
		s.Timeout = defaultTimeout
	}
	if s.MaxFile <= 0 {
		s.MaxFile = defaultMaxFile
	}
	if s.MaxTotal <= 0 {
		s.MaxTotal = defaultMaxTotal
	}
	return s, nil
}

func (s Source) id() ID { return ID{URL: s.URL, Branch: s.Branch, Path: s.Path} }

// local reports whether a settled source is a directory on this machine.
func (s Source) local() bool { return strings.HasPrefix(s.URL, "file://") }

// dir is the directory of a local source.
func (s Source) dir() (string, error) {
	u, err := url.Parse(s.URL)
	if err != nil {
		return "", fmt.Errorf("parse repository URL: %w", err)
	}
	return u.Path, nil
}

func fileURL(dir string) string { return (&url.URL{Scheme: "file", Path: dir}).String() }

// exposesToken reports whether the token would travel readable by others.
func (s Source) exposesToken() bool {
	u, err := url.Parse(s.URL)
	if err != nil || s.TokenFile == "" || u.Scheme != "http" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback())
}

// canonicalURL gives two spellings of one address the same form. Its errors
// repeat no part of the address that may hold a credential.
func canonicalURL(raw string) (string, error) {
	if raw == "" {
		return "", errors.New("repository URL: missing")
	}
	if !strings.Contains(raw, "://") {
		// git@host:path is how ssh remotes are commonly written.
		if before, _, scp := strings.Cut(raw, ":"); scp && !strings.Contains(before, "/") {
			address, err := parseSCP(raw)
			if err != nil {
				return "", err
			}
			return address.String(), nil
		}
		abs, err := filepath.Abs(raw)
		if err != nil {
			return "", fmt.Errorf("repository URL: %w", err)
		}
		return fileURL(abs), nil
	}
	u, err := url.Parse(raw)
	if err != nil {
		return "", errors.New("repository URL: it cannot be parsed (not shown, as it may hold a credential)")
	}
	switch u.Scheme {
	case "file":
		if u.Host != "" || !path.IsAbs(u.Path) {
			return "", errors.New("repository URL: a file URL has three slashes and a full path: file:///srv/git/fleet.git")
		}
		return fileURL(path.Clean(u.Path)), nil
	case "http", "https":
	case "ssh", "git+ssh", "ssh+git":
		address, err := parseSSH(u)
		if err != nil {
			return "", err
		}
		return address.String(), nil
	default:
		return "", errors.New("repository URL: its scheme is not supported; use https://, http://, ssh:// or a directory")
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("repository URL: it holds a user name, password or query; remove it and put the token into a token file")
	}
	if u.Host == "" {
		return "", errors.New("repository URL: the host is missing")
	}
	u.Host = strings.ToLower(u.Host)
	return u.Scheme + "://" + u.Host + strings.TrimRight(u.EscapedPath(), "/"), nil
}
