package ansible

import (
	"strings"
	"testing"

	"berth/desired"
)

// knowing is a memory that remembers parts.
type knowing struct {
	*memory
	parts map[string]map[string]string
}

func (k *knowing) Parts(play desired.ID, host string) map[string]string {
	return k.parts[string(play)+" "+host]
}

func (k *knowing) RememberParts(play desired.ID, parts map[string]map[string]string) error {
	for host, known := range parts {
		k.parts[string(play)+" "+host] = known
	}
	return nil
}

// Which part is new since the last run is said by its name, where the memory can tell.
func TestStoryOfWhatIsNew(t *testing.T) {
	s := newStory(t, "web-1", "web-2")
	known := &knowing{s.memory, make(map[string]map[string]string)}
	s.Memory = known
	s.vault.values["apps"], s.vault.values["db"] = "hunter1", "hunter1"
	for host, run := range s.Due {
		run.Play, run.Secrets = "play/base", []desired.SecretRef{{Secret: "apps", Key: "token"}, {Secret: "db"}}
		s.Due[host] = run
	}
	says := func(host, want string) {
		t.Helper()
		if f := s.field(host); f.Reason != want {
			t.Errorf("%s: %q, want %q", host, f.Reason, want)
		}
	}
	says("web-1", "")
	s.next("web-1 web-2")
	for key, parts := range known.parts {
		for part, by := range parts {
			if strings.Contains(part+by, "hunter") {
				t.Errorf("%s remembers %s %s", key, part, by)
			}
		}
	}
	run := s.Due["web-2"]
	run.Digest = "another"
	s.Due["web-2"] = run
	says("web-2", "the playbook, its variables or the host's manifest is new since its last run")
	s.next("web-2")
	// A run that an older agent has remembered tells no more than that.
	run.Digest, run.Parts = "a third", desired.RunParts{Files: [6]byte{1}, Vars: [6]byte{1}, Host: [6]byte{1}}
	s.Due["web-2"] = run
	says("web-2", "the playbook, its variables or the host's manifest is new since its last run")
	s.next("web-2")
	run.Digest, run.Parts.Vars = "a fourth", [6]byte{2}
	s.Due["web-2"] = run
	says("web-2", "a variable or setting of the playbook is new since its last run")
	s.next("web-2")
	run.Digest, run.Parts.Host, run.Parts.Files = "a fifth", [6]byte{2}, [6]byte{2}
	s.Due["web-2"] = run
	says("web-2", "a file of the playbook and the host's manifest are new since its last run")
	s.next("web-2")
	s.lives[0].Facts[desired.FactInstance] = "anew"
	s.vault.values["apps"] = "hunter2"
	says("web-1", "secret apps (token) and the guest itself are new since its last run")
	says("web-2", "secret apps (token) is new since its last run")
	s.next("web-1 web-2")
	// A run of an older agent tells none of it.
	clear(known.parts)
	s.vault.values["db"] = "hunter2"
	says("web-1", "")
	s.next("web-1 web-2")
	s.next()
}
