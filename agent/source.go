package main

import (
	"errors"
	"fmt"

	"berth/agent/internal/checkout"
	"berth/agent/internal/config"
	"berth/agent/internal/secrets"
)

// source is where the settings say that the manifests come from.
func source(settings *config.Settings, environ func(string) string) checkout.Source {
	from := settings.Repository
	src := checkout.Source{
		URL: from.URL, Branch: from.Branch, Path: from.Path, TokenFile: from.Token, CAFile: from.CA, AllowRewrite: from.AllowRewrite,
	}
	if v := from.Verify; v.Given() {
		src.Verify = &checkout.Verify{Every: v.Every(), AllowedSigners: v.AllowedSigners, GPGKeys: v.GPGKeys, Tags: v.Tags, Since: v.Since}
	}
	if from.SSH != (config.SSH{}) {
		credential := func(c config.Credential) checkout.Credential {
			if c == (config.Credential{}) {
				return checkout.Credential{}
			}
			return checkout.Credential{Name: c.String(), Read: reader(settings, c, environ)}
		}
		src.SSH = &checkout.SSH{Key: credential(from.SSH.Key), Passphrase: credential(config.Credential{Secret: from.SSH.Passphrase.Secret})}
		src.SSH.KnownHosts, src.SSH.Learn = settings.KnownHosts()
	}
	return src
}

// reader reads a credential anew each time, so that it may be changed.
func reader(settings *config.Settings, c config.Credential, environ func(string) string) func() ([]byte, error) {
	return func() ([]byte, error) { return settings.Read(c, environ) }
}

// checkNamed tells early that a file which the settings name can't be used, where that
// would else be told at its first use only. Each use reads it anew.
func checkNamed(settings *config.Settings, environ func(string) string) error {
	err := secrets.CheckIdentity(settings, environ)
	if v := source(settings, environ).Verify; v != nil {
		err = errors.Join(err, inSource(settings, v.Check()))
	}
	return err
}

// inSource names the line of the settings that an error about the repository is about, if
// there is a file of them.
func inSource(settings *config.Settings, err error) error {
	if wrong, ok := errors.AsType[*checkout.FieldError](err); ok && settings.File != "" {
		return fmt.Errorf("%s: %w", settings.Place("repository."+wrong.Field), err)
	}
	return err
}
