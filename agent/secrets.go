package main

import (
	"context"
	"path/filepath"

	"berth/agent/internal/config"
	"berth/agent/internal/lock"
	"berth/agent/internal/secrets"
	"berth/desired"
)

// keeping is what an agent knows in confidence.
type keeping struct {
	lock    *lock.Lock
	secrets *secrets.Store
}

// newSecrets opens the lock and the secrets of the state directory.
func newSecrets(s streams, settings *config.Settings) (keeping, error) {
	l, err := lock.Open(filepath.Join(settings.State, "lock"))
	if err != nil {
		return keeping{}, err
	}
	return keeping{lock: l, secrets: secrets.New(secrets.Options{
		Settings: settings, Env: s.Env, Dir: filepath.Join(settings.State, "secrets"), Identity: l,
	})}, nil
}

// tokens reads the tokens of sites.
func tokens(places *secrets.View) func(context.Context, *desired.Site) (string, error) {
	return func(ctx context.Context, site *desired.Site) (string, error) {
		token, err := places.Read(ctx, site.Token)
		return string(token.Reveal()), err
	}
}

// reveal reads secrets for those that take their bytes.
func reveal(places *secrets.View) func(context.Context, desired.SecretRef) ([]byte, error) {
	return func(ctx context.Context, ref desired.SecretRef) ([]byte, error) {
		value, err := places.Read(ctx, ref)
		return value.Reveal(), err
	}
}
