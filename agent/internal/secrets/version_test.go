package secrets_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"berth/desired"
)

// TestVersionsFollowTheValue wants another version when a secret is rotated, the same
// when it is not, and all of them known while locked.
func TestVersionsFollowTheValue(t *testing.T) {
	w := newWorld(t)
	w.id.key = fixtureIdentity(t)
	w.age("age", "s3cret", true)
	w.place("sops", desired.SecretPlace{SOPS: "all.yaml", Path: w.fixture("sops/all.yaml")})
	w.place("binary", desired.SecretPlace{SOPS: "binary.txt", Path: w.fixture("sops/binary.txt")})
	w.place("password", desired.SecretPlace{File: w.onHost("password", "hunter2 vault")})
	w.place("vault", desired.SecretPlace{Vault: &desired.VaultPlace{Password: ref("password")}, Path: w.fixture("vault/v11.yml")})
	w.place("env", desired.SecretPlace{Env: "BERTH_SECRET_A"})
	w.env["BERTH_SECRET_A"] = "s3cret"
	w.place("made", desired.SecretPlace{Generate: &desired.Generate{Length: 20}})
	w.place("sent", desired.SecretPlace{Hook: true})
	put := func(key, value string) {
		t.Helper()
		if err := w.store.Put(t.Context(), "sent", map[string]desired.Secret{key: desired.MakeSecret([]byte(value))}); err != nil {
			t.Fatal(err)
		}
	}
	put("a.b", "s3cret-sent")
	put("a.c", "s3cret") // As the variable has: nobody learns that from versions.

	w.id.lock(true)
	all := []string{
		"age", "age/key", "sops", "sops/pote.dev.db", "sops/pote.dev.port", "sops/open_unencrypted.user", "binary", "password", "vault", "env",
		"made", "sent/a.b", "sent/a.c",
	}
	versions := map[string]string{}
	seen := map[string]string{}
	for _, of := range all {
		versions[of] = w.version(of)
		if other := seen[versions[of]]; other != "" && of != "age/key" {
			t.Errorf("%s and %s have the same version", of, other)
		}
		seen[versions[of]] = of
	}
	same := func(what string, but ...string) {
		t.Helper()
		for _, of := range all {
			changed := false
			for _, b := range but {
				changed = changed || b == of
			}
			if now := w.version(of); (now != versions[of]) != changed {
				t.Errorf("%s: %s was %s and is %s", what, of, versions[of], now)
			} else {
				versions[of] = now
			}
		}
	}
	same("nothing happened")
	w.restart()
	same("a restart")
	w.id.lock(false)
	same("unlocked")
	put("a.b", "s3cret-sent")
	same("an equal value was put")
	put("a.b", "s3cret-new")
	same("another value was put", "sent/a.b")
	w.onHost("password", "hunter2 vault\n")
	same("a newline at the end of a file")
	w.onHost("password", "hunter3")
	same("another password", "password")
	w.env["BERTH_SECRET_A"] = "s3cret-2"
	same("another variable", "env")
	text := w.files["secrets/all.yaml"].Data
	mine := bytes.Replace(text, []byte("data:gu0ifZ5VJb8vFg=="), []byte("data:gu0ifZ5VJb8vFh=="), 1)
	w.files["secrets/all.yaml"] = &fstest.MapFile{Data: mine}
	same("one value of a SOPS file", "sops", "sops/pote.dev.db")
	w.files["secrets/all.yaml"] = &fstest.MapFile{Data: bytes.Replace(mine, []byte("user: root"), []byte("user: toor"), 1)}
	same("what a SOPS file has in clear", "sops", "sops/open_unencrypted.user")
	w.age("age", "s3cret-2", true)
	same("another age file", "age", "age/key")
	if err := os.Remove(filepath.Join(w.dir, "generated", "made.age")); err != nil {
		t.Fatal(err)
	}
	same("what was generated is removed, and made anew", "made")
	w.noSecretAtRest()
	// The key of versions is lost: everything that has one of values runs once more.
	if err := os.Remove(filepath.Join(w.dir, "version.key")); err != nil {
		t.Fatal(err)
	}
	w.restart()
	same("the key is lost", "password", "env", "sops/open_unencrypted.user")
	if err := os.WriteFile(filepath.Join(w.dir, "version.key"), []byte("s3cret"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.restart()
	if _, err := w.view().Version(t.Context(), ref("env")); err == nil || !strings.Contains(err.Error(), "version.key is damaged") || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("damaged key: %v", err)
	}
}

func TestVersionErrors(t *testing.T) {
	w := newWorld(t)
	w.place("sops", desired.SecretPlace{SOPS: "all.yaml", Path: w.fixture("sops/all.yaml")})
	w.place("gone", desired.SecretPlace{Age: "gone.age", Path: "secrets/gone.age"})
	w.files["secrets/clear.yaml"] = &fstest.MapFile{Data: []byte("db: s3cret\n")}
	w.place("clear", desired.SecretPlace{SOPS: "clear.yaml", Path: "secrets/clear.yaml"})
	w.place("sent", desired.SecretPlace{Hook: true})
	for of, want := range map[string]string{
		"sops/pote.qa": "not there", "sops/pote": "several values", "gone": "no such file", "clear/db": "no file of SOPS's",
		"nowhere": "secrets: {nowhere: FILE}", "sent/a": "no hook has brought it yet", "sent": "name one",
	} {
		version, err := w.view().Version(t.Context(), ref(of))
		if err == nil || version != "" || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %q, %v, want %q", of, version, err, want)
		}
	}
}

// TestViewIsOneMoment has a value and its version belong together, whatever comes
// between.
func TestViewIsOneMoment(t *testing.T) {
	w := newWorld(t)
	w.place("sent", desired.SecretPlace{Hook: true})
	w.place("host", desired.SecretPlace{File: w.onHost("host", "s3cret-1")})
	put := func(value string) {
		t.Helper()
		if err := w.store.Put(t.Context(), "sent", map[string]desired.Secret{"a": desired.MakeSecret([]byte(value))}); err != nil {
			t.Fatal(err)
		}
	}
	put("s3cret-1")
	reader, asker := w.view(), w.view()
	w.reads(reader, "sent/a", "s3cret-1")
	w.reads(reader, "host", "s3cret-1")
	before, err := asker.Version(t.Context(), ref("sent/a"))
	if err != nil {
		t.Fatal(err)
	}
	put("s3cret-2")
	w.onHost("host", "s3cret-2")
	w.reads(asker, "sent/a", "s3cret-1")
	w.reads(reader, "host", "s3cret-1")
	if version, err := reader.Version(t.Context(), ref("sent/a")); err != nil || version != before {
		t.Errorf("the version of what was read is %q, %v, want %q", version, err, before)
	}
	w.reads(w.view(), "sent/a", "s3cret-2")
	if w.version("sent/a") == before {
		t.Error("the next view has the old version")
	}
}
