package main

import (
	"berth/agent/internal/checkout"
	"berth/agent/internal/config"
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
