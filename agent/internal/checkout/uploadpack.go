package checkout

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"golang.org/x/crypto/ssh"
)

// parting is how long Git on the server is given to end, and to say why it did.
const parting = time.Second

// uploadPack is Git on the server's side of an SSH connection. Protocol: gitprotocol-pack(5).
type uploadPack struct {
	in     io.WriteCloser
	out    *heeded
	words  *firstWords   // What it says to people.
	exited chan struct{} // Closed when it has exited; exit is why, then.
	exit   error
	refs   *packp.AdvRefs
}

func startUploadPack(client *ssh.Client, path string, heard func()) (*uploadPack, error) {
	remote, err := client.NewSession()
	if err != nil {
		return nil, err
	}
	words := &firstWords{}
	remote.Stderr = words
	in, err := remote.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := remote.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := remote.Start("git-upload-pack " + quoted(path)); err != nil {
		return nil, err
	}
	u := &uploadPack{in: in, words: words, out: &heeded{from: out, heard: heard, left: maxPack}, exited: make(chan struct{})}
	go func() { // It ends with the connection at the latest.
		u.exit = remote.Wait()
		close(u.exited)
	}()
	return u, nil
}

// quoted makes a path one word for a shell, in the way that git itself does.
func quoted(path string) string {
	return "'" + strings.NewReplacer("'", `'\''`, "!", `'\!'`).Replace(path) + "'"
}

// fetch asks for commits or tags with all that they need and that the haves do not bring,
// and stores them.
func (u *uploadPack) fetch(wants, haves []plumbing.Hash, into storer.Storer) error {
	req, err := packRequest(u.refs, wants, haves)
	if err != nil {
		return err
	}
	if err := req.UploadRequest.Encode(u.in); err != nil {
		return fmt.Errorf("send request: %w", err)
	}
	if err := req.UploadHaves.Encode(u.in, false); err != nil {
		return fmt.Errorf("send request: %w", err)
	}
	if err := pktline.NewEncoder(u.in).EncodeString("done\n"); err != nil {
		return fmt.Errorf("send request: %w", err)
	}
	answer := packp.NewUploadPackResponse(req)
	if err := answer.Decode(io.NopCloser(u.out)); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	return storePack(answer, req, into)
}

// leave ends Git on the server without a complaint in its log.
func (u *uploadPack) leave() {
	go func() { // A server that takes no more input holds nobody up: the connection is closed next.
		_, _ = u.in.Write(pktline.FlushPkt) // It means: nothing more is wanted.
		_ = u.in.Close()
	}()
	select {
	case <-u.exited:
	case <-time.After(parting):
	}
}

// refusal adds to an error what the server had to say about it.
func (u *uploadPack) refusal(err error) error {
	out := &refusedError{err: err}
	select {
	case <-u.exited:
		// What a login shell says in Git's place.
		_, _ = io.CopyN(io.Discard, u.out, maxForeign)
		if status, ok := errors.AsType[*ssh.ExitError](u.exit); ok {
			out.status, out.exit = status.ExitStatus(), status.Error()
		}
	case <-time.After(parting):
	}
	out.words = u.words.String()
	if u.refs == nil {
		out.said = u.out.first.String()
	}
	if said, ok := errors.AsType[*pktline.ErrorLine](err); ok {
		out.words = said.Text + " " + out.words
	}
	return out
}

// refusedError is an answer of Git on the server that was not what it should be.
type refusedError struct {
	err    error
	words  string // What it said to people; may be empty.
	said   string // The beginning of what it said in the place of its references.
	status int    // What it exited with; 0 if it did not.
	exit   string // The same for people; may be empty.
}

func (e *refusedError) Error() string { return e.err.Error() }

func (e *refusedError) Unwrap() error { return e.err }

// heeded tells whenever something was read, keeps its beginning, and bounds the whole.
type heeded struct {
	from  io.Reader
	first firstWords
	heard func()
	left  int64
}

func (h *heeded) Read(p []byte) (int, error) {
	if h.left <= 0 {
		return 0, fmt.Errorf("the answer exceeds %d bytes", int64(maxPack))
	}
	if int64(len(p)) > h.left {
		p = p[:h.left]
	}
	n, err := h.from.Read(p)
	h.left -= int64(n)
	if n > 0 {
		_, _ = h.first.Write(p[:n]) // It never fails.
		h.heard()
	}
	return n, err
}

// firstWords keeps the beginning of what is written to it.
type firstWords struct {
	mu   sync.Mutex
	text []byte
}

// Write implements io.Writer.
func (w *firstWords) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text = append(w.text, p[:min(len(p), maxErrorBody-len(w.text))]...)
	return len(p), nil
}

func (w *firstWords) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.text)
}
