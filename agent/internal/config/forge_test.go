package config_test

import (
	"strings"
	"testing"

	"berth/agent/internal/config"
	"berth/agent/internal/forge"
)

func TestForge(t *testing.T) {
	const github = "repository: {url: 'git@github.com:owner/fleet.git'}\n"
	const own = "repository: {url: 'https://git.example.com/owner/fleet.git'}\n"
	for _, row := range []struct {
		text  string
		place forge.Place
		plans config.Plans
		set   bool // statuses
		want  string
	}{
		{github + "forge: {token: t}", forge.Place{Kind: forge.GitHub, URL: "https://github.com", Repository: "owner/fleet"}, config.Plans{}, true, ""},
		{github + "forge: {token: t, plans: true, status: false}", forge.Place{Kind: forge.GitHub, URL: "https://github.com", Repository: "owner/fleet"}, config.Plans{On: true}, false, ""},
		{own + "forge: {kind: gitea, token: {secret: t}, plans: {drafts: true}}", forge.Place{Kind: forge.Gitea, URL: "https://git.example.com", Repository: "owner/fleet"}, config.Plans{On: true, Drafts: true}, true, ""},
		{own + "forge: {kind: forgejo, token: t, url: 'https://api.example.com/git', repository: a/b, plans: {forks: true}}", forge.Place{Kind: forge.Forgejo, URL: "https://api.example.com/git", Repository: "a/b"}, config.Plans{On: true, Forks: true}, true, ""},
		{own + "forge: {token: t}", forge.Place{}, config.Plans{}, true, "agent.yaml:3: forge.kind is missing: write which it is: github, gitlab"},
		{own + "forge:\n  kind: gogs\n  token: t", forge.Place{}, config.Plans{}, true, `agent.yaml:4: forge.kind: "gogs": it is one of github`},
		{github + "forge: {plans: true}", forge.Place{}, config.Plans{}, true, "agent.yaml:3: forge.token is missing: make one at the forge"},
		{github + "forge: {token: t, status: false}", forge.Place{}, config.Plans{}, true, "with status: false and no plans there is nothing to do"},
		{"repository: {url: /srv/fleet}\nforge: {kind: gitea, token: t}", forge.Place{}, config.Plans{}, true, "where the forge is can't be told from repository.url: write url:"},
		{own + "forge: {kind: gitea, token: t, url: 'https://u:hunter2@git.example.com'}", forge.Place{}, config.Plans{}, true, "forge url: write a URL that begins with https://, without user"},
		{own + "forge: {kind: gitea, token: t, plans: {draft: true}}", forge.Place{}, config.Plans{}, true, `agent.yaml:3: plans: "draft" is not known: write drafts or forks`},
		{own + "forge: {kind: gitea, token: t, plans: often}", forge.Place{}, config.Plans{}, true, "plans: write true, false, or {drafts: true, forks: true}"},
		{own + "forge: {kind: gitea, tokn: t}", forge.Place{}, config.Plans{}, true, `agent.yaml:3: unknown field "tokn": write one of kind, url, repository, token, ca, status, plans`},
	} {
		s, err := config.Load(write(t, "agent.yaml", "state: s\n"+row.text+"\n", 0o600), none)
		if err == nil {
			err = s.Check()
		}
		if row.want != "" {
			if err == nil || !strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%q: %v, want %s", row.text, err, row.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", row.text, err)
			continue
		}
		if place, ok := s.ForgeOf(); !ok || place != row.place || s.Forge.Plans != row.plans || s.Forge.Statuses() != row.set {
			t.Errorf("%q: %+v %+v %t", row.text, place, s.Forge.Plans, s.Forge.Statuses())
		}
	}
	s, err := config.Load(write(t, "agent.yaml", github, 0o600), none)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := s.ForgeOf(); ok || s.Check() != nil {
		t.Error("a forge that nobody has asked for")
	}
}
