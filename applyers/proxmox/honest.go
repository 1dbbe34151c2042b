package proxmox

import (
	"context"
	"fmt"

	"berth/desired"
	"berth/drift"
)

// truth tells what became of fields that were written to a guest that runs, where
// Proxmox took them otherwise than they are declared: at once, or not before the
// next start. Which, it alone knows.
func (j *job) truth(ctx context.Context, fields []drift.Field) error {
	h, ok := handleOf(j.Have)
	if !ok || !h.running || len(fields) == 0 {
		return nil
	}
	g, err := j.mine(ctx)
	if err != nil {
		return err
	}
	for _, f := range fields {
		option := optionOf(j.kind, f.Path)
		_, waits := g.conf.Now[option]
		switch {
		case option == "" || j.kind == desired.KindVM && cloudOption(option):
		case waits && j.Step == drift.Online:
			j.p.Say(fmt.Sprintf("%s waits for a reboot: Proxmox does not change it while the guest runs", f.Path))
		case !waits && j.Step == drift.Pending:
			j.p.Say(fmt.Sprintf("%s took effect at once", f.Path))
		}
	}
	return nil
}
