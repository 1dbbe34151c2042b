package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"berth/applyers/proxmox"
	"berth/desired"
)

var (
	regexpUser      = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]*@[A-Za-z][A-Za-z0-9._-]*$`)
	regexpTokenName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._-]+$`)
)

// permissionsAsked is what the command line asks of the grants.
type permissionsAsked struct {
	dir, site, user, token, proxmox string
	byID                            bool
}

func newPermissions(s streams) *cobra.Command {
	ask := permissionsAsked{dir: "."}
	cmd := &cobra.Command{
		Use:   "permissions [DIR]",
		Short: "Print the least rights that a fleet needs, as commands to paste",
		Long: `Print, for each site of the manifests below DIR (the current directory unless
given), the commands that make a user, a token and the least rights that this
fleet needs on Proxmox. Paste them as root on a node of the cluster; they may be
run again after the fleet has changed. Nothing is asked of Proxmox or changed.

Rights on guests are given on /vms, since Proxmox takes the rights on one VMID
away together with the guest: one that is made again could not be. --by-id gives
them on each VMID alone all the same.`,
		Example: "  agent permissions\n  agent permissions --site home fleet | ssh root@pve1 sh",
		Args:    atMost(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 {
				ask.dir = args[0]
			}
			return permissions(s, ask)
		},
	}
	cmd.Flags().StringVar(&ask.site, "site", "", "only this site")
	cmd.Flags().StringVar(&ask.user, "user", "berth@pve", "the user that the token belongs to")
	cmd.Flags().StringVar(&ask.token, "token", "agent", "the token's name")
	cmd.Flags().StringVar(&ask.proxmox, "proxmox", "8", "the major version of Proxmox VE, whose privileges differ: 8 or 9")
	cmd.Flags().BoolVar(&ask.byID, "by-id", false, "give the rights on guests on each VMID alone")
	_ = cmd.RegisterFlagCompletionFunc("proxmox", cobra.FixedCompletions([]string{"8", "9"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func permissions(s streams, ask permissionsAsked) error {
	if ask.proxmox != "8" && ask.proxmox != "9" {
		return usageError{fmt.Errorf("--proxmox %q: 8 or 9", ask.proxmox), "agent permissions"}
	}
	// Both stand in commands that root pastes.
	if !regexpUser.MatchString(ask.user) {
		return usageError{fmt.Errorf("--user %q: write NAME@REALM, as in berth@pve", ask.user), "agent permissions"}
	}
	if !regexpTokenName.MatchString(ask.token) {
		return usageError{fmt.Errorf("--token %q: write a letter, then letters, digits and . _ -", ask.token), "agent permissions"}
	}
	root, err := os.OpenRoot(ask.dir)
	if err != nil {
		return fmt.Errorf("read the manifests: %w", err)
	}
	defer root.Close()
	fleet, err := desired.Load(root.FS())
	if err != nil {
		return fmt.Errorf("read the manifests: %w: `agent validate` lists what is wrong", err)
	}
	sites := slices.Sorted(maps.Keys(fleet.Sites))
	if ask.site != "" {
		if fleet.Sites[ask.site] == nil {
			return usageError{fmt.Errorf("--site %q: the fleet has %s", ask.site, strings.Join(sites, ", ")), "agent permissions"}
		}
		sites = []string{ask.site}
	}
	for _, name := range sites {
		grants(s.Out, fleet, fleet.Sites[name], ask)
	}
	return nil
}

// grants prints the commands for one site.
func grants(out io.Writer, fleet *desired.Fleet, site *desired.Site, ask permissionsAsked) {
	privileges := make(map[string][]string)
	for _, n := range proxmox.Needs(fleet, site) {
		path := n.Path
		if strings.HasPrefix(path, "/vms/") && !ask.byID {
			path = "/vms"
		}
		privileges[path] = append(privileges[path], called(n.Privilege, ask.proxmox)...)
	}
	roles := make(map[string]string)
	names := make(map[string]int)
	fmt.Fprintf(out, "# Site %s: what fleet %s needs. As root on a node of the cluster:\n", site.Name, fleet.Spec.Name)
	var acls []string
	for _, path := range slices.Sorted(maps.Keys(privileges)) {
		slices.Sort(privileges[path])
		set := strings.Join(slices.Compact(privileges[path]), " ")
		if roles[set] == "" {
			role := roleName(path)
			if names[role]++; names[role] > 1 {
				role = fmt.Sprintf("%s%d", role, names[role])
			}
			roles[set] = role
			fmt.Fprintf(out, "pveum role add %s --privs '%s' 2>/dev/null || pveum role modify %s --privs '%s'\n", role, set, role, set)
		}
		acls = append(acls, fmt.Sprintf("pveum acl modify %s --users %s --roles %s%s", path, ask.user, roles[set], below(path)))
	}
	fmt.Fprintf(out, "pveum user add %s --comment 'Berth looks after fleet %s' 2>/dev/null\n", ask.user, fleet.Spec.Name)
	for _, line := range acls {
		fmt.Fprintln(out, line)
	}
	fmt.Fprintln(out, "# This prints the token's secret, once. It goes where agent.yaml finds secret "+site.Token.Secret+", as "+ask.user+"!"+ask.token+"=SECRET:")
	fmt.Fprintf(out, "pveum user token add %s %s --privsep 0\n", ask.user, ask.token)
	remarks(out, fleet, site)
}

// below keeps a right where it is: what is given on / would hold everywhere.
func below(path string) string {
	if path == "/" {
		return " --propagate 0"
	}
	return ""
}

// remarks say what surprises in a list of rights.
func remarks(out io.Writer, fleet *desired.Fleet, site *desired.Site) {
	optional := make(map[string]string)
	for _, n := range proxmox.Needs(fleet, site) {
		switch {
		case n.Optional != "":
			what := n.Privilege
			if n.Path == "/access/groups" {
				what += " on " + n.Path // The same is needed elsewhere.
			}
			optional[what] = "may be left out: without it " + n.Optional
		case n.Privilege == "Sys.Modify":
			optional[n.Privilege] = "on / is what Proxmox asks for startup orders: " + some(n.By)
		}
	}
	for _, privilege := range slices.Sorted(maps.Keys(optional)) {
		fmt.Fprintf(out, "# %s %s.\n", privilege, optional[privilege])
	}
	fmt.Fprintln(out)
}

// some names a few of many.
func some(ids []desired.ID) string {
	const few = 3
	var words []string
	for _, id := range ids[:min(few, len(ids))] {
		words = append(words, string(id))
	}
	text := strings.Join(words, ", ")
	if more := len(ids) - few; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// called are the names of a privilege in a major version of Proxmox VE: 9 has
// parted what the guest agent may be asked from VM.Monitor (its release notes; not
// measured).
func called(privilege, version string) []string {
	if privilege == "VM.Monitor" && version == "9" {
		return []string{"VM.GuestAgent.Audit", "VM.GuestAgent.FileRead"}
	}
	return []string{privilege}
}

// roleName is a role for the privileges at a path.
func roleName(path string) string {
	top, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	switch top {
	case "":
		return "BerthCluster"
	case "vms":
		return "BerthGuests"
	case "storage":
		return "BerthStorage"
	case "sdn":
		return "BerthNetworks"
	case "nodes":
		return "BerthNodes"
	case "pool":
		return "BerthPools"
	case "access":
		return "BerthToken"
	}
	return "Berth"
}
