package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strings"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"berth/agent/internal/config"
	"berth/agent/internal/lock"
	"berth/agent/internal/web"
)

func newBootstrap(s streams) *cobra.Command {
	return &cobra.Command{
		Use:   "bootstrap",
		Short: "Make what a new host needs: identity, deploy key, hook token",
		Long: `Make what an agent on a new host needs, and print the public halves together with
what to do with each:

  - its age identity, by which secrets in the repository are encrypted, behind a
    passphrase that is asked for twice on the terminal;
  - an SSH key for the repository, where that is not reached by HTTP or a directory;
  - the token that callers of the hooks show.

They go into the state directory, or where agent.yaml says. What is there already is
told and never overwritten, so that it may be run again, also beside a running agent.

An agent whose identity shall never be locked, as one that nobody looks after, names a
file in agent.yaml, as in identity: /etc/berth/identity; bootstrap makes it without
asking for anything. Whoever has that file has every secret that is encrypted for it.`,
		Args: typedLater,
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, err := loadSettings(cmd, s)
			if err != nil {
				return err
			}
			b := &bootstrap{streams: s, settings: settings}
			return b.run(cmd.Context())
		},
	}
}

// bootstrap is one run of the command.
type bootstrap struct {
	streams
	settings *config.Settings
	rows     []bootstrapRow
}

// bootstrapRow tells of one thing: whether it was made, and where it is.
type bootstrapRow struct{ word, what, where string }

func (b *bootstrap) tell(made bool, what, where string) {
	word := "there"
	if made {
		word = "made"
	}
	b.rows = append(b.rows, bootstrapRow{word, what, where})
}

func (b *bootstrap) run(ctx context.Context) error {
	keep, err := newSecrets(b.streams, b.settings)
	if err != nil {
		return err
	}
	// The passphrase first: where nobody can type one, nothing is made.
	recipient, err := b.identity(ctx, keep)
	if err != nil {
		return err
	}
	deploy, err := b.deployKey()
	if err != nil {
		return errors.Join(err, b.show())
	}
	token, err := b.hookToken()
	if err != nil {
		return errors.Join(err, b.show())
	}
	if err := giveAway(b.settings.State); err != nil {
		return err
	}
	if err := b.show(); err != nil {
		return err
	}
	b.advise(ctx, recipient, deploy, token)
	return nil
}

// show lists what was made and what was there.
func (b *bootstrap) show() error {
	width := 0
	for _, row := range b.rows {
		width = max(width, len(row.what))
	}
	for _, row := range b.rows {
		fmt.Fprintf(b.Out, "%-5s  %-*s  %s\n", row.word, width, row.what, row.where)
	}
	return nil
}

// identity makes the agent's identity where there is none, and tells its public half.
func (b *bootstrap) identity(ctx context.Context, keep keeping) (recipient string, err error) {
	named := b.settings.Identity
	switch {
	case named.File != "":
		made, err := keepNew(named.File, func() (string, error) {
			identity, err := age.GenerateX25519Identity()
			if err != nil {
				return "", err
			}
			return "# public key: " + identity.Recipient().String() + "\n" + identity.String() + "\n", nil
		})
		if err != nil {
			return "", fmt.Errorf("make the identity that agent.yaml names: %w", err)
		}
		b.tell(made, "identity, never locked", named.File)
	case named.Secret != "":
		b.tell(false, "identity, never locked", named.String())
	case keep.lock.State() == lock.New:
		if err := b.create(ctx, keep.lock); err != nil {
			return "", err
		}
		b.tell(true, "identity, behind the passphrase", keep.lock.IdentityPath())
	default:
		b.tell(false, "identity, behind its passphrase", keep.lock.IdentityPath())
	}
	return keep.recipient()
}

// create asks for a passphrase twice and makes an identity behind it.
func (b *bootstrap) create(ctx context.Context, l *lock.Lock) error {
	typist, err := openTerminal(b.streams, "agent bootstrap")
	if err != nil {
		return fmt.Errorf("%w. An agent that shall never be locked needs none: name a file in agent.yaml, as in identity: %s", err, filepath.Join(b.settings.State, "identity"))
	}
	defer typist.close()
	first, err := typist.ask(ctx, "Passphrase for the agent's new identity: ")
	defer clear(first)
	if err != nil {
		return err
	}
	if err := unfit(first); err != nil {
		return err
	}
	if hint := strength(first); hint != "" {
		fmt.Fprintln(typist.tty, hint)
	}
	again, err := typist.ask(ctx, "Once more: ")
	defer clear(again)
	typist.close()
	if err != nil {
		return err
	}
	if !bytes.Equal(first, again) {
		return errors.New("the two differ: nothing was made; run it again")
	}
	return l.Create(first)
}

// unfit tells why a passphrase is none at all.
func unfit(passphrase []byte) error {
	if len(passphrase) == 0 {
		return errors.New("no passphrase was typed: nothing was made")
	}
	if len(passphrase) < lock.MinPassphrase {
		return fmt.Errorf("the passphrase is shorter than %d bytes: nothing was made; take a longer one, such as five words", lock.MinPassphrase)
	}
	if len(passphrase) > lock.MaxPassphrase {
		return fmt.Errorf("the passphrase is longer than %d bytes: nothing was made; take a shorter one, such as five words", lock.MaxPassphrase)
	}
	host, _ := os.Hostname()
	known := []string{host, "passphrase", "berthberth"}
	if who, err := user.Current(); err == nil {
		known = append(known, who.Username)
	}
	for _, word := range known {
		if word != "" && strings.EqualFold(string(passphrase), word) {
			return errors.New("the passphrase is the name of this host, of its user, or one that everybody tries first: nothing was made; take another, such as five words")
		}
	}
	return nil
}

// strength hints at what would be better; "" is that there is nothing to say.
func strength(passphrase []byte) string {
	kinds := make(map[byte]bool) // What it is made of.
	seen := make(map[byte]bool)
	for _, c := range passphrase {
		seen[c] = true
		switch {
		case c >= 'a' && c <= 'z':
			kinds['a'] = true
		case c >= 'A' && c <= 'Z':
			kinds['A'] = true
		case c >= '0' && c <= '9':
			kinds['0'] = true
		default:
			kinds['.'] = true
		}
	}
	if len(passphrase) >= 20 && len(seen) > 6 || len(passphrase) >= 14 && len(kinds) >= 3 && len(seen) > 8 {
		return ""
	}
	return "Taken, but who has a copy of this disk may guess it: five words at random are stronger, and easier to type."
}

// recipient is the public half of the identity in use, by which people encrypt.
func (k keeping) recipient() (string, error) {
	recipient := k.secrets.Recipient()
	switch {
	case recipient != "":
		return recipient, nil
	case k.secrets.Settings.Identity != (config.Credential{}):
		return "", fmt.Errorf("identity of agent.yaml: %s can't be read, or is no identity of age's: write what age-keygen prints", k.secrets.Settings.Identity)
	}
	return "", errors.New("the public half of the identity, " + filepath.Join(k.secrets.Settings.State, "lock", lock.RecipientFile) + ", is damaged or lost: agent unlock writes it anew")
}

// advise says what to do with the public halves.
func (b *bootstrap) advise(ctx context.Context, recipient string, deploy deployKey, token string) {
	out := func(format string, args ...any) { fmt.Fprintf(b.Out, format+"\n", args...) }
	out("\nSecrets for this agent are encrypted for its public key:")
	out("  %s", recipient)
	out("as in  age -r %s -o secrets/apps.age", recipient)
	out("with   {kind: Secret, name: apps, age: secrets/apps.age}  in a manifest beside secrets/.")
	if deploy.public != "" {
		out("\nThe repository lets this key read (in the forge: settings, deploy keys):")
		out("  %s", deploy.public)
		if deploy.write != "" {
			out("and agent.yaml names it:")
			out("  %s", deploy.write)
		}
	} else {
		out("\n%s", deploy.none)
	}
	out("\nCallers of the hooks show the token in %s, as in", token)
	at := "http://127.0.0.1:9000"
	if h := b.settings.HTTP; h.Listen != "" {
		at = "http://" + h.Listen
		if h.TLS.Cert != "" {
			at = "https://" + h.Listen
		}
	}
	// Not among curl's own words, which every user of this host could read.
	out("  printf 'X-Token: %%s' \"$(cat %s)\" | curl -X POST -H @- '%s/hooks/provision?host=NAME'", token, at)
	if b.settings.HTTP.Listen == "" {
		out("once agent.yaml says where it listens; for others than this host add tls: {cert: FILE, key: FILE}:")
		out("  http: {listen: \"127.0.0.1:9000\"}")
	}
	if b.settings.Hooks.Token == (config.Credential{}) {
		out("once agent.yaml names it:")
		out("  hooks: {token: %s}", token)
	}
	if b.settings.Identity != (config.Credential{}) {
		out("\nKeep a copy of the identity elsewhere: without it, what is encrypted for it is lost.")
		return
	}
	out("\nKeep a copy of the identity's file elsewhere, and the passphrase in your head or your safe:")
	out("without both, what is encrypted for it is lost. (age -d shows the identity, should Berth be gone.)")
	if _, err := web.NewClient(b.settings.Socket).Status(ctx); err == nil {
		out("\nThe agent that runs takes it up at once: agent unlock")
	} else {
		out("\nStart the agent, then unlock it, and so after each restart: agent unlock")
	}
}
