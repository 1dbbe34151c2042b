package main

import "berth/agent/internal/web"

// hooks are what other machines may ask of this agent.
func (s *service) hooks() *web.Hooks {
	return &web.Hooks{
		Token:     s.reader(s.settings.Hooks.Token),
		Fleet:     s.turner.Enforced,
		Provision: s.turner.Provision,
		Put:       s.secrets.Put,
		Start:     s.loop.Start,
		Log:       s.log,
	}
}
