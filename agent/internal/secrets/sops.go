package secrets

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"filippo.io/age"
	"gopkg.in/yaml.v3"
)

// sopsFile is a file as SOPS writes it: a tree whose values are encrypted one by one,
// and what SOPS notes about it.
//
// What is known here of the format is what SOPS's documentation says ("Encryption
// Protocol", "Message Authentication Code", "Encrypting only parts of a file"), and
// what files taught that SOPS 3.13.3 wrote (testdata/sops).
type sopsFile struct {
	format sopsFormat
	// root is the tree without the metadata, as it was written.
	root *yaml.Node
	meta sopsMeta
	// rule tells from the names above a value whether it is encrypted; nil judges by
	// the value.
	rule func(names []string) bool
}

type sopsFormat int

const (
	sopsYAML sopsFormat = iota
	sopsJSON
	sopsEnv
	// sopsBinary is JSON with the one value data, for what is none of the others.
	sopsBinary
)

// sopsMeta is what SOPS notes about a file, as far as it matters here.
type sopsMeta struct {
	Age               []sopsKey   `yaml:"age"`
	KeyGroups         []yaml.Node `yaml:"key_groups"`
	LastModified      string      `yaml:"lastmodified"`
	MAC               string      `yaml:"mac"`
	MACOnlyEncrypted  bool        `yaml:"mac_only_encrypted"`
	UnencryptedSuffix string      `yaml:"unencrypted_suffix"`
	EncryptedSuffix   string      `yaml:"encrypted_suffix"`
	UnencryptedRegex  string      `yaml:"unencrypted_regex"`
	EncryptedRegex    string      `yaml:"encrypted_regex"`
	UnencryptedNote   string      `yaml:"unencrypted_comment_regex"`
	EncryptedNote     string      `yaml:"encrypted_comment_regex"`
}

// sopsKey is the key of the values, encrypted for one recipient of age's.
type sopsKey struct {
	Recipient string `yaml:"recipient"`
	Enc       string `yaml:"enc"`
}

var errNoSOPS = errors.New("it is no file of SOPS's: if it is the secret in clear, it is in Git's history now: revoke it, make a new one and encrypt that with `sops encrypt`")

// parseSOPS reads a file of SOPS's by the name that it has, as SOPS does. It needs no
// identity. No error holds any of the file.
func parseSOPS(name string, text []byte) (*sopsFile, error) {
	f := &sopsFile{}
	var err error
	switch path.Ext(name) {
	case ".yaml", ".yml":
		f.format = sopsYAML
		f.root, err = yamlTree(text)
	case ".json":
		f.format = sopsJSON
		f.root, err = jsonTree(text)
	case ".env":
		f.format = sopsEnv
		f.root, err = envTree(text)
	case ".ini":
		return nil, errors.New("INI files of SOPS's are not read: take YAML, JSON or dotenv")
	default:
		f.format = sopsBinary
		f.root, err = jsonTree(text)
	}
	if err != nil {
		return nil, err
	}
	if err := f.takeMetadata(); err != nil {
		return nil, err
	}
	if f.format == sopsBinary && (len(f.root.Content) != 2 || f.root.Content[0].Value != "data") {
		return nil, errors.New("its name is neither .yaml, .yml, .json nor .env, so SOPS takes it for binary, but it has not the one value \"data\": give it the name of its format")
	}
	return f, nil
}

// takeMetadata takes what SOPS noted out of the tree.
func (f *sopsFile) takeMetadata() error {
	var noted *yaml.Node
	rest := f.root.Content[:0:0]
	for i := 0; i+1 < len(f.root.Content); i += 2 {
		if f.root.Content[i].Value == "sops" {
			noted = f.root.Content[i+1]
			continue
		}
		rest = append(rest, f.root.Content[i:i+2]...)
	}
	f.root.Content = rest
	if noted == nil || noted.Kind != yaml.MappingNode || noted.Decode(&f.meta) != nil || f.meta.MAC == "" {
		return errNoSOPS
	}
	if len(f.meta.Age) == 0 {
		if len(f.meta.KeyGroups) > 0 {
			return errors.New("its key is split among groups, which is not read: encrypt it with one group of recipients")
		}
		return errors.New("it is not encrypted for an age recipient, and others are not read: add this agent's to .sops.yaml and run `sops updatekeys`")
	}
	return f.makeRule()
}

// makeRule makes the rule of which values are encrypted.
func (f *sopsFile) makeRule() error {
	m := &f.meta
	rules := 0
	for _, given := range []string{m.UnencryptedSuffix, m.EncryptedSuffix, m.UnencryptedRegex, m.EncryptedRegex, m.UnencryptedNote, m.EncryptedNote} {
		if given != "" {
			rules++
		}
	}
	suffixed := func(suffix string) func(string) bool {
		return func(name string) bool { return strings.HasSuffix(name, suffix) }
	}
	var matches func(string) bool
	switch clear := m.UnencryptedRegex; {
	case rules > 1:
		return errors.New("it has two rules for what is encrypted, of which SOPS writes one: encrypt it anew")
	case m.EncryptedNote != "" || m.UnencryptedNote != "":
		return nil // Comments rule, which stand elsewhere in each format.
	case m.EncryptedSuffix != "":
		matches = suffixed(m.EncryptedSuffix)
	case m.EncryptedRegex != "" || clear != "":
		rule, err := regexp.Compile(m.EncryptedRegex + clear)
		if err != nil {
			return errors.New("its rule for what is encrypted is no regular expression: encrypt it anew")
		}
		matches = rule.MatchString
	case m.UnencryptedSuffix != "":
		matches = suffixed(m.UnencryptedSuffix)
	default:
		matches = suffixed("_unencrypted")
	}
	wanted := m.EncryptedSuffix != "" || m.EncryptedRegex != ""
	f.rule = func(names []string) bool {
		return slices.ContainsFunc(names, matches) == wanted
	}
	return nil
}

// yamlTree reads YAML, of which SOPS writes neither anchors nor merge keys.
func yamlTree(text []byte) (*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var doc yaml.Node
	if decoder.Decode(&doc) != nil || len(doc.Content) == 0 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, errNoSOPS
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("it has several YAML documents: one is read")
	}
	return doc.Content[0], checkTree(doc.Content[0])
}

// checkTree refuses what makes a tree ambiguous: SOPS checks values in their order,
// and knows names that are strings alone.
func checkTree(at *yaml.Node) error {
	switch {
	case at.Kind == yaml.AliasNode || at.Anchor != "":
		return errors.New("it has YAML anchors, which SOPS does not write: encrypt it anew")
	case at.Kind == yaml.MappingNode:
		seen := make(map[string]bool, len(at.Content)/2)
		for i := 0; i+1 < len(at.Content); i += 2 {
			name := at.Content[i]
			if name.Kind != yaml.ScalarNode || name.ShortTag() != "!!str" {
				return fmt.Errorf("line %d: a name in it is no string: put it in quotes and encrypt it anew", name.Line)
			}
			if seen[name.Value] {
				return fmt.Errorf("line %d: a name stands there for the second time: keep one, and encrypt it anew", name.Line)
			}
			seen[name.Value] = true
		}
	}
	for _, below := range at.Content {
		if err := checkTree(below); err != nil {
			return err
		}
	}
	return nil
}

// envTree reads dotenv: NAME=value, \n being a newline. Metadata stand flat there, as
// in sops_age__list_0__map_enc.
func envTree(text []byte) (*yaml.Node, error) {
	root, noted := newMap(), newMap()
	var keys []*yaml.Node // of age
	for line := range strings.SplitSeq(string(text), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, is := strings.Cut(line, "=")
		if !is {
			return nil, errNoSOPS
		}
		node := newString(strings.ReplaceAll(value, `\n`, "\n"))
		flat, meta := strings.CutPrefix(name, "sops_")
		number, field, listed := strings.Cut(strings.TrimPrefix(flat, "age__list_"), "__map_")
		switch at, err := strconv.Atoi(number); {
		case !meta:
			root.Content = append(root.Content, newString(name), node)
		case strings.HasPrefix(flat, "age__list_") && listed && err == nil && at >= 0 && at < 1000:
			for len(keys) <= at {
				keys = append(keys, newMap())
			}
			keys[at].Content = append(keys[at].Content, newString(field), node)
		case flat == "mac_only_encrypted":
			node.Tag = "!!bool"
			noted.Content = append(noted.Content, newString(flat), node)
		case strings.HasPrefix(flat, "key_groups__"):
			if child(noted, "key_groups") == nil {
				groups := &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{newMap()}}
				noted.Content = append(noted.Content, newString("key_groups"), groups)
			}
		default:
			noted.Content = append(noted.Content, newString(flat), node)
		}
	}
	noted.Content = append(noted.Content, newString("age"), &yaml.Node{Kind: yaml.SequenceNode, Content: keys})
	root.Content = append(root.Content, newString("sops"), noted)
	return root, checkTree(root)
}

func newMap() *yaml.Node { return &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"} }

func newString(value string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value}
}

// sopsDataKey is how long the key of the values is, in bytes.
const sopsDataKey = 32

// key decrypts the key of the values by the first recipient that is ours.
func (f *sopsFile) key(identities []age.Identity) ([]byte, error) {
	for _, k := range f.meta.Age {
		key, err := openAge([]byte(k.Enc), identities)
		switch {
		case errors.Is(err, errNotForUs):
			continue
		case asLocked(err) != nil:
			return nil, err
		case err != nil || len(key) != sopsDataKey:
			return nil, errors.New("its key is damaged: encrypt it anew")
		}
		return key, nil
	}
	return nil, errNotForUs
}
