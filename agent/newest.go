package main

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	"berth/agent/internal/checkout"
	"berth/agent/internal/config"
	"berth/desired"
)

// manifestsOf loads the manifests of a directory or, where none is named, those of
// the repository's newest commit.
func manifestsOf(ctx context.Context, s streams, settings *config.Settings, dir string) (fleet *desired.Fleet, err error) {
	err = withManifests(ctx, s, settings, dir, func(loaded *desired.Fleet, _ fs.FS) error {
		fleet = loaded
		return nil
	})
	return fleet, err
}

// withManifests does something with the manifests that [manifestsOf] loads while their
// files are at hand: in a clone of their own, since the one in the state directory is
// the running agent's.
func withManifests(ctx context.Context, s streams, settings *config.Settings, dir string, do func(*desired.Fleet, fs.FS) error) error {
	if dir != "" {
		root, err := os.OpenRoot(dir)
		if err != nil {
			return fmt.Errorf("read the manifests: %w", err)
		}
		defer root.Close()
		fleet, err := desired.Load(root.FS())
		if err != nil {
			return fmt.Errorf("read the manifests in %s: %w: `agent validate` lists what is wrong", dir, err)
		}
		return do(fleet, root.FS())
	}
	temporary, err := os.MkdirTemp("", "berth-manifests-")
	if err != nil {
		return fmt.Errorf("read the manifests: %w", err)
	}
	defer os.RemoveAll(temporary)
	repository, err := checkout.Open(temporary, source(settings, s.Env), slog.New(slog.DiscardHandler))
	if err != nil {
		return fmt.Errorf("read the manifests: %w", inSource(settings, err))
	}
	defer repository.Close()
	tip, err := repository.Fetch(ctx)
	if err != nil {
		return fmt.Errorf("read the manifests: %w", err)
	}
	files, err := repository.Tree(ctx, tip)
	if err != nil {
		return fmt.Errorf("read the manifests of %s: %w", tip.Short(), err)
	}
	fleet, err := desired.Load(files)
	if err != nil {
		return fmt.Errorf("read the manifests of %s: %w: `agent validate` lists what is wrong", tip.Short(), err)
	}
	return do(fleet, files)
}
