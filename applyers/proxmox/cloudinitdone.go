package proxmox

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"berth/applyers/proxmox/pve"
	"berth/desired"
)

// What cloud-init leaves in the guest. resultFile is written when a boot's run has
// ended, well or not; it is gone after a reboot until that boot's run has ended.
// statusFile tells how far it is, rebootFile when the reboot was ordered that ends the
// first boot (cloudInit.reboot), and disabledFile that it found nothing to do.
const (
	resultFile   = "/run/cloud-init/result.json"
	statusFile   = "/run/cloud-init/status.json"
	disabledFile = "/run/cloud-init/disabled"
	rebootFile   = "/var/lib/cloud/instance/sem/config_power_state_change"
)

// cloudInitState is how far cloud-init is, as far as the guest agent can tell.
type cloudInitState struct {
	ended bool
	// works is set where it is known to be at work.
	works bool
	// missing and remedy say why it has not ended; ask asks for more.
	missing, remedy string
	ask             func(context.Context) string
}

// cloudInit asks the guest agent whether cloud-init has come to its end, and tells
// what went wrong.
func (j *job) cloudInit(ctx context.Context) cloudInitState {
	vm, ok := j.Want.Spec.(*desired.VM)
	if !ok || vm.CloudInit == nil {
		return cloudInitState{ended: true}
	}
	if !vm.Agent.Enabled {
		return cloudInitState{missing: "ready.cloudInit is asked of the guest agent, which is not enabled", remedy: "set agent: true"}
	}
	not := cloudInitState{missing: "cloud-init has not ended", ask: j.cloudInitStage}
	text, err := j.guestFile(ctx, resultFile)
	switch {
	case pve.Status(err) == http.StatusForbidden:
		return cloudInitState{missing: "whether cloud-init has ended can't be read: " + err.Error(), remedy: j.helpWith(err)}
	case noSuchFile(err):
		_, err := j.guestFile(ctx, statusFile)
		not.works = err == nil
		return not
	case err != nil:
		not.missing += ", as far as can be told"
		// Its last deed is then to start the agent: one that is silent is at work.
		not.works = slices.Contains(vm.CloudInit.Packages, "qemu-guest-agent")
		return not
	}
	var result struct {
		V1 struct{ Errors []string }
	}
	if err := json.Unmarshal([]byte(text), &result); err != nil {
		not.works = true
		return not
	}
	if vm.CloudInit.Reboot && j.willReboot(ctx) {
		return cloudInitState{works: true, missing: "cloud-init has ended, and the reboot of its first boot (cloudInit.reboot) is still to come"}
	}
	if len(result.V1.Errors) > 0 {
		j.p.Say("cloud-init ended with errors: " + strings.Join(result.V1.Errors, "; "))
	}
	return cloudInitState{ended: true}
}

// willReboot tells whether the boot that has ended is the one that a reboot follows:
// then its reboot was ordered after it began. What can't be told keeps nobody waiting.
func (j *job) willReboot(ctx context.Context) bool {
	order, err := j.guestFile(ctx, rebootFile)
	if err != nil {
		return false
	}
	status, err := j.cloudInitStatus(ctx)
	if err != nil {
		return false
	}
	// "PID: TIME", in seconds since the epoch.
	_, at, _ := strings.Cut(strings.TrimSpace(order), ": ")
	ordered, err := strconv.ParseFloat(at, 64)
	return err == nil && status.V1.Local.Start != nil && ordered > *status.V1.Local.Start
}

// cloudInitStatus is the content of status.json.
type cloudInitStatus struct {
	V1 struct {
		Stage   string
		Local   cloudInitStage `json:"init-local"`
		Network cloudInitStage `json:"init"`
		Config  cloudInitStage `json:"modules-config"`
		Final   cloudInitStage `json:"modules-final"`
	}
}

type cloudInitStage struct {
	Errors          []string
	Start, Finished *float64
}

func (j *job) cloudInitStatus(ctx context.Context) (cloudInitStatus, error) {
	var status cloudInitStatus
	text, err := j.guestFile(ctx, statusFile)
	if err != nil {
		return status, err
	}
	if err := json.Unmarshal([]byte(text), &status); err != nil {
		return status, fmt.Errorf("read %s: %w", statusFile, err)
	}
	return status, nil
}

// cloudInitStage says where cloud-init stands, and what to do.
func (j *job) cloudInitStage(ctx context.Context) string {
	status, err := j.cloudInitStatus(ctx)
	switch {
	case noSuchFile(err):
		if _, err := j.guestFile(ctx, disabledFile); err == nil {
			return "it is disabled in the guest, which means that it found no seed or was told not to run: see cloud-init status --long there"
		}
		return "it has not begun: does the image have cloud-init?"
	case err != nil:
		return "the guest agent, which is asked, does not answer: install and start qemu-guest-agent in the guest (cloudInit.packages can)"
	}
	v1 := status.V1
	at := "it is between two stages"
	var errs []string
	for _, stage := range []struct {
		name, does string
		cloudInitStage
	}{
		{"init-local", "network", v1.Local},
		{"init", "disks, files, users, keys", v1.Network},
		{"modules-config", "apt, time zone", v1.Config},
		{"modules-final", "packages, commands, files of users", v1.Final},
	} {
		errs = append(errs, stage.Errors...)
		if v1.Stage == stage.name || v1.Stage == "" && stage.Start != nil && stage.Finished == nil {
			at = fmt.Sprintf("it is in stage %s (%s)", stage.name, stage.does)
		}
	}
	if len(errs) > 0 {
		at += ", with errors: " + strings.Join(errs, "; ")
	}
	return at + ": see /var/log/cloud-init-output.log in the guest"
}

// guestFile reads a file by the guest agent.
func (j *job) guestFile(ctx context.Context, path string) (string, error) {
	var file struct{ Content string }
	err := j.Get(ctx, j.path()+"/agent/file-read?file="+path, &file)
	return file.Content, err
}

// noSuchFile tells whether the guest agent answers, and says that a file is not there.
func noSuchFile(err error) bool {
	return err != nil && pve.Says(err, "No such file or directory")
}
