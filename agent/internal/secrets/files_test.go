package secrets_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"golang.org/x/crypto/ssh"

	"berth/agent/internal/config"
	"berth/agent/internal/lock"
	"berth/agent/internal/secrets"
	"berth/desired"
)

func TestAgeFiles(t *testing.T) {
	w := newWorld(t)
	w.age("plain", "s3cret", false)
	w.age("armored", "s3cret\n", true)
	w.age("map", "db: {one: s3cret-one}\nmulti: |\n  s3cret-a\n  b\n", true)
	w.age("key", "-----BEGIN\ns3cret\n-----END\n", false)
	w.age("binary", "s3cret\x00\xff\n", false)
	w.age("empty", "\n", false)
	w.age("large", strings.Repeat("s3cret", config.MaxSecret/6+1), true)
	view := w.view()
	w.reads(view, "plain", "s3cret")
	w.reads(view, "armored", "s3cret")
	w.reads(view, "map/db.one", "s3cret-one")
	w.reads(view, "map/multi", "s3cret-a\nb\n")
	w.reads(view, "key", "-----BEGIN\ns3cret\n-----END\n")
	w.reads(view, "binary", "s3cret\x00\xff\n")
	w.refuses(view, "empty", "is empty")
	w.refuses(view, "large", "secrets/large.age", "larger than")
	w.refuses(view, "plain/a", "key \"a\"", "no map above it")
	w.refuses(view, "map/db", "several values")
}

// TestDamagedFilesAreNamed damages an encrypted file in every way.
func TestDamagedFilesAreNamed(t *testing.T) {
	w := newWorld(t)
	w.age("a", "s3cret-value", false)
	whole := w.files["secrets/a.age"].Data
	armored := w.sealed("s3cret-value", true)
	other := newWorld(t)
	passphrase := passphraseSealed(t)
	for name, c := range map[string]struct {
		text []byte
		want string
	}{
		"in clear":          {[]byte("s3cret-value\n"), "revoke it"},
		"nothing":           {nil, "no age file"},
		"cut off":           {whole[:len(whole)-1], "cut off or damaged"},
		"half":              {whole[:len(whole)/2], "damaged"},
		"more":              {append(bytes.Clone(whole), 'x'), "damaged"},
		"armor cut off":     {armored[:len(armored)-10], "damaged"},
		"half the armor":    {armored[:len(armored)/2], "damaged"},
		"for another":       {other.sealed("s3cret-value", true), w.id.Recipient()},
		"with a passphrase": {passphrase, "passphrase, which nobody types here"},
		"a new version":     {[]byte("age-encryption.org/v9\n-> s3cret-value\n"), "damaged"},
	} {
		w.files["secrets/a.age"] = &fstest.MapFile{Data: c.text}
		w.refuses(w.view(), "a", "secrets/a.age", c.want)
		if t.Failed() {
			t.Fatal(name)
		}
	}
	for i := range whole {
		changed := bytes.Clone(whole)
		changed[i] ^= 1
		w.files["secrets/a.age"] = &fstest.MapFile{Data: changed}
		w.refuses(w.view(), "a", "secrets/a.age")
	}
	delete(w.files, "secrets/a.age")
	w.refuses(w.view(), "a", "secrets/a.age", "no such file in the repository")
	w.refuses(w.store.At(w.places, nil), "a", "which this command does not have at hand")
}

func passphraseSealed(t *testing.T) []byte {
	t.Helper()
	r, err := age.NewScryptRecipient("hunter2")
	if err != nil {
		t.Fatal(err)
	}
	r.SetWorkFactor(4)
	var out bytes.Buffer
	plain, err := age.Encrypt(&out, r)
	if err != nil {
		t.Fatal(err)
	}
	_, err = plain.Write([]byte("s3cret-value"))
	if err := errors.Join(err, plain.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestSOPSAndVaultPlaces(t *testing.T) {
	w := newWorld(t)
	w.id.key = fixtureIdentity(t)
	for _, name := range []string{"all.yaml", "all.json", "all.env", "binary.txt", "notours.yaml"} {
		w.place(strings.ReplaceAll(name, ".", "-"), desired.SecretPlace{SOPS: name, Path: w.fixture("sops/" + name)})
	}
	w.place("password", desired.SecretPlace{File: w.onHost("password", "hunter2 vault\n")})
	w.place("wrong", desired.SecretPlace{File: w.onHost("wrong", "hunter3\n")})
	w.place("vault", desired.SecretPlace{Vault: &desired.VaultPlace{File: "v12.yml", Password: ref("password")}, Path: w.fixture("vault/v12.yml")})
	w.place("mistyped", desired.SecretPlace{Vault: &desired.VaultPlace{Password: ref("wrong")}, Path: "secrets/v12.yml"})
	w.place("nowhere", desired.SecretPlace{Vault: &desired.VaultPlace{Password: ref("none")}, Path: "secrets/v12.yml"})
	view := w.view()
	for range 2 { // The second time from what was kept.
		w.reads(view, "all-yaml/pote.dev.db", "s3cret-dev")
		w.reads(view, "all-yaml/open_unencrypted.user", "root")
		w.reads(view, "all-json/pote.dev.port", "5432")
		w.reads(view, "all-env/MULTI", "s3cret one\ntwo")
		w.reads(view, "binary-txt", "s3cret")
		w.reads(view, "vault/keys.one", "s3cret-one")
		w.reads(view, "vault", "db: s3cret\nkeys:\n  one: s3cret-one\n")
	}
	if whole, err := view.Read(t.Context(), ref("all-json")); err != nil || !strings.HasPrefix(string(whole.Reveal()), `{"pote":{"dev":{"db":"s3cret"`) {
		t.Errorf("the whole of JSON: %v", err)
	}
	w.refuses(view, "all-yaml/pote.qa", "secrets/all.yaml", "not there")
	w.refuses(view, "all-yaml/none", "key \"none\" is empty")
	w.refuses(view, "all-yaml/pote.many", "several values")
	w.refuses(view, "notours-yaml/a", "secrets/notours.yaml", "encrypt it for "+w.id.Recipient())
	w.refuses(view, "mistyped", "secrets/v12.yml", "password is not that")
	w.refuses(view, "nowhere", "secrets/v12.yml", "its password", `secret "none"`)

	w.id.lock(true)
	w.waits(view, "all-yaml/pote.dev.db") // What was read before is not given any more.
	w.waits(w.view(), "all-yaml/pote.dev.db")
	w.reads(view, "vault", "db: s3cret\nkeys:\n  one: s3cret-one\n") // Its password is the host's.
	w.id.lock(false)
	w.reads(view, "all-yaml/pote.dev.db", "s3cret-dev")
}

func fixtureIdentity(t *testing.T) *age.X25519Identity {
	t.Helper()
	text, err := os.ReadFile("testdata/sops/identity.txt")
	if err != nil {
		t.Fatal(err)
	}
	ids, err := age.ParseIdentities(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return ids[0].(*age.X25519Identity)
}

// TestVaultWhosePasswordIsLocked waits as its password does.
func TestVaultWhosePasswordIsLocked(t *testing.T) {
	w := newWorld(t)
	w.age("password", "hunter2 vault", true)
	w.place("vault", desired.SecretPlace{Vault: &desired.VaultPlace{Password: ref("password")}, Path: w.fixture("vault/v11.yml")})
	// Vaults that need each other are found, and so is one that needs itself.
	w.place("one", desired.SecretPlace{Vault: &desired.VaultPlace{Password: ref("two")}, Path: "secrets/v11.yml"})
	w.place("two", desired.SecretPlace{Vault: &desired.VaultPlace{Password: ref("one")}, Path: "secrets/v11.yml"})
	w.place("self", desired.SecretPlace{Vault: &desired.VaultPlace{Password: ref("self")}, Path: "secrets/v11.yml"})
	w.id.lock(true)
	view := w.view()
	w.waits(view, "vault/db")
	version := w.version("vault/db")
	w.id.lock(false)
	w.reads(view, "vault/db", "s3cret")
	if w.version("vault/db") != version {
		t.Error("unlocking made another version")
	}
	w.id.lock(true)
	w.waits(view, "vault/db")
	for _, name := range []string{"one", "two", "self"} {
		if _, err := view.Read(t.Context(), ref(name)); err == nil || !strings.Contains(err.Error(), "needs itself") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestIdentityOfTheSettings is never locked, and of each kind that age knows.
func TestIdentityOfTheSettings(t *testing.T) {
	native := newIdentity(t).key
	hybrid, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	_, private, _ := ed25519.GenerateKey(rand.Reader)
	block, err := ssh.MarshalPrivateKey(private, "s3cret comment")
	if err != nil {
		t.Fatal(err)
	}
	locked, err := ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte("hunter2"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	// A lock that is locked stands behind it.
	id := newIdentity(t)
	id.lock(true)
	at := func(c config.Credential) *secrets.Store {
		settings := &config.Settings{Identity: c, Secrets: map[string]string{"identity": filepath.Join(dir, "native")}}
		return secrets.New(secrets.Options{Settings: settings, Env: func(string) string { return "" }, Dir: t.TempDir(), Identity: id})
	}
	places := map[string]*desired.SecretPlace{
		"made": {Name: "made", Generate: &desired.Generate{Length: 40, Chars: "hex"}}, "sent": {Name: "sent", Hook: true},
		"age": {Name: "age", Age: "a.age", Path: "a.age"},
	}
	signer, _ := ssh.NewSignerFromKey(private)
	sshRecipient, err := agessh.ParseRecipient(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		from config.Credential
		to   age.Recipient
	}{
		"native": {config.Credential{File: write("native", "# comment\n"+native.String()+"\n")}, native.Recipient()},
		"secret": {config.Credential{Secret: "identity"}, native.Recipient()},
		"hybrid": {config.Credential{File: write("hybrid", hybrid.String()+"\n")}, hybrid.Recipient()},
		"two":    {config.Credential{File: write("two", native.String()+"\n"+hybrid.String()+"\n")}, hybrid.Recipient()},
		"ssh":    {config.Credential{File: write("ssh", string(pem.EncodeToMemory(block)))}, sshRecipient},
	} {
		var out bytes.Buffer
		plain, err := age.Encrypt(&out, c.to)
		if err != nil {
			t.Fatal(err)
		}
		_, err = plain.Write([]byte("s3cret"))
		if err := errors.Join(err, plain.Close()); err != nil {
			t.Fatal(err)
		}
		store := at(c.from)
		view := store.At(places, fstest.MapFS{"a.age": {Data: out.Bytes()}})
		if err := store.Put(t.Context(), "sent", map[string]desired.Secret{"a": desired.MakeSecret([]byte("s3cret"))}); err != nil {
			t.Errorf("%s: put: %v", name, err)
		}
		for of, want := range map[string]int{"age": 6, "made": 40, "sent/a": 6} {
			for _, view := range []*secrets.View{view, store.At(places, fstest.MapFS{"a.age": {Data: out.Bytes()}})} {
				if value, err := view.Read(t.Context(), ref(of)); err != nil || len(value.Reveal()) != want {
					t.Errorf("%s: %s has %d bytes, %v", name, of, len(value.Reveal()), err)
				}
			}
		}
	}
	for name, c := range map[string]struct{ text, want string }{
		"none": {"s3cret", "holds no identity"}, "empty": {"\n", "holds no identity"}, "passphrase": {string(pem.EncodeToMemory(locked)), "with a passphrase"},
		"pem": {"-----BEGIN s3cret-----\n", "no private key of SSH's"}, "half": {native.String()[:30], "holds no identity"},
	} {
		file := write("bad-"+name, c.text)
		_, err := at(config.Credential{File: file}).At(places, fstest.MapFS{"a.age": {}}).Read(t.Context(), ref("age"))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), file) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if _, err := at(config.Credential{File: file}).At(places, nil).Read(t.Context(), ref("made")); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: generating: %v", name, err)
		}
	}
}

// TestNewAgentSaysBootstrap is what one reads who has encrypted files and nothing
// else yet.
func TestNewAgentSaysBootstrap(t *testing.T) {
	w := newWorld(t)
	w.age("a", "s3cret", true)
	w.place("made", desired.SecretPlace{Generate: &desired.Generate{}})
	w.place("sent", desired.SecretPlace{Hook: true})
	l, err := lock.Open(filepath.Join(t.TempDir(), "lock"))
	if err != nil {
		t.Fatal(err)
	}
	w.store = secrets.New(secrets.Options{Settings: &config.Settings{}, Env: os.Getenv, Dir: w.dir, Identity: l})
	w.refuses(w.view(), "a", "agent bootstrap")
	w.refuses(w.view(), "made", "agent bootstrap")
	if _, err := w.view().Version(t.Context(), ref("made")); !errors.Is(err, lock.ErrNew) {
		t.Errorf("version: %v", err)
	}
	if err := w.store.Put(t.Context(), "sent", map[string]desired.Secret{"a": desired.MakeSecret([]byte("s3cret"))}); !errors.Is(err, lock.ErrNew) || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("put: %v", err)
	}
	if _, err := os.Stat(filepath.Join(w.dir, "generated")); err == nil {
		t.Error("something was made all the same")
	}
}
