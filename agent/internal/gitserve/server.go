// Package gitserve is a small Git server over smart HTTP, for the demo and for tests.
//
// It speaks protocol version 0 with real Git clients and needs no git program itself.
// Shallow and partial clones are not offered.
package gitserve

import (
	"bytes"
	"compress/gzip"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	git "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/storage"
)

// DefaultBranch is the branch that a new repository's HEAD names and that Commit writes to.
const DefaultBranch = "main"

const (
	uploadPack  = "git-upload-pack"
	receivePack = "git-receive-pack"

	// maxBody bounds what one push may carry, before and after decompression.
	maxBody = 256 << 20
)

// Server serves one bare repository, whatever the path in front of Git's own
// endpoints: http://host/fleet.git and http://host are the same repository.
// Its fields are set before the first request and not changed afterwards.
type Server struct {
	// Token, if set, must be the password of HTTP basic authentication (any user
	// name) or a bearer token, for reading as for pushing.
	Token string
	// OnPush is called after a branch or tag moved by a push; hash is zeros when it was deleted.
	// It is called before the pusher gets its answer, and must not push itself.
	OnPush func(ref, hash string)

	// mu guards the storage: go-git's is not safe for concurrent use.
	mu    sync.Mutex
	store storage.Storer
}

// New opens the bare repository in dir, and makes it if dir does not exist or is empty.
func New(dir string) (*Server, error) {
	repo, err := git.PlainInitWithOptions(dir, &git.PlainInitOptions{
		Bare:        true,
		InitOptions: git.InitOptions{DefaultBranch: plumbing.NewBranchReferenceName(DefaultBranch)},
	})
	if errors.Is(err, git.ErrRepositoryAlreadyExists) {
		repo, err = git.PlainOpen(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("open bare repository %s: %w", dir, err)
	}
	return &Server{store: repo.Storer}, nil
}

// ServeHTTP answers Git's smart HTTP requests.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.allowed(r) {
		w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
		http.Error(w, "authentication required", http.StatusUnauthorized)
		return
	}
	w.Header().Set("Cache-Control", "no-cache")
	var service string
	var serve func([]byte) ([]byte, error)
	switch {
	case r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/info/refs"):
		service = r.URL.Query().Get("service")
		if service != uploadPack && service != receivePack {
			http.Error(w, "only smart HTTP is served here", http.StatusForbidden)
			return
		}
		answer, err := s.advertise(service, []byte("# service="+service), pktline.Flush)
		reply(w, "application/x-"+service+"-advertisement", answer, err)
		return
	case r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/"+uploadPack):
		service, serve = uploadPack, s.upload
	case r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/"+receivePack):
		service, serve = receivePack, s.receive
	default:
		http.NotFound(w, r)
		return
	}
	body, err := readBody(w, r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer, err := serve(body)
	reply(w, "application/x-"+service+"-result", answer, err)
}

func reply(w http.ResponseWriter, contentType string, body []byte, err error) {
	var bad *badRequestError
	switch {
	case errors.As(err, &bad):
		http.Error(w, bad.Error(), http.StatusBadRequest)
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	default:
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write(body) // The client has gone; there is nobody to tell.
	}
}

// badRequestError is a request that breaks the protocol.
type badRequestError struct{ reason string }

func (e *badRequestError) Error() string { return e.reason }

func (s *Server) allowed(r *http.Request) bool {
	if s.Token == "" {
		return true
	}
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		_, given, _ = r.BasicAuth()
	}
	return subtle.ConstantTimeCompare([]byte(given), []byte(s.Token)) == 1
}

// readBody reads the whole request before the storage is locked, so that a slow
// client holds up nobody. Git compresses its larger negotiation requests.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	var body io.Reader = http.MaxBytesReader(w, r.Body, maxBody)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(body)
		if err != nil {
			return nil, fmt.Errorf("decompress request: %w", err)
		}
		body = io.LimitReader(unzipped, maxBody)
	}
	raw, err := io.ReadAll(body)
	if err != nil {
		return nil, fmt.Errorf("read request: %w", err)
	}
	return raw, nil
}

// advertise lists the references, HEAD first, after the lines that HTTP has in front.
func (s *Server) advertise(service string, prefix ...[]byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	adv := packp.NewAdvRefs()
	adv.Prefix = prefix
	refs, err := s.refs()
	if err != nil {
		return nil, err
	}
	for name, hash := range refs {
		adv.References[name.String()] = hash
		// A client can't tell otherwise which commit an annotated tag is of.
		if tag, err := object.GetTag(s.store, hash); err == nil && service == uploadPack {
			adv.Peeled[name.String()] = tag.Target
		}
	}
	capabilities := [][2]string{{"agent", "berth-gitserve"}, {"ofs-delta"}}
	if service == receivePack {
		// A thin pack leans on objects of ours, which go-git's index builder does not resolve.
		capabilities = append(capabilities, [2]string{"report-status"}, [2]string{"delete-refs"}, [2]string{"no-thin"})
	} else {
		// Real clients negotiate over stateless HTTP only with multi_ack_detailed.
		capabilities = append(capabilities, [2]string{"multi_ack_detailed"})
		head, err := s.store.Reference(plumbing.HEAD)
		if err != nil {
			return nil, fmt.Errorf("read HEAD: %w", err)
		}
		if tip, ok := refs[head.Target()]; ok {
			adv.Head = &tip
			capabilities = append(capabilities, [2]string{"symref", "HEAD:" + head.Target().String()})
		}
	}
	for _, c := range capabilities {
		var values []string
		if c[1] != "" {
			values = append(values, c[1])
		}
		if err := adv.Capabilities.Set(capability.Capability(c[0]), values...); err != nil {
			return nil, fmt.Errorf("advertise %s: %w", c[0], err)
		}
	}
	var out bytes.Buffer
	if err := adv.Encode(&out); err != nil {
		return nil, fmt.Errorf("encode references: %w", err)
	}
	return out.Bytes(), nil
}

// refs returns every reference that names an object directly.
func (s *Server) refs() (map[plumbing.ReferenceName]plumbing.Hash, error) {
	iter, err := s.store.IterReferences()
	if err != nil {
		return nil, fmt.Errorf("list references: %w", err)
	}
	refs := map[plumbing.ReferenceName]plumbing.Hash{}
	err = iter.ForEach(func(ref *plumbing.Reference) error {
		if ref.Type() == plumbing.HashReference {
			refs[ref.Name()] = ref.Hash()
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list references: %w", err)
	}
	return refs, nil
}
