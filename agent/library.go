package main

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"

	"berth/agent/internal/checkout"
	"berth/agent/internal/config"
	"berth/agent/internal/secrets"
	"berth/desired"
)

// openLibrary opens the clones of the repositories that playbooks come from. Their
// hosts are known and learnt as that of the manifests' repository is.
func openLibrary(settings *config.Settings, log *slog.Logger) (*checkout.Library, error) {
	o := checkout.LibraryOptions{Dir: filepath.Join(settings.State, "playbooks"), CAFile: settings.Repository.CA, Log: log}
	o.KnownHosts, o.Learn = settings.KnownHosts()
	return checkout.OpenLibrary(o)
}

// playbookTrees gives a turn's playbooks of other repositories their files, with the keys
// that secrets are.
func playbookTrees(library *checkout.Library, places *secrets.View) func(context.Context, desired.PlaybookGit) (fs.FS, string, error) {
	return func(ctx context.Context, git desired.PlaybookGit) (fs.FS, string, error) {
		other := checkout.Other{URL: git.URL, Ref: git.Ref}
		var unread error
		if git.Key != (desired.SecretRef{}) {
			other.Key.Name = fmt.Sprintf("secret %q", git.Key.Secret)
			other.Key.Read = func() ([]byte, error) {
				value, err := places.Read(ctx, git.Key)
				unread = err
				return value.Reveal(), err
			}
		}
		tree, commit, err := library.Tree(ctx, other)
		if err != nil && unread != nil {
			return nil, "", unread // It may be that it waits for an unlock.
		}
		return tree, commit, err
	}
}
