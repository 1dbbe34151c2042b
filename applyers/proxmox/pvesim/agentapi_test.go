package pvesim

import (
	"fmt"
	"strings"
	"testing"
)

func TestGuestAgent(t *testing.T) {
	c, api := withVM(t, Options{})
	const at = vm100 + "/agent/"
	api.fails("GET", at+"network-get-interfaces", nil, 500, "VM 100 is not running")
	c.SetRunning(100, true)
	api.fails("POST", at+"ping", nil, 500, "No QEMU guest agent configured")
	c.Edit("root@pam", 100, map[string]string{"agent": "1"})
	api.fails("POST", at+"ping", nil, 500, "QEMU guest agent is not running")
	c.SetGuestAgent(100, Interface{Name: "eth0", MAC: "BC:24:11:00:00:01", Addresses: []string{"192.0.2.9/24"}})
	api.ok("POST", at+"ping", nil)
	if got := fmt.Sprint(api.ok("GET", at+"network-get-interfaces", nil)); !strings.Contains(got, "192.0.2.9") || !strings.Contains(got, "bc:24:11:00:00:01") {
		t.Errorf("interfaces = %s", got)
	}
	api.fails("GET", at+"file-read?file=/run/x", nil, 500, "No such file or directory")
	c.SetGuestFile(100, "/run/x", "hello")
	if got := api.ok("GET", at+"file-read?file=/run/x", nil); fmt.Sprint(got) != "map[content:hello]" {
		t.Errorf("file = %v", got)
	}
	c.SetGuestAgent(100)
	api.fails("POST", at+"ping", nil, 500, "QEMU guest agent is not running")
}

func TestMadeUpAgents(t *testing.T) {
	c, api := withVM(t, Options{Agents: true})
	c.Edit("root@pam", 100, map[string]string{"agent": "enabled=1", "ipconfig0": "ip=198.51.100.7/24"})
	c.SetRunning(100, true)
	api.ok("POST", vm100+"/agent/ping", nil)
	if got := fmt.Sprint(api.ok("GET", vm100+"/agent/network-get-interfaces", nil)); !strings.Contains(got, "198.51.100.7") {
		t.Errorf("interfaces = %s", got)
	}
	api.ok("GET", vm100+"/agent/file-read?file=/run/cloud-init/result.json", nil)
}

// A seed's bytes go with the disk that was made from it.
func TestSeedCanBeReadFromTheDisk(t *testing.T) {
	c, api := withVM(t, Options{})
	c.AddVolume(Volume{ID: "local:import/seed.raw", Data: []byte(strings.Repeat("cidata", 1000))})
	api.ok("PUT", vm100+"/config", form("scsi30", "local-lvm:0,import-from=local:import/seed.raw"))
	if exit := api.task("DELETE", "/nodes/pve1/storage/local/content/local:import/seed.raw", nil); exit != "OK" {
		t.Errorf("exit = %s", exit)
	}
	found := false
	for _, v := range c.Volumes() {
		found = found || v.Owner == 100 && strings.HasPrefix(string(v.Data), "cidata")
	}
	if !found {
		t.Errorf("volumes = %v", c.Volumes())
	}
	api.ok("PUT", vm100+"/config", form("delete", "scsi30", "force", "1"))
	if n := len(c.Volumes()); n != 1 {
		t.Errorf("%d volumes left", n)
	}
}
