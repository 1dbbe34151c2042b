package proxmox

import (
	"context"
	"encoding/json"
	"strings"

	"berth/applyers/proxmox/pve"
	"berth/desired"
)

// resultFile is what cloud-init writes when its first boot has ended, well or
// not; it is gone after a reboot until that boot's run has ended.
const resultFile = "/run/cloud-init/result.json"

// cloudInitEnded asks the guest agent whether cloud-init has come to its end, and
// what went wrong. missing is what still lacks; "" if it has ended.
func (j *job) cloudInitEnded(ctx context.Context) (missing string) {
	vm, ok := j.Want.Spec.(*desired.VM)
	if !ok {
		return ""
	}
	if !vm.Agent.Enabled {
		return "ready.cloudInit is asked of the guest agent, which is not enabled: set agent: true"
	}
	var file struct{ Content string }
	err := j.Get(ctx, j.path()+"/agent/file-read?file="+resultFile, &file)
	switch {
	case pve.Status(err) == 403:
		return "whether cloud-init has ended can't be read: " + err.Error() + ": " + j.helpWith(err)
	case err != nil:
		return "cloud-init has not ended"
	}
	var result struct {
		V1 struct{ Errors []string }
	}
	if err := json.Unmarshal([]byte(file.Content), &result); err != nil {
		return "cloud-init has not ended"
	}
	if len(result.V1.Errors) > 0 {
		j.p.Say("cloud-init ended with errors: " + strings.Join(result.V1.Errors, "; "))
	}
	return ""
}
