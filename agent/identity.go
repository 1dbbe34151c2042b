package main

import (
	"bytes"

	"filippo.io/age"

	"berth/agent/internal/config"
)

// public is the public half of the identity in use; "" if there is none.
func (k keeping) public() string {
	settings := k.secrets.Settings
	if settings.Identity == (config.Credential{}) {
		return k.lock.Recipient()
	}
	text, err := settings.Read(settings.Identity, k.secrets.Env)
	if err != nil {
		return ""
	}
	all, err := age.ParseIdentities(bytes.NewReader(text))
	if err != nil || len(all) == 0 {
		return ""
	}
	if x, ok := all[0].(*age.X25519Identity); ok {
		return x.Recipient().String()
	}
	return ""
}
