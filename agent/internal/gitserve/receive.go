package gitserve

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/revlist"
)

// receive takes a push: the pack is stored, then each reference moves or says why not.
func (s *Server) receive(body []byte) ([]byte, error) {
	if string(body) == "0000" {
		return nil, nil // Before a large push, git asks with a lone flush whether it may.
	}
	req := packp.NewReferenceUpdateRequest()
	if err := req.Decode(bytes.NewReader(body)); err != nil {
		return nil, &badRequestError{fmt.Sprintf("read push: %v", err)}
	}
	report, moved, err := s.accept(req)
	if err != nil {
		return nil, err
	}
	if s.OnPush != nil {
		for _, cmd := range moved {
			s.OnPush(cmd.Name.String(), cmd.New.String())
		}
	}
	var out bytes.Buffer
	if err := report.Encode(&out); err != nil {
		return nil, fmt.Errorf("encode push report: %w", err)
	}
	return out.Bytes(), nil
}

// accept carries one push out under the lock and returns the commands that took.
func (s *Server) accept(req *packp.ReferenceUpdateRequest) (*packp.ReportStatus, []*packp.Command, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	report := packp.NewReportStatus()
	report.UnpackStatus = "ok"
	if err := s.unpack(req); err != nil {
		report.UnpackStatus = oneLine(err)
	}
	refs, err := s.refs()
	if err != nil {
		return nil, nil, err
	}
	var moved []*packp.Command
	for _, cmd := range req.Commands {
		status := &packp.CommandStatus{ReferenceName: cmd.Name, Status: "ok"}
		report.CommandStatuses = append(report.CommandStatuses, status)
		if report.UnpackStatus != "ok" {
			status.Status = "unpacker error"
			continue
		}
		if err := s.move(cmd, refs); err != nil {
			status.Status = oneLine(err)
			continue
		}
		moved = append(moved, cmd)
	}
	return report, moved, nil
}

// unpack stores the pack that follows the commands; a push that only deletes has none.
func (s *Server) unpack(req *packp.ReferenceUpdateRequest) error {
	pack, err := io.ReadAll(req.Packfile)
	if err != nil {
		return fmt.Errorf("read pack: %w", err)
	}
	if len(pack) == 0 {
		return nil
	}
	err = packfile.UpdateObjectStorage(s.store, bytes.NewReader(pack))
	// A branch made from a commit that is here already comes with an empty pack.
	if err != nil && !errors.Is(err, packfile.ErrEmptyPackfile) {
		return fmt.Errorf("store pack: %w", err)
	}
	return nil
}

func (s *Server) move(cmd *packp.Command, refs map[plumbing.ReferenceName]plumbing.Hash) error {
	if !cmd.Name.IsBranch() && !cmd.Name.IsTag() || cmd.Name.Validate() != nil {
		return errors.New("only branches and tags are taken")
	}
	if refs[cmd.Name] != cmd.Old {
		return errors.New("fetch first: it has moved meanwhile")
	}
	if cmd.New.IsZero() {
		if err := s.store.RemoveReference(cmd.Name); err != nil {
			return fmt.Errorf("delete reference: %w", err)
		}
		return nil
	}
	if cmd.Name.IsBranch() {
		if _, err := object.GetCommit(s.store, cmd.New); err != nil {
			return fmt.Errorf("read commit %s: %w", cmd.New, err)
		}
	}
	known := make([]plumbing.Hash, 0, len(refs))
	for _, hash := range refs {
		known = append(known, hash)
	}
	if _, err := revlist.Objects(s.store, []plumbing.Hash{cmd.New}, known); err != nil {
		return fmt.Errorf("the push lacks objects: %w", err)
	}
	if err := s.store.SetReference(plumbing.NewHashReference(cmd.Name, cmd.New)); err != nil {
		return fmt.Errorf("move reference: %w", err)
	}
	return nil
}

// oneLine fits an error into a line of the push report.
func oneLine(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
}
