package secrets

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"
)

// sopsIdentities opens the files of testdata/sops.
func sopsIdentities(t testing.TB) []age.Identity {
	t.Helper()
	identities, err := age.ParseIdentities(bytes.NewReader(sopsData(t, "identity.txt")))
	if err != nil {
		t.Fatal(err)
	}
	return identities
}

func sopsData(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "sops", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func openedSOPS(t testing.TB, name string, text []byte) (*sopsFile, error) {
	t.Helper()
	f, err := parseSOPS(name, text)
	if err != nil {
		return nil, err
	}
	return f, f.open(sopsIdentities(t))
}

// sopsYAMLValues is what the files of YAML hold.
var sopsYAMLValues = map[string]string{
	"pote.dev.db": "s3cret-dev", "pote.dev.port": "5432", "on": "true", "off": "false", "ratio": "1.5", "big": "1000",
	"none": "", "empty": "", "multi": "s3cret-line-one\nline two\n", "unicode": "s3cret-üñ",
	"like_number": "0123", "like_bool": "yes", "open_unencrypted.user": "root", "open_unencrypted.port": "22", "open_unencrypted.ok": "yes",
	"example.org.key": "s3cret-dotted",
}

// TestSOPSIsReadAsSOPSWritesIt reads what SOPS itself wrote, in each format and by each
// rule of what is encrypted.
func TestSOPSIsReadAsSOPSWritesIt(t *testing.T) {
	for name, want := range map[string]map[string]string{
		"all.yaml": sopsYAMLValues, "regex.yaml": sopsYAMLValues, "maconly.yaml": sopsYAMLValues,
		"comment.yaml": sopsYAMLValues, "note.yaml": sopsYAMLValues,
		"suffix.yaml": {"db_secret": "s3cret", "user": "root"},
		"all.json": {
			"pote.dev.db": "s3cret", "pote.dev.port": "5432", "pote.dev.big": "12345678901234567000", "pote.dev.ratio": "1.5", "pote.dev.exp": "1000",
			"open_unencrypted.n": "3", "open_unencrypted.f": "2.5", "open_unencrypted.t": "false", "open_unencrypted.u": "😀", "empty": "", "html": "<s3cret&>",
		},
		"all.env":    {"DB": "s3cret", "MULTI": "s3cret one\ntwo", "EMPTY": "", "QUOTED": `"s3cret"`, "USER_unencrypted": "root"},
		"binary.txt": {"data": "s3cret\n"},
	} {
		f, err := openedSOPS(t, name, sopsData(t, name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for key, value := range want {
			if got, err := f.find(key); err != nil || string(got) != value {
				t.Errorf("%s: %s is %q, %v, want %q", name, key, got, err, value)
			}
		}
		for key, wrong := range map[string]string{"pote": "several values", "no.such": "is not there", "sops.mac": "is not there"} {
			if name == "all.yaml" {
				if _, err := f.find(key); err == nil || !strings.Contains(err.Error(), wrong) {
					t.Errorf("%s: %s: %v, want %q", name, key, err, wrong)
				}
			}
		}
	}
}

// TestWholeSOPSFileIsInItsOwnFormat compares with what SOPS prints, but for how long
// lines and numbers are written.
func TestWholeSOPSFileIsInItsOwnFormat(t *testing.T) {
	for name, lines := range map[string][]string{
		"all.yaml": {"        db: s3cret-dev\n", "like_number: \"0123\"\n", "\"on\": true\n", "ratio: 1.5\n", "none: null\n", "like_bool: \"yes\"\n", "big: 1000\n", "    line two\n", "        - s3cret-two\n"},
		"all.json": {`"port":5432`, `["s3cret-one",true,null,{"a":"s3cret-two"}]`, `"big":12345678901234567000`},
		"all.env":  {"DB=s3cret\n", "MULTI=s3cret one\\ntwo\n"},
	} {
		f, err := openedSOPS(t, name, sopsData(t, name))
		if err != nil {
			t.Fatal(err)
		}
		text, err := f.find("")
		if err != nil || strings.Contains(string(text), "sops") || strings.Contains(string(text), "#") || strings.Contains(string(text), "ENC[") {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
		for _, line := range lines {
			if !strings.Contains(string(text), line) {
				t.Errorf("%s lacks %q:\n%s", name, line, text)
			}
		}
		if name == "all.env" {
			continue
		}
		var tree map[string]any
		if err := yaml.Unmarshal(text, &tree); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSOPSRefusals(t *testing.T) {
	all := string(sopsData(t, "all.yaml"))
	for name, c := range map[string]struct{ file, text, want string }{
		"not for us":       {"notours.yaml", string(sopsData(t, "notours.yaml")), "not encrypted for this agent"},
		"groups":           {"groups.yaml", string(sopsData(t, "groups.yaml")), "split among groups"},
		"groups of dotenv": {"groups.env", string(sopsData(t, "groups.env")), "split among groups"},
		"ini":              {"refused.ini", string(sopsData(t, "refused.ini")), "take YAML, JSON or dotenv"},
		"in clear":         {"a.yaml", "db: s3cret-dev\n", "no file of SOPS's"},
		"no YAML":          {"a.yaml", "db: s3cret-dev: {\n", "no file of SOPS's"},
		"a list":           {"a.yaml", "- s3cret-dev\n", "no file of SOPS's"},
		"no JSON":          {"a.json", "s3cret-dev", "no file of SOPS's"},
		"half JSON":        {"a.json", string(sopsData(t, "all.json")[:900]), "no file of SOPS's"},
		"two of JSON":      {"a.json", string(sopsData(t, "all.json")) + "{}", "no file of SOPS's"},
		"deep JSON":        {"a.json", strings.Repeat(`{"a":`, 300), "no file of SOPS's"},
		"no dotenv":        {"a.env", "s3cret-dev\n", "no file of SOPS's"},
		"empty":            {"a.env", "", "no file of SOPS's"},
		"wrong name":       {"a.txt", string(sopsData(t, "all.json")), "give it the name of its format"},
		"binary YAML":      {"a.pem", all, "no file of SOPS's"},
		"several":          {"a.yaml", all + "---\na: s3cret\n", "several YAML documents"},
		"anchors":          {"a.yaml", "a: &x s3cret-dev\nb: *x\n", "anchors"},
		"merges":           {"a.yaml", "a:\n  <<: {b: s3cret}\n", "no string"},
		"numbers":          {"a.yaml", "1: s3cret\n", "line 1: a name in it is no string"},
		"twice":            {"a.yaml", "a: s3cret\na: s3cret\n", "line 2: a name stands there for the second time"},
		"two rules":        {"a.yaml", strings.Replace(all, "    unencrypted_suffix: _unencrypted\n", "    unencrypted_suffix: _unencrypted\n    encrypted_regex: x\n", 1), "two rules"},
		"bad rule":         {"a.yaml", strings.Replace(all, "    unencrypted_suffix: _unencrypted\n", "    encrypted_regex: (\n", 1), "no regular expression"},
		"no age":           {"a.yaml", "a: b\nsops:\n  mac: x\n  pgp: []\n", "not encrypted for an age recipient"},
		"metadata no map":  {"a.yaml", "a: b\nsops: s3cret\n", "no file of SOPS's"},
		"age no list":      {"a.yaml", "a: b\nsops: {mac: x, age: s3cret}\n", "no file of SOPS's"},
	} {
		_, err := openedSOPS(t, c.file, []byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// TestSOPSFileThatWasChangedIsRefused changes a file in every way that leaves it one of
// SOPS's, as who can push but has no key can.
func TestSOPSFileThatWasChangedIsRefused(t *testing.T) {
	all := string(sopsData(t, "all.yaml"))
	lines := strings.SplitAfter(all, "\n")
	line := func(begins string) int {
		for i, l := range lines {
			if strings.HasPrefix(strings.TrimSpace(l), begins) {
				return i
			}
		}
		t.Fatalf("no line begins with %s", begins)
		return 0
	}
	with := func(change func([]string)) string {
		changed := append([]string(nil), lines...)
		change(changed)
		return strings.Join(changed, "")
	}
	db, port, first, ratio := line("db:"), line("port: ENC"), line("- ENC"), line("ratio:")
	for name, text := range map[string]string{
		"a value in clear":     with(func(l []string) { l[db] = "        db: s3cret-mine\n" }),
		"a value taken out":    with(func(l []string) { l[port] = "" }),
		"a value emptied":      with(func(l []string) { l[db] = "        db: \"\"\n" }),
		"a value made null":    with(func(l []string) { l[db] = "        db: null\n" }),
		"a list's order":       with(func(l []string) { l[first], l[first+2] = l[first+2], l[first] }),
		"a value moved":        with(func(l []string) { l[ratio] = strings.Replace(l[db], "        db", "ratio", 1) }),
		"a value renamed":      with(func(l []string) { l[db] = strings.Replace(l[db], "db:", "bd:", 1) }),
		"the order of names":   with(func(l []string) { l[db], l[port] = l[port], l[db] }),
		"a kind":               with(func(l []string) { l[ratio] = strings.Replace(l[ratio], "type:float", "type:int", 1) }),
		"a kind made comment":  with(func(l []string) { l[first] = strings.Replace(l[first], "type:str", "type:comment", 1) }),
		"an unknown kind":      with(func(l []string) { l[ratio] = strings.Replace(l[ratio], "type:float", "type:what", 1) }),
		"a value beside":       strings.Replace(all, "user: root", "user: toor", 1),
		"one more in clear":    strings.Replace(all, "    user: root\n", "    user: root\n    more: x\n", 1),
		"the rule":             strings.Replace(all, "unencrypted_suffix: _unencrypted", "unencrypted_suffix: db", 1),
		"the time":             strings.Replace(all, "lastmodified: \"2026-", "lastmodified: \"2025-", 1),
		"no time":              strings.Replace(all, "lastmodified:", "last:", 1),
		"only what is sealed":  strings.Replace(all, "    lastmodified:", "    mac_only_encrypted: true\n    lastmodified:", 1),
		"an old checksum":      strings.Replace(all, lines[line("mac:")], string(macOf(t, "note.yaml")), 1),
		"no checksum at all":   strings.Replace(all, lines[line("mac:")], "    mac: ENC[AES256_GCM,data:,iv:,tag:,type:str]\n", 1),
		"an odd value":         with(func(l []string) { l[db] = "        db: ENC[AES256_GCM,data:]\n" }),
		"a long number":        strings.Replace(all, "port: 22\n", "port: 99999999999999999999999\n", 1),
		"data key not for age": strings.Replace(all, "YWdlLWVuY3J5cHRpb24ub3Jn", "YWdlLWVuY3J5cHRpb24ub3Jm", 2),
	} {
		if text == all {
			t.Fatalf("%s: nothing was changed", name)
		}
		_, err := openedSOPS(t, "all.yaml", []byte(text))
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Where SOPS was told so, the checksum is of what is encrypted alone.
	only := string(sopsData(t, "maconly.yaml"))
	if f, err := openedSOPS(t, "maconly.yaml", []byte(strings.Replace(only, "- s3cret-two", "- other", 1))); err != nil || f == nil {
		t.Errorf("mac_only_encrypted: %v", err)
	}
}

func macOf(t *testing.T, name string) []byte {
	t.Helper()
	for line := range bytes.Lines(sopsData(t, name)) {
		if bytes.HasPrefix(line, []byte("    mac:")) {
			return line
		}
	}
	t.Fatal("no checksum")
	return nil
}

// TestEveryBitOfASOPSFileCounts flips each byte of a value and of the checksum.
func TestEveryBitOfASOPSFileCounts(t *testing.T) {
	text := sopsData(t, "suffix.yaml")
	at := bytes.Index(text, []byte("ENC["))
	end := at + bytes.IndexByte(text[at:], '\n')
	for i := at; i < end; i++ {
		changed := bytes.Clone(text)
		changed[i] ^= 4
		f, err := openedSOPS(t, "suffix.yaml", changed)
		if err == nil {
			value, _ := f.find("db_secret")
			t.Errorf("byte %d, %q for %q: read as %q", i, changed[i], text[i], value)
		} else if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("byte %d: %v", i, err)
		}
	}
}

func TestSOPSWithoutOurKeySaysForWhom(t *testing.T) {
	f, err := parseSOPS("all.yaml", sopsData(t, "all.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	other, _ := age.GenerateX25519Identity()
	if err := f.open([]age.Identity{other}); !errors.Is(err, errNotForUs) {
		t.Errorf("opened by another: %v", err)
	}
	// What could not be opened is as it was.
	if value, err := f.find("pote.dev.db"); err != nil || !strings.HasPrefix(string(value), sopsSealed) {
		t.Errorf("%q %v", value, err)
	}
}

// FuzzSOPS wants no panic, no hang and no secret in an error, whatever is read; and of
// what opens, that it opens the same again.
func FuzzSOPS(f *testing.F) {
	for _, name := range []string{"all.yaml", "regex.yaml", "maconly.yaml", "comment.yaml", "suffix.yaml", "all.json", "all.env", "binary.txt", "groups.yaml"} {
		f.Add(name, sopsData(f, name))
	}
	identities := sopsIdentities(f)
	f.Fuzz(func(t *testing.T, name string, text []byte) {
		open := func() (string, error) {
			file, err := parseSOPS(name, text)
			if err != nil {
				return "", err
			}
			if err := file.open(identities); err != nil {
				return "", err
			}
			whole, err := file.find("")
			return string(whole), err
		}
		first, err := open()
		if err != nil && strings.Contains(err.Error(), "s3cret-dev") && !bytes.Contains(text, []byte("s3cret")) {
			t.Errorf("an error holds the secret: %v", err)
		}
		second, again := open()
		if diff := cmp.Diff(first, second); diff != "" || (err == nil) != (again == nil) {
			t.Errorf("opened twice: %v, %v\n%s", err, again, diff)
		}
	})
}
