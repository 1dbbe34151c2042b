package gitserve

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/revlist"
)

// deltaWindow is how many objects the encoder compares each one with; git's own default.
const deltaWindow = 10

// errNothingWanted is a request without wants.
var errNothingWanted = &badRequestError{"the request wants nothing"}

// negotiation is one upload-pack request: what the client wants and has.
type negotiation struct {
	wants, common      []plumbing.Hash
	detailed, ofsDelta bool // The client understands multi_ack_detailed, offset deltas.
	flushed, done      bool // Haves ended with a flush; the client has said "done".
}

// UploadPack serves one fetch over a connection that goes both ways, as over SSH: the
// references, what the client asks for, the pack. A client that only looks sends a
// flush or closes its end.
func (s *Server) UploadPack(in io.Reader, out io.Writer) error {
	answer, err := s.advertise(uploadPack)
	if err != nil {
		return err
	}
	if _, err := out.Write(answer); err != nil {
		return fmt.Errorf("send references: %w", err)
	}
	err = s.converse(in, out)
	if errors.Is(err, errNothingWanted) {
		return nil
	}
	return err
}

// upload answers a fetch over HTTP: acknowledgements while the client still negotiates, then the pack.
func (s *Server) upload(body []byte) ([]byte, error) {
	var out bytes.Buffer
	if err := s.converse(bytes.NewReader(body), &out); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// converse negotiates, and sends the pack once the client is done with it.
// Protocol: gitprotocol-pack(5), gitprotocol-http(5).
func (s *Server) converse(in io.Reader, out io.Writer) error {
	pkt := pktline.NewEncoder(out)
	n, err := s.negotiate(in, pkt)
	if err != nil || !n.done {
		return err
	}
	switch {
	case len(n.common) == 0:
		err = pkt.EncodeString("NAK\n")
	case n.detailed:
		err = pkt.Encodef("ACK %s\n", n.common[len(n.common)-1])
	}
	if err != nil {
		return fmt.Errorf("encode acknowledgement: %w", err)
	}
	pack, err := s.pack(n)
	if err != nil {
		return err
	}
	if _, err := out.Write(pack); err != nil {
		return fmt.Errorf("send pack: %w", err)
	}
	return nil
}

// pack is made as a whole, lest a slow client keeps the storage locked.
func (s *Server) pack(n negotiation) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	have, err := revlist.Objects(s.store, n.common, nil)
	if err != nil {
		return nil, fmt.Errorf("list objects the client has: %w", err)
	}
	send, err := revlist.Objects(s.store, n.wants, have)
	if err != nil {
		return nil, fmt.Errorf("list objects to send: %w", err)
	}
	var pack bytes.Buffer
	if _, err := packfile.NewEncoder(&pack, s.store, !n.ofsDelta).Encode(send, deltaWindow); err != nil {
		return nil, fmt.Errorf("encode pack: %w", err)
	}
	return pack.Bytes(), nil
}

// negotiate reads the request's lines and writes the acknowledgements that belong between them.
func (s *Server) negotiate(in io.Reader, pkt *pktline.Encoder) (negotiation, error) {
	var n negotiation
	lines := pktline.NewScanner(in)
	for !n.done && lines.Scan() {
		line := strings.TrimSuffix(string(lines.Bytes()), "\n")
		verb, rest, _ := strings.Cut(line, " ")
		switch verb {
		case "": // A flush ends the wants, then each batch of haves.
			if len(n.wants) == 0 {
				return n, errNothingWanted
			}
			if !n.flushed {
				n.flushed = true
				continue
			}
			if len(n.common) == 0 || n.detailed {
				if err := pkt.EncodeString("NAK\n"); err != nil {
					return n, fmt.Errorf("encode acknowledgement: %w", err)
				}
			}
		case "want":
			hash, capabilities, _ := strings.Cut(rest, " ")
			want, err := s.object(hash)
			if err != nil {
				return n, err
			}
			n.wants = append(n.wants, want)
			for c := range strings.FieldsSeq(capabilities) {
				n.detailed = n.detailed || c == "multi_ack_detailed"
				n.ofsDelta = n.ofsDelta || c == "ofs-delta"
			}
		case "have":
			have, err := s.object(rest)
			if err != nil {
				continue // The client has what we lack; that is no mistake.
			}
			n.common = append(n.common, have)
			if n.detailed {
				err = pkt.Encodef("ACK %s common\n", have)
			} else if len(n.common) == 1 {
				err = pkt.Encodef("ACK %s\n", have)
			}
			if err != nil {
				return n, fmt.Errorf("encode acknowledgement: %w", err)
			}
		case "done":
			n.done = true
		default:
			return n, &badRequestError{fmt.Sprintf("not served here: %q", verb)}
		}
	}
	if err := lines.Err(); err != nil {
		return n, &badRequestError{fmt.Sprintf("read request: %v", err)}
	}
	if len(n.wants) == 0 {
		return n, errNothingWanted
	}
	return n, nil
}

func (s *Server) object(hash string) (plumbing.Hash, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := plumbing.NewHash(hash)
	if !plumbing.IsHash(hash) || s.store.HasEncodedObject(h) != nil {
		return plumbing.ZeroHash, &badRequestError{fmt.Sprintf("no such object: %q", hash)}
	}
	return h, nil
}
