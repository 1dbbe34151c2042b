package proxmox

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"berth/applyers/proxmox/pvesim"
	"berth/drift"
)

// refuses lets no port answer.
func refuses(context.Context, string, string) (net.Conn, error) {
	return nil, errors.New("connection refused")
}

// booting gives web-1 a guest agent, and the files of a boot, as soon as
// it starts.
func (b *bench) booting(files map[string]string) {
	b.sim.OnPower(func(g pvesim.Guest, running bool) {
		if !running || g.VMID != 4001 {
			return
		}
		b.sim.SetGuestAgent(4001, pvesim.Interface{Name: "eth0", MAC: nicMAC(g), Addresses: []string{"10.1.1.4/24"}})
		for path, content := range files {
			b.sim.SetGuestFile(4001, path, content)
		}
	})
}

// outcome is how the step of a guest that waits for it has ended.
func outcome(all []drift.Outcome) drift.Outcome {
	for _, o := range all {
		if o.Step == drift.Ready {
			return o
		}
	}
	return drift.Outcome{}
}

// TestEachConditionIsNamedWithWhatToDo holds the whole messages: which condition was
// not met, what to do, and how far the guest has come.
func TestEachConditionIsNamedWithWhatToDo(t *testing.T) {
	t.Parallel()
	const status = `{"v1":{"stage":%s,"init-local":{"errors":[],"start":100,"finished":101},"init":{"errors":["no such group"],"start":102,"finished":103},"modules-config":{"errors":[],"start":null,"finished":null},"modules-final":{"errors":[],"start":104,"finished":null}}}`
	for name, c := range map[string]struct {
		ready string
		files map[string]string
		deaf  bool
		want  string
	}{
		"a stage": {
			"{cloudInit: true, timeout: 3m}",
			map[string]string{statusFile: strings.Replace(status, "%s", `"modules-final"`, 1)},
			false,
			"not ready after 3m: cloud-init has not ended: it is in stage modules-final (packages, commands, files of users), with errors: no such group: see /var/log/cloud-init-output.log in the guest; it runs, its address is 10.1.1.4",
		},
		"between stages": {
			"{cloudInit: true, timeout: 3m}",
			map[string]string{statusFile: `{"v1":{"stage":null}}`},
			false,
			"not ready after 3m: cloud-init has not ended: it is between two stages: see /var/log/cloud-init-output.log in the guest; it runs, its address is 10.1.1.4",
		},
		"none": {
			"{cloudInit: true, timeout: 3m}", nil, false,
			"not ready after 3m: cloud-init has not ended: it has not begun: does the image have cloud-init?; it runs, its address is 10.1.1.4",
		},
		"disabled": {
			"{cloudInit: true, timeout: 3m}",
			map[string]string{disabledFile: "x"},
			false,
			"not ready after 3m: cloud-init has not ended: it is disabled in the guest, which means that it found no seed or was told not to run: see cloud-init status --long there; it runs, its address is 10.1.1.4",
		},
		"no agent to ask": {
			"{cloudInit: true, timeout: 3m}", nil, true,
			"not ready after 3m: cloud-init has not ended, as far as can be told: the guest agent, which is asked, does not answer: install and start qemu-guest-agent in the guest (cloudInit.packages can); it runs, its address is 10.1.1.4",
		},
		"no agent": {
			"{agent: true, cloudInit: true, timeout: 3m}", nil, true,
			"not ready after 3m: its guest agent does not answer: install and start qemu-guest-agent in the guest (cloudInit.packages can), or take ready.agent out; it runs",
		},
		"a port": {
			"{agent: true, cloudInit: true, port: 2222, timeout: 3m}",
			map[string]string{resultFile: `{"v1":{"errors":[]}}`},
			false,
			"not ready after 3m: port 2222 of 10.1.1.4 does not answer: connection refused: see whether its service runs in the guest, and whether a firewall keeps this host from it; it runs, its guest agent answers, its address is 10.1.1.4, cloud-init has ended",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, webYAML+"ready: "+c.ready+"\n")
				b.a.opts.Dial = refuses
				if !c.deaf {
					b.booting(c.files)
				}
				if got := outcome(b.turn()); got.Status != drift.Failed || got.Reason != c.want {
					t.Errorf("%s:\n%s\nwant:\n%s", got.Status, got.Reason, c.want)
				}
			})
		})
	}
}

// TestAGuestThatStaysOffIsNotWaitedForToTheEnd holds that the rest of a long timeout is
// not waited for a guest that nothing starts again.
func TestAGuestThatStaysOffIsNotWaitedForToTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, cacheYAML+"ready: {port: 22, timeout: 1h}\n")
		b.a.opts.Dial = refuses
		b.sim.OnPower(func(g pvesim.Guest, running bool) {
			if running {
				time.AfterFunc(10*time.Minute, func() { b.sim.SetRunning(g.VMID, false) })
			}
		})
		began := time.Now()
		got := outcome(b.turn())
		if took := time.Since(began); took < 12*time.Minute || took > 13*time.Minute {
			t.Errorf("it was waited for %s", took)
		}
		if !strings.HasSuffix(got.Reason, ": it does not run: it was stopped, or stops by itself: its console tells why") {
			t.Errorf("%s: %s", got.Status, got.Reason)
		}
	})
}

// TestAContainerIsReadyByAddressAndPort holds that a container needs no more: it has neither agent nor cloud-init.
func TestAContainerIsReadyByAddressAndPort(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, cacheYAML+"ready: {port: 22, timeout: 2m}\n")
		b.a.opts.Dial = refuses
		want := "not ready after 2m: port 22 of 10.1.1.5 does not answer: connection refused: see whether its service runs in the guest, and whether a firewall keeps this host from it; it runs, its address is 10.1.1.5"
		if got := outcome(b.turn()); got.Reason != want {
			t.Errorf("%s: %s", got.Status, got.Reason)
		}
		// The next turn waits anew, and only for that.
		b.restart()
		b.apply()
		b.settled()
	})
}

// TestAPlaybookDoesNotMeetCloudInitAtWork holds that a guest which answers by SSH is
// led to no playbook while cloud-init is seen to work in it; where that can't be seen,
// the port decides.
func TestAPlaybookDoesNotMeetCloudInitAtWork(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		yaml  string
		files map[string]string
		agent bool
		waits bool
	}{
		"at work":           {webYAML, map[string]string{statusFile: `{"v1":{"stage":"modules-final"}}`}, true, true},
		"half a result":     {webYAML, map[string]string{resultFile: `{"v1":`}, true, true},
		"no cloud-init":     {webYAML, nil, true, false},
		"no agent":          {webYAML, nil, false, false},
		"agent by packages": {edited(webYAML, "packages: [git]", "packages: [qemu-guest-agent]"), nil, false, true},
		"no seed":           {edited(webYAML, "cloudInit: {packages: [git]}", ""), map[string]string{statusFile: `{"v1":{"stage":"modules-final"}}`}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, c.yaml+"ready: {port: 22}\n")
				if c.agent {
					b.booting(c.files)
				}
				time.AfterFunc(5*time.Minute, func() {
					b.sim.SetGuestAgent(4001, pvesim.Interface{Name: "eth0", MAC: nicMAC(b.guest(4001)), Addresses: []string{"10.1.1.4/24"}})
					b.sim.SetGuestFile(4001, resultFile, `{"v1":{"errors":[]}}`)
				})
				began := time.Now()
				b.apply()
				if took := time.Since(began); took > 5*time.Minute != c.waits {
					t.Errorf("ready after %s", took)
				}
			})
		})
	}
}

// TestTheRebootThatEndsTheFirstBootIsWaitedFor holds that a playbook is not led to a
// machine that is about to reboot (cloudInit.reboot).
func TestTheRebootThatEndsTheFirstBootIsWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, edited(webYAML, "packages: [git]", "packages: [git], reboot: true")+"ready: {cloudInit: true}\n")
		b.booting(map[string]string{
			resultFile: `{"v1":{"errors":[]}}`, statusFile: `{"v1":{"stage":null,"init-local":{"start":100.5}}}`, rebootFile: "812: 131.25\n",
		})
		time.AfterFunc(3*time.Minute, func() { b.sim.SetGuestFile(4001, resultFile, "") })
		time.AfterFunc(4*time.Minute, func() {
			b.sim.SetGuestFile(4001, statusFile, `{"v1":{"stage":null,"init-local":{"start":140.5}}}`)
			b.sim.SetGuestFile(4001, resultFile, `{"v1":{"errors":[]}}`)
		})
		began := time.Now()
		b.apply()
		if took := time.Since(began); took < 4*time.Minute {
			t.Errorf("ready after %s, before the reboot", took)
		}

		b = newBench(t, edited(webYAML, "packages: [git]", "packages: [git], reboot: true")+"ready: {cloudInit: true, timeout: 2m}\n")
		b.booting(map[string]string{
			resultFile: `{"v1":{"errors":[]}}`, statusFile: `{"v1":{"stage":null,"init-local":{"start":100.5}}}`, rebootFile: "812: 131.25\n",
		})
		want := "not ready after 2m: cloud-init has ended, and the reboot of its first boot (cloudInit.reboot) is still to come; it runs, its address is 10.1.1.4"
		if got := outcome(b.turn()); got.Reason != want {
			t.Errorf("%s: %s", got.Status, got.Reason)
		}
	})
}
