package machine

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	oneKey   = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDUY0tPeuyjDTMb4ZUIRbAlEZZU4ajWCl7dIWZ4ZkCUJ"
	otherKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEDqNc8kLm8BVG3cmqTyAbpWS0ACQMR3TxNEj9zNnpTH"
)

// Keys that are known otherwise are written down before the first contact, and pinned
// from then on.
func TestPin(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state", "known_hosts")
	if err := Pin(t.Context(), file, "vm.web-1.abc", ""); err != nil {
		t.Errorf("no key: %v", err)
	}
	for range 2 {
		if err := Pin(t.Context(), file, "vm.web-1.abc", oneKey+"\n"); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil || string(text) != "vm.web-1.abc "+oneKey+"\n" {
		t.Errorf("known hosts: %q, %v", text, err)
	}
	err = Pin(t.Context(), file, "vm.web-1.abc", otherKey)
	if changed := new(PinnedError); !errors.As(err, &changed) || !strings.Contains(err.Error(), file+":1") {
		t.Errorf("another key: %v", err)
	}
	// What was made anew has another name.
	if err := os.WriteFile(file, text[:len(text)-1], 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Pin(t.Context(), file, "vm.web-1.def", otherKey); err != nil {
		t.Error(err)
	}
	if text, err = os.ReadFile(file); err != nil || string(text) != "vm.web-1.abc "+oneKey+"\nvm.web-1.def "+otherKey+"\n" {
		t.Errorf("known hosts: %q, %v", text, err)
	}
	if err := Pin(t.Context(), file, "vm.web-2", "hello"); err == nil {
		t.Error("what is no key is taken")
	}
}
