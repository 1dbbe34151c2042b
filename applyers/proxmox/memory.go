package proxmox

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"berth/applyers/proxmox/pve"
	"berth/desired"
	"berth/drift"
)

// Memory is what one turn leaves to the next, beside what is live. Nothing rests on
// it: an agent that starts anew says a little less. The zero Memory is ready for use,
// by one Applyer after another.
type Memory struct {
	mu    sync.Mutex
	sites map[string]*siteMemory
	// heard are the addresses that guests said they had.
	heard map[desired.ID]heard
}

// siteMemory is what is remembered of one site.
type siteMemory struct {
	ledger pve.Ledger
	// stood are the VMIDs of the guests that were ours at the last look.
	stood map[desired.ID]int
	// holders had the addresses that kept something waiting at the last whole look.
	holders map[netip.Addr]recalled
	// token is when the token expires.
	token tokenLife
}

func (m *Memory) of(site string) *siteMemory {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sites == nil {
		m.sites = make(map[string]*siteMemory)
	}
	if m.sites[site] == nil {
		m.sites[site] = &siteMemory{stood: make(map[desired.ID]int)}
	}
	return m.sites[site]
}

// othersTold is how many tasks of others are named.
const othersTold = 6

// othersAtWork notes the tasks that somebody else has begun with the agent's token
// since the last look. Another agent on the same fleet makes nothing twice, since
// VMIDs and digests stand against that; but each undoes what only the other's
// commit asks for.
//
// It is told once: by a look at the whole site, of which there is a report, and in the
// log, since a quiet turn's report may be read by nobody.
func (s *sweep) othersAtWork(ctx context.Context) {
	if s.log.err != nil || s.only.IDs != nil {
		return
	}
	tasks := s.Ledger.Others(s.Now(), s.log.begun)
	if len(tasks) == 0 {
		return
	}
	var words []string
	for _, upid := range tasks {
		kind, about := pve.TaskWords(upid)
		words = append(words, strings.TrimSpace(kind+" "+about)+" on "+pve.TaskNode(upid))
	}
	slices.Sort(words)
	words = slices.Compact(words)
	if more := len(words) - othersTold; more > 0 {
		words = append(words[:othersTold], fmt.Sprintf("%d more", more))
	}
	all := strings.Join(words, ", ")
	s.applyer.opts.Log.WarnContext(ctx, "another agent works with this token", slog.String("site", s.site.Name), slog.String("tasks", all))
	s.out.Notes = append(s.out.Notes, drift.Note{
		ID: desired.MakeID(desired.KindSite, s.site.Name),
		Text: fmt.Sprintf("another agent works with token %s: %s; nothing is made twice by two, but let one alone look after a fleet: stop the other, or give it a token and a fleet of its own",
			s.TokenName(), all),
	})
}
