package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"berth/agent/internal/checkout"
	"berth/agent/internal/config"
	"berth/desired"
)

// manifestsOf loads the manifests of a directory or, where none is named, those of
// the repository's newest commit: from a clone of their own, since the one in the
// state directory is the running agent's.
func manifestsOf(ctx context.Context, s streams, settings *config.Settings, dir string) (*desired.Fleet, error) {
	if dir != "" {
		root, err := os.OpenRoot(dir)
		if err != nil {
			return nil, fmt.Errorf("read the manifests: %w", err)
		}
		defer root.Close()
		fleet, err := desired.Load(root.FS())
		if err != nil {
			return nil, fmt.Errorf("read the manifests in %s: %w: `agent validate` lists what is wrong", dir, err)
		}
		return fleet, nil
	}
	temporary, err := os.MkdirTemp("", "berth-manifests-")
	if err != nil {
		return nil, fmt.Errorf("read the manifests: %w", err)
	}
	defer os.RemoveAll(temporary)
	repository, err := checkout.Open(temporary, source(settings, s.Env), slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, fmt.Errorf("read the manifests: %w", err)
	}
	defer repository.Close()
	tip, err := repository.Fetch(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the manifests: %w", err)
	}
	files, err := repository.Tree(ctx, tip)
	if err != nil {
		return nil, fmt.Errorf("read the manifests of %s: %w", tip.Short(), err)
	}
	fleet, err := desired.Load(files)
	if err != nil {
		return nil, fmt.Errorf("read the manifests of %s: %w: `agent validate` lists what is wrong", tip.Short(), err)
	}
	return fleet, nil
}
