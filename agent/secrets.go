package main

import (
	"context"
	"errors"
	"fmt"
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
	return keep(s, settings, l), nil
}

// keep opens the secrets of the state directory beside a lock that is open.
func keep(s streams, settings *config.Settings, l *lock.Lock) keeping {
	return keeping{lock: l, secrets: secrets.New(secrets.Options{
		Settings: settings, Env: s.Env, Dir: filepath.Join(settings.State, "secrets"), Identity: l,
	})}
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

// waits tells of secrets that wait for an unlock.
func waits(places *secrets.View) func(context.Context, desired.SecretRef) *desired.LockedError {
	return func(ctx context.Context, ref desired.SecretRef) *desired.LockedError {
		_, err := places.Read(ctx, ref)
		is, _ := errors.AsType[*desired.LockedError](err)
		return is
	}
}

// besideAgent says of a token that is locked what helps a command that works beside the
// running agent, which alone can be unlocked.
func besideAgent(read func(context.Context, *desired.Site) (string, error)) func(context.Context, *desired.Site) (string, error) {
	return func(ctx context.Context, site *desired.Site) (string, error) {
		token, err := read(ctx, site)
		if locked, is := errors.AsType[*desired.LockedError](err); is {
			err = fmt.Errorf("secret %q is encrypted for the agent's identity, and this command works beside the running agent, which alone can be unlocked: give the secret a file, a credential or a variable on this host, or the agent an identity in agent.yaml", locked.Secret)
		}
		return token, err
	}
}
