package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"berth/agent/internal/config"
	"berth/agent/internal/web"
	"berth/drift"
	"berth/drift/report"
)

// TestStatusTellsWhatThereIsToDo writes all that a status can hold.
func TestStatusTellsWhatThereIsToDo(t *testing.T) {
	now := time.Now()
	var out bytes.Buffer
	statusText(streams{Out: &out}, &config.Settings{Socket: "/run/berth/agent.sock"}, &web.Status{
		Agent:       &web.Agent{Process: 7, Version: "v1", Started: now},
		Repository:  web.Repository{URL: "https://git.example.com/fleet", Branch: "main"},
		Lock:        web.LockStatus{State: web.LockOpen},
		Commit:      report.Commit{Hash: "aaaaaaaaaa", Subject: "Add web-1", Author: "Ann", Time: now},
		Seen:        report.Commit{Hash: "bbbbbbbbbb", Subject: "Oops", Author: "Bob\x1b[2J", Time: now},
		BehindSince: now,
		Refused:     &report.Refusal{Commit: report.Commit{Hash: "bbbbbbbbbb", Subject: "Oops", Author: "Bob"}, Reason: "it does not load", Problems: []string{"a.yaml:1: x"}},
		Skipped:     []web.Held{{What: "play/base run", Reason: "it waits for vm/web-9 create"}},
		Reboots:     []web.Held{{What: "vm/web-1", Reason: "memory 1GiB → 2GiB waits for a reboot"}},
		Archives: []drift.Archived{
			{ID: "vm/old", Until: time.Date(2020, 11, 28, 12, 0, 0, 0, time.Local)}, {ID: "vm/older", Reason: "Proxmox's clock can't be read"},
		},
		Asked:  []web.Asked{{Playbook: "play/base", Hosts: []string{"a", "b"}, Why: "asked for by the hook provision"}},
		Clocks: []drift.Clock{{Site: "home", Ahead: -10 * time.Minute}},
		Expiries: []drift.Expiry{
			{Kind: drift.ApprovalExpiry, ID: "approval/delete vm/db-1", What: "delete vm/db-1", At: now.Add(49 * time.Hour), Unused: true},
			{Kind: drift.TokenExpiry, ID: "site/home", What: "berth@pve!agent"},
			{Kind: drift.TokenExpiry, ID: "site/lab", What: "berth@pve!agent", Unknown: "the token lacks Sys.Audit on /access/groups"},
			{Kind: drift.CertificateExpiry, ID: "site/lab", What: "https://10.1.1.11:8006", At: now.Add(-time.Hour)},
			{Kind: drift.CertificateExpiry, ID: web.HTTPCertificate, What: "/etc/berth/cert.pem", At: now.Add(80 * time.Hour)},
		},
	})
	for _, want := range []string{
		`commit      aaaaaaa "Add web-1" by Ann, of `, ": enforced\n",
		`seen        bbbbbbb "Oops" by Bob`, ": not enforced, behind it since ",
		"refused     bbbbbbb \"Oops\" by Bob: it does not load\n              a.yaml:1: x\n",
		"\nskipped, since something before failed or is held\n  play/base run: it waits for vm/web-9 create\n",
		"\ntakes effect with a reboot\n  vm/web-1: memory 1GiB → 2GiB waits for a reboot\n",
		"\nin the archive\n  vm/old until 28 Nov 2020 12:00: bring its manifest back to restore it\n  vm/older: Proxmox's clock can't be read\n",
		"\nasked for, and not yet done\n  play/base on a, b: asked for by the hook provision\n",
		"\nclocks\n  site/home: its clock is 10m behind the agent's: nothing is deleted there before they are set right\n",
		"\nuntil when\n  approval/delete vm/db-1: approval delete vm/db-1 expires on ", ", in 2 days; it lets nothing go\n",
		"  site/home: token berth@pve!agent never expires\n",
		"  site/lab: token berth@pve!agent: when it expires is not known: the token lacks Sys.Audit on /access/groups\n",
		"  site/lab: certificate of https://10.1.1.11:8006 has expired on ",
		"  agent/http: certificate of /etc/berth/cert.pem expires on ", ", in 3 days !\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it lacks %q", want)
		}
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Error("an author moves the cursor")
	}
	if t.Failed() {
		t.Logf("\n%s", out.String())
	}
}

// TestARefusedCommitsAuthorIsToldOnce is of reasons that name the author already.
func TestARefusedCommitsAuthorIsToldOnce(t *testing.T) {
	newest, older := report.Commit{Hash: "bbbbbbbbbb", Subject: "Oops", Author: "Ann"}, report.Commit{Hash: "cccccccccc", Subject: "Before", Author: "Bob"}
	for _, row := range []struct {
		refused report.Refusal
		want    string
	}{
		{report.Refusal{Commit: newest, Reason: "it is not signed (author: Ann)", Signature: &report.Signature{Commit: newest}}, `bbbbbbb "Oops": it is not signed (author: Ann)`},
		{report.Refusal{Commit: newest, Reason: "it brings ccccccc (author: Bob)", Signature: &report.Signature{Commit: older}}, `bbbbbbb "Oops" by Ann: it brings ccccccc (author: Bob)`},
		{report.Refusal{Commit: newest, Reason: "it does not load"}, `bbbbbbb "Oops" by Ann: it does not load`},
	} {
		if got := refusedWords(&row.refused); got != row.want {
			t.Errorf("%s, want %s", got, row.want)
		}
	}
}
