package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"berth/agent/internal/importer"
	"berth/applyers/proxmox"
	"berth/desired"
)

// importFlags are what the command line says of an import.
type importFlags struct {
	site, tokenFile, fingerprint, ca, out, fleet, uid string
	endpoints                                         []string
	pick                                              importer.Pick
}

func newImport(s streams) *cobra.Command {
	var f importFlags
	cmd := &cobra.Command{
		Use:   "import --site NAME --out DIR",
		Short: "Write the manifests of guests that stand already; touch nothing",
		Long: `Read what stands on a Proxmox site and write its manifests, as a person would
have written them: one file a guest; networks, storage classes and startup
phases recognised and named; what guests share in profiles; what Proxmox takes
anyway left out. Nothing on the site is changed and no secret is written. What a
manifest can't say is listed with the reason, here and in the guest's own file.

With nothing yet, --endpoint and --token-file say where the site is, and DIR,
which must be empty, becomes a whole fleet. The token needs PVEAuditor on /.

With a repository, DIR is the directory of the manifests in a clone of it. The
guests are added in the words that its site has; endpoints, TLS and token are
those of the manifests and of the agent's settings.

All guests are taken, or those that one of --name, --id, --pool and --tag names.
Templates, guests of other fleets and what is only being made are left out; a
new fleet lists whatever it leaves out as foreign, so that nothing touches it.

Where the manifests of a fleet are lost, --fleet and --uid, as they stand in the
last line of a guest's description, bring back what the guests themselves know.

No file is ever overwritten. The first plan is adoption: each guest's stamp and
tag, and no other field.

Exits 2 where some of the guests that were asked for could not be read.`,
		Example: `  agent import --site home --endpoint https://10.1.1.11:8006 --token-file pve-token --out fleet
  agent import --config agent.yaml --site home --out ~/fleet --tag prod --id 104`,
		Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(cmd); err != nil {
				return usageError{err, cmd.CommandPath()}
			}
			return importSite(cmd, s, f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.site, "site", "", "the site's name in the manifests")
	flags.StringVar(&f.out, "out", "", "directory that the manifests are written to")
	flags.StringArrayVar(&f.endpoints, "endpoint", nil, "for a new fleet: address of the site's API, https://HOST:8006; may be given again")
	flags.StringVar(&f.tokenFile, "token-file", "", "for a new fleet: file that holds the API token, user@realm!id=uuid")
	flags.StringVar(&f.fingerprint, "fingerprint", "", "for a new fleet: SHA-256 of the site's certificate, AB:CD:…")
	flags.StringVar(&f.ca, "ca", "", "for a new fleet: PEM file with the authority of the site's certificate")
	flags.StringVar(&f.fleet, "fleet", "", "for a new fleet: its name (that of DIR unless given); it stands on every guest")
	flags.StringVar(&f.uid, "uid", "", "for a fleet whose manifests are lost: the uid that stands in the stamps of its guests")
	flags.StringArrayVar(&f.pick.Names, "name", nil, "take the guest of this name on Proxmox; may be given again, as the next three")
	flags.IntSliceVar(&f.pick.IDs, "id", nil, "take the guest with this VMID")
	flags.StringArrayVar(&f.pick.Pools, "pool", nil, "take the guests of this pool")
	flags.StringArrayVar(&f.pick.Tags, "tag", nil, "take the guests with this tag")
	return cmd
}

// check finds what is wrong with the flags by themselves.
func (f *importFlags) check(cmd *cobra.Command) error {
	fresh := len(f.endpoints) > 0
	switch {
	case f.out == "":
		return errors.New("--out is missing: say where the manifests go")
	case f.site == "" && fresh:
		return errors.New("--site is missing: give the site a name, as in --site home")
	case fresh && cmd.Flags().Changed("config"):
		return errors.New("--endpoint makes a new fleet and --config adds to one: keep one of them")
	case fresh && f.tokenFile == "":
		return errors.New("--token-file is missing: put a token into a file (pveum user token add …) and name it")
	case slices.ContainsFunc(f.pick.IDs, func(id int) bool { return id < 1 }):
		return errors.New("--id takes a VMID, as in --id 104")
	case slices.Contains(slices.Concat(f.pick.Names, f.pick.Pools, f.pick.Tags), ""):
		return errors.New("--name, --pool and --tag take a word: one is empty")
	case f.fingerprint != "" && f.ca != "":
		return errors.New("--fingerprint and --ca are two ways of one thing: keep one")
	}
	if fresh {
		return nil
	}
	for _, name := range []string{"token-file", "fingerprint", "ca", "fleet", "uid"} {
		if cmd.Flags().Changed(name) {
			return fmt.Errorf("--%s goes with --endpoint, which makes a new fleet; where there is one, its manifests say it", name)
		}
	}
	return nil
}

func importSite(cmd *cobra.Command, s streams, f importFlags) error {
	var o importer.Options
	var token func(*desired.Site) (string, error)
	var err error
	if len(f.endpoints) > 0 {
		o, token, err = f.newFleet()
	} else {
		o, token, err = f.repository(cmd, s)
	}
	if err != nil {
		return err
	}
	o.Pick = f.pick
	began := time.Now()
	guests := proxmox.New(proxmox.Options{
		Token: func(_ context.Context, site *desired.Site) (string, error) { return token(site) },
		Log:   slog.New(slog.DiscardHandler),
	})
	survey, err := guests.Survey(cmd.Context(), &o.Site)
	if err != nil {
		return fmt.Errorf("read site %s: %w", o.Site.Name, f.inFlags(err))
	}
	requests := 0
	for _, n := range guests.TakeRequests() {
		requests += n
	}
	fmt.Fprintf(s.Err, "read site %s: Proxmox VE %s, %s, %s, %s in %.1f s\n", o.Site.Name, survey.Version,
		counted(len(survey.Nodes), "node"), counted(len(survey.Guests), "guest"), counted(requests, "request"), time.Since(began).Seconds())
	made, err := importer.Make(survey, o)
	if err != nil {
		return err
	}
	if err := writeNew(f.out, made.Files); err != nil {
		return err
	}
	f.summary(s, made)
	if made.Unread > 0 {
		return exit(exitDiffers)
	}
	return nil
}

// newFleet is an import into an empty directory.
func (f *importFlags) newFleet() (o importer.Options, token func(*desired.Site) (string, error), err error) {
	if err := emptyEnough(f.out); err != nil {
		return o, nil, err
	}
	text, err := readToken(f.tokenFile)
	if err != nil {
		return o, nil, err
	}
	o.Site = desired.Site{
		Name: f.site, Endpoints: f.endpoints, Token: desired.SecretRef{Secret: "pve-" + f.site}, TLS: desired.TLS{Fingerprint: strings.ToUpper(f.fingerprint)},
	}
	if f.ca != "" {
		if o.CA, err = os.ReadFile(f.ca); err != nil {
			return o, nil, fmt.Errorf("read --ca: %w", err)
		}
		if strings.Contains(string(o.CA), "PRIVATE KEY") {
			return o, nil, fmt.Errorf("%s holds a private key, which must not get into Git: give the certificate alone", f.ca)
		}
		o.Site.TLS.CA, o.Site.TLS.CAPEM = "certs/ca.pem", string(o.CA)
	}
	if o.Fleet = f.fleet; o.Fleet == "" {
		abs, err := filepath.Abs(f.out)
		if err != nil {
			return o, nil, fmt.Errorf("find %s: %w", f.out, err)
		}
		o.Fleet = importer.Name(filepath.Base(abs), f.site)
	}
	if o.UID = f.uid; o.UID == "" {
		uid := make([]byte, 4)
		_, _ = rand.Read(uid) // It never fails.
		o.UID = hex.EncodeToString(uid)
	}
	if err := importer.CheckNew(o); err != nil {
		return o, nil, usageError{err, "agent import"}
	}
	return o, func(*desired.Site) (string, error) { return text, nil }, nil
}

// repository is an import into the clone of a repository.
func (f *importFlags) repository(cmd *cobra.Command, s streams) (o importer.Options, token func(*desired.Site) (string, error), err error) {
	settings, err := loadSettings(cmd, s)
	if err != nil {
		return o, nil, err
	}
	if settings.File == "" {
		return o, nil, usageError{errors.New("say where the site is: --endpoint and --token-file for a new fleet, or --config for one that there is"), "agent import"}
	}
	root, err := os.OpenRoot(f.out)
	if err != nil {
		return o, nil, fmt.Errorf("open the clone: %w", err)
	}
	o.Existing = root.FS()
	fleet, err := desired.Load(o.Existing)
	if err != nil {
		return o, nil, fmt.Errorf("%s must be the directory of the manifests in your clone, and load (agent validate %s):\n%w", f.out, f.out, err)
	}
	if f.site == "" && len(fleet.Sites) == 1 {
		f.site = fleet.Spec.Site
	}
	site := fleet.Sites[f.site]
	if site == nil {
		return o, nil, fmt.Errorf("the manifests have no site %q: give --site one of those that they have", f.site)
	}
	o.Site = *site
	kept, err := newSecrets(s, settings)
	if err != nil {
		return o, nil, err
	}
	read := besideAgent(tokens(kept.secrets.At(fleet.Secrets, o.Existing)))
	return o, func(site *desired.Site) (string, error) { return read(cmd.Context(), site) }, nil
}

// inFlags puts the remedy of an error, which speaks of manifests, in the words of
// the command line where there are no manifests yet.
func (f *importFlags) inFlags(err error) error {
	if len(f.endpoints) == 0 {
		return err
	}
	return errors.New(strings.NewReplacer(
		"write tls.ca or tls.fingerprint", "give --ca or --fingerprint",
		"check endpoints of site "+f.site, "check --endpoint",
		"the site's tls.fingerprint names", "--fingerprint names",
		"put it where the site's token points", "put it into "+f.tokenFile,
		"the token of secret \"pve-"+f.site+"\"", "what "+f.tokenFile+" holds",
	).Replace(err.Error()))
}

// readToken reads a file that nobody else may read.
func readToken(file string) (string, error) {
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return "", fmt.Errorf("read --token-file: %w", err)
	case info.Mode().Perm()&0o007 != 0:
		return "", fmt.Errorf("%s: mode %04o lets every user of this machine at the token; run chmod o-rwx on it", file, info.Mode().Perm())
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read --token-file: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// emptyEnough refuses a directory that holds more than an empty repository does.
func emptyEnough(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look into --out: %w", err)
	}
	for _, e := range entries {
		name := strings.ToUpper(e.Name())
		if name == ".GIT" || name == ".GITIGNORE" || name == ".GITATTRIBUTES" || strings.HasPrefix(name, "README") || strings.HasPrefix(name, "LICENSE") {
			continue
		}
		return fmt.Errorf("%s is not empty, it holds %s: give an empty directory, or add to the manifests there with --config instead of --endpoint", dir, e.Name())
	}
	return nil
}
