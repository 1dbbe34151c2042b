package config_test

import (
	"path/filepath"
	"strings"
	"testing"

	"berth/agent/internal/config"
)

func TestVerify(t *testing.T) {
	hash := strings.Repeat("ab", 20)
	for _, row := range []struct{ text, want string }{
		{"{mode: tip, allowedSigners: a}", ""},
		{"{mode: every, gpgKeys: [b], since: " + hash + "}", ""},
		{"{mode: every, allowedSigners: a, gpgKeys: [b, c]}", ""},
		{"{mode: tip, allowedSigners: a, tags: true}", ""},
		{"{tags: true}", "agent.yaml:3: repository.verify.mode is missing"},
		{"{mode: tip, tags: true}", "agent.yaml:3: repository.verify: nobody is named who may sign"},
		{"{mode: tip, allowedSigners: a, tags: v1}", "agent.yaml:3: "},
		{"{allowedSigners: a}", "agent.yaml:3: repository.verify.mode is missing: write tip, for the newest commit, or every, for each"},
		{"{mode: head, allowedSigners: a}", `agent.yaml:3: repository.verify.mode: "head": write tip`},
		{"{mode: tip}", "agent.yaml:3: repository.verify: nobody is named who may sign"},
		{"{mode: tip, gpgKeys: []}", "nobody is named who may sign"},
		{"{mode: tip, allowedSigners: a, since: " + hash + "}", "since is for mode: every"},
		{"{mode: every, allowedSigners: a, since: main}", `since: "main": write a commit's whole hash`},
		{"{mode: every, signers: a}", `unknown field "signers": write one of mode, allowedSigners, gpgKeys, tags, since`},
		{"tip", `"tip" does not fit here: write a map of mode, allowedSigners, gpgKeys, tags, since`},
	} {
		file := write(t, "agent.yaml", "repository:\n  url: /srv/fleet\n  verify: "+row.text+"\nstate: s\n", 0o600)
		if s := checked(t, file, row.text, row.want); s != nil {
			v := s.Repository.Verify
			for _, file := range append(v.GPGKeys, v.AllowedSigners) {
				if file != "" && !filepath.IsAbs(file) {
					t.Errorf("%s: the file is %s", row.text, file)
				}
			}
			if !v.Given() || v.Every() != strings.Contains(row.text, "every") || v.Tags != strings.Contains(row.text, "tags") {
				t.Errorf("%s: given %t, every %t, tags %t", row.text, v.Given(), v.Every(), v.Tags)
			}
		}
	}
}

// checked reads settings that are wrong in the words that are wanted; where those are ""
// they are right.
func checked(t *testing.T, file, what, want string) *config.Settings {
	t.Helper()
	s, err := config.Load(file, none)
	if err == nil {
		err = s.Check()
	}
	switch {
	case want == "" && err == nil:
		return s
	case want == "":
		t.Errorf("%s: %v", what, err)
	case err == nil || !strings.Contains(err.Error(), want):
		t.Errorf("%s: got %v, want %q", what, err, want)
	}
	return nil
}
