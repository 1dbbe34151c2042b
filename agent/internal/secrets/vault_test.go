package secrets

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func vaultData(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "vault", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestVaultIsReadAsAnsibleWritesIt(t *testing.T) {
	plain := vaultData(t, "plain.yml")
	v11, v12 := vaultData(t, "v11.yml"), vaultData(t, "v12.yml")
	for name, c := range map[string]struct {
		text     []byte
		password string
	}{
		"1.1": {v11, "hunter2 vault"}, "1.2": {v12, "hunter2 vault\n"}, "without the last newline": {bytes.TrimSpace(v12), "  hunter2 vault\r\n"},
		"lines of Windows": {bytes.ReplaceAll(v11, []byte("\n"), []byte("\r\n")), "hunter2 vault"},
	} {
		if got, err := openVault(c.text, []byte(c.password)); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if got, err := openVault(vaultData(t, "long.vault"), []byte("hunter2 vault")); err != nil || len(got) != 1000 || strings.Trim(string(got), "x") != "" {
		t.Errorf("1,000 bytes: %d, %v", len(got), err)
	}
}

func TestVaultRefusals(t *testing.T) {
	whole := string(vaultData(t, "v11.yml"))
	lines := strings.SplitAfter(whole, "\n")
	for name, c := range map[string]struct{ text, password, want string }{
		"wrong password":  {whole, "hunter3", "`ansible-vault view`"},
		"no password":     {whole, "", "`ansible-vault view`"},
		"in clear":        {"db: s3cret\n", "x", "no file of Ansible Vault's"},
		"empty":           {"", "x", "no file of Ansible Vault's"},
		"first line only": {lines[0], "x", "has not its three parts"},
		"half a line":     {"$ANSIBLE_VAULT;1.1", "x", "no file of Ansible Vault's"},
		"version 1.0":     {strings.Replace(whole, ";1.1;", ";1.0;", 1), "x", "neither 1.1 nor 1.2"},
		"other cipher":    {strings.Replace(whole, ";AES256", ";AES", 1), "x", "not AES256"},
		"no hexadecimal":  {lines[0] + "s3cret\n", "x", "not hexadecimal"},
		"cut off":         {strings.Join(lines[:4], ""), "hunter2 vault", ""},
		"odd":             {lines[0] + "616\n", "x", "not hexadecimal"},
		"no parts":        {lines[0] + "0a0a\n", "x", "three parts"},
		"parts no hex":    {lines[0] + "78780a78780a7878\n", "x", "three parts"},
		"a line less":     {lines[0] + strings.Join(lines[2:], ""), "hunter2 vault", ""},
	} {
		got, err := openVault([]byte(c.text), []byte(c.password))
		if err == nil || got != nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %q, %v, want %q", name, got, err, c.want)
		}
	}
	for i := len(lines[0]); i < len(whole); i++ {
		changed := []byte(whole)
		changed[i] ^= 1
		if i%97 == 0 { // Deriving the key takes its time.
			if got, err := openVault(changed, []byte("hunter2 vault")); err == nil && !bytes.Equal(got, vaultData(t, "plain.yml")) {
				t.Fatalf("byte %d flipped: %q", i, got)
			}
		}
	}
}

// TestRealVault has ansible-vault write what is read, at sizes around its blocks.
func TestRealVault(t *testing.T) {
	if os.Getenv("BERTH_REAL") != "1" {
		t.Skip("needs ansible-vault: set BERTH_REAL=1, or run deploy/test")
	}
	dir := t.TempDir()
	password, file := filepath.Join(dir, "password"), filepath.Join(dir, "file")
	if err := os.WriteFile(password, []byte("hunter2 üñ\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		size int
		id   string
	}{{1, ""}, {15, "lab@"}, {16, ""}, {100_000, "prod@"}} {
		plain := bytes.Repeat([]byte{0, 0xff, '\n', 'x'}, c.size)[:c.size]
		if err := os.WriteFile(file, plain, 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), "ansible-vault", "encrypt", "--vault-id", c.id+password, file)
		cmd.Env = append(os.Environ(), "HOME="+dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("BERTH_REAL=1 asks for real components: %v; deploy/test installs them\n%s", err, out)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := openVault(text, []byte("hunter2 üñ\n")); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes, %q: %d read, %v", c.size, c.id, len(got), err)
		}
	}
}

func FuzzVault(f *testing.F) {
	for _, name := range []string{"v11.yml", "v12.yml", "plain.yml"} {
		f.Add(vaultData(f, name))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		body, err := vaultBody(text)
		if err != nil {
			return
		}
		if _, _, _, err := vaultParts(body); err != nil {
			return
		}
		if got, err := openVault(text, []byte("hunter2 vault")); (err == nil) != (got != nil) {
			t.Errorf("%q, %v", got, err)
		}
	})
}
