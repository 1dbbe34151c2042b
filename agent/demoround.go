package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing/object"

	"berth/applyers/proxmox/pvesim"
)

// The guests that the scripted round is about.
const (
	demoProxy = 5000000
	demoCoder = "guests/lab-coder.yaml"
	demoGone  = "guests/lab-certbot.yaml"
	demoNew   = "guests/lab-wiki.yaml"
)

const demoWiki = `kind: VM
name: lab-wiki
uses: [ubuntu, docker, lab]         # 5001023, from the address
tags: [application, internal]
networks: {net0: {address: 10.111.1.23}}
`

// demoEdit is the commit of the scripted round.
func demoEdit(dir string) error {
	coder, err := os.ReadFile(filepath.Join(dir, demoCoder))
	if err != nil {
		return err
	}
	more := strings.Replace(string(coder), "size: 2GiB", "size: 3GiB", 1)
	return errors.Join(
		os.WriteFile(filepath.Join(dir, demoCoder), []byte(more), 0o600), //nolint:gosec // The directory is the demo's own.
		os.WriteFile(filepath.Join(dir, demoNew), []byte(demoWiki), 0o600),
		os.Remove(filepath.Join(dir, demoGone)),
	)
}

// push clones the repository, edits it, commits, and pushes, as a person would.
func (d *demoWorld) push(ctx context.Context, message string, edit func(dir string) error) error {
	dir := filepath.Join(d.dir, "clone")
	repo, err := git.PlainCloneContext(ctx, dir, false, &git.CloneOptions{URL: d.gitURL})
	if err != nil {
		return fmt.Errorf("clone %s: %w", d.gitURL, err)
	}
	if err := edit(dir); err != nil {
		return fmt.Errorf("edit the clone: %w", err)
	}
	tree, err := repo.Worktree()
	if err != nil {
		return fmt.Errorf("edit the clone: %w", err)
	}
	if err := tree.AddWithOptions(&git.AddOptions{All: true}); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	who := &object.Signature{Name: "You", Email: "you@example.com", When: time.Now()}
	if _, err := tree.Commit(message, &git.CommitOptions{All: true, Author: who}); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	if err := repo.PushContext(ctx, &git.PushOptions{}); err != nil {
		return fmt.Errorf("push to %s: %w", d.gitURL, err)
	}
	return nil
}

// tamper changes a guest of ours by hand.
func (d *demoWorld) tamper() {
	d.sim.cluster.Edit("root@pam", demoProxy, map[string]string{"tags": "berth.pegasus;by-hand", "onboot": "0"})
}

// boot gives virtual machines that are started a guest agent, and those that
// ask for it an address.
func (d *demoWorld) boot(g pvesim.Guest, running bool) {
	if g.Kind != pvesim.KindVM || !running || g.Config["agent"] == "" {
		return
	}
	host, written := map[int]int{4000004: 4, demoProxy: 212}[g.VMID]
	switch {
	case written:
	case g.VMID > 5001000: // The lab's VMIDs end like its addresses.
		host = g.VMID - 5001000
	default: // What a DHCP server would give: prod's and the lab's in halves of their own.
		host = 100 + (g.VMID/1_000_000*50+g.VMID%50)%100
	}
	address := fmt.Sprintf("10.111.1.%d/24", host)
	go d.sim.cluster.SetGuestAgent(g.VMID, pvesim.Interface{Name: "eth0", MAC: macOf(g.Config["net0"]), Addresses: []string{address}})
}

// macOf reads the MAC out of "virtio=BC:24:11:…,bridge=vmbr0".
func macOf(net string) string {
	model, _, _ := strings.Cut(net, ",")
	_, mac, _ := strings.Cut(model, "=")
	return mac
}
