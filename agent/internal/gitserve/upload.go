package gitserve

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/revlist"
)

// deltaWindow is how many objects the encoder compares each one with; git's own default.
const deltaWindow = 10

// negotiation is one upload-pack request: what the client wants and has.
type negotiation struct {
	wants, common      []plumbing.Hash
	detailed, ofsDelta bool // The client understands multi_ack_detailed, offset deltas.
	flushed, done      bool // Haves ended with a flush; the client has said "done".
}

// upload answers a fetch: acknowledgements while the client still negotiates, then the pack.
// Protocol: gitprotocol-pack(5), gitprotocol-http(5).
func (s *Server) upload(body []byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out bytes.Buffer
	pkt := pktline.NewEncoder(&out)
	n, err := s.negotiate(body, pkt)
	if err != nil {
		return nil, err
	}
	if !n.done {
		return out.Bytes(), nil
	}
	switch {
	case len(n.common) == 0:
		err = pkt.EncodeString("NAK\n")
	case n.detailed:
		err = pkt.Encodef("ACK %s\n", n.common[len(n.common)-1])
	}
	if err != nil {
		return nil, fmt.Errorf("encode acknowledgement: %w", err)
	}
	have, err := revlist.Objects(s.store, n.common, nil)
	if err != nil {
		return nil, fmt.Errorf("list objects the client has: %w", err)
	}
	send, err := revlist.Objects(s.store, n.wants, have)
	if err != nil {
		return nil, fmt.Errorf("list objects to send: %w", err)
	}
	if _, err := packfile.NewEncoder(&out, s.store, !n.ofsDelta).Encode(send, deltaWindow); err != nil {
		return nil, fmt.Errorf("encode pack: %w", err)
	}
	return out.Bytes(), nil
}

// negotiate reads the request's lines and writes the acknowledgements that belong between them.
func (s *Server) negotiate(body []byte, pkt *pktline.Encoder) (negotiation, error) {
	var n negotiation
	lines := pktline.NewScanner(bytes.NewReader(body))
	for !n.done && lines.Scan() {
		line := strings.TrimSuffix(string(lines.Bytes()), "\n")
		verb, rest, _ := strings.Cut(line, " ")
		switch verb {
		case "": // A flush ends the wants, then each batch of haves.
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
		return n, &badRequestError{"the request wants nothing"}
	}
	return n, nil
}

func (s *Server) object(hash string) (plumbing.Hash, error) {
	h := plumbing.NewHash(hash)
	if !plumbing.IsHash(hash) || s.store.HasEncodedObject(h) != nil {
		return plumbing.ZeroHash, &badRequestError{fmt.Sprintf("no such object: %q", hash)}
	}
	return h, nil
}
