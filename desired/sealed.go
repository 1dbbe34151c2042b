package desired

import (
	"bytes"
	"io"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"
)

// A seal is how a file is encrypted.
type seal string

// The seals that are known; "" is none.
const (
	sealAge   seal = "age"
	sealSOPS  seal = "sops"
	sealVault seal = "vault"
)

// called is what people call what is sealed so.
func (s seal) called() string {
	switch s {
	case sealAge:
		return "age has encrypted"
	case sealSOPS:
		return "SOPS has encrypted"
	case sealVault:
		return "ansible-vault has encrypted"
	}
	return "nobody has encrypted"
}

var (
	// regexpSOPSLine finds what SOPS writes about itself into files of lines: dotenv and
	// INI.
	regexpSOPSLine = regexp.MustCompile(`(?m)^(sops_mac *= *ENC\[|mac *= *ENC\[)`)
	ageHeader      = []byte("age-encryption.org/v1\n")
	ageArmor       = []byte("-----BEGIN AGE ENCRYPTED FILE-----")
	vaultHeader    = []byte("$ANSIBLE_VAULT;")
)

// sealOf tells how a file is encrypted; "" where it does not look so.
func sealOf(data []byte) seal {
	text := bytes.TrimLeft(data, " \t\r\n")
	switch {
	case bytes.HasPrefix(data, ageHeader), bytes.HasPrefix(text, ageArmor):
		return sealAge
	case bytes.HasPrefix(text, vaultHeader):
		return sealVault
	case bytes.Contains(data, []byte("sops")) && (regexpSOPSLine.Match(data) || metadataOf(data) != nil):
		return sealSOPS
	}
	return ""
}

// metadataOf is what SOPS writes about itself into a YAML or JSON file; nil where it has
// not.
func metadataOf(data []byte) *yaml.Node {
	if len(data) > maxBeside || !bytes.Contains(data, []byte("ENC[")) {
		return nil
	}
	var doc yaml.Node
	if yaml.Unmarshal(data, &doc) != nil || len(doc.Content) == 0 {
		return nil
	}
	meta := fieldOf(doc.Content[0], "sops")
	if meta == nil || fieldOf(meta, "mac") == nil {
		return nil
	}
	return meta
}

func fieldOf(node *yaml.Node, word string) *yaml.Node {
	if node.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == word {
			return node.Content[i+1]
		}
	}
	return nil
}

// A sealedFile is an encrypted file among the manifests.
type sealedFile struct {
	name string
	// kind tells that it says in clear to be a document, as a manifest does.
	kind bool
}

// sealedAmong tells whether a file among the manifests is an encrypted one; nil if not.
func sealedAmong(name string, data []byte) *sealedFile {
	if sealOf(data) == "" {
		return nil
	}
	return &sealedFile{name, bytes.HasPrefix(data, []byte("kind:")) || bytes.Contains(data, []byte("\nkind:"))}
}

// badSeal says what is wrong with an encrypted file that a field of a Secret names;
// nothing of the file is printed. "" where it is what the field is for.
func badSeal(field seal, name string, data []byte) string {
	switch found := sealOf(data); {
	case found == field:
		return unopened(field, name, data)
	case found != "":
		write := string(found)
		if found == sealVault {
			write = "vault: {file: …, password: {secret: NAME}}"
		}
		return name + " is what " + found.called() + ": write " + write
	case len(bytes.TrimSpace(data)) == 0:
		return name + " is empty: encrypt the secret into it"
	case field == sealVault && bytes.Contains(data, []byte("!vault")):
		return name + " holds single values that ansible-vault has encrypted: Berth reads files that are encrypted whole (ansible-vault encrypt FILE), or name it by a Playbook's varsFiles"
	}
	return name + " is not encrypted, and what it holds is in Git's history now: revoke it and make a new one, which you encrypt before you commit it"
}

// unopened says why nobody here can open an encrypted file.
func unopened(field seal, name string, data []byte) string {
	if field != sealSOPS {
		return ""
	}
	meta := metadataOf(data)
	if meta == nil {
		return "" // Files of lines tell their keys otherwise.
	}
	if keys := fieldOf(meta, "age"); keys != nil && len(keys.Content) > 0 {
		return ""
	}
	if keys := fieldOf(meta, "key_groups"); keys != nil && strings.Contains(string(data), "age1") {
		return ""
	}
	return name + " is encrypted for no key of age's, and the agent has no other: add the agent's (agent status prints it) to .sops.yaml, and run sops updatekeys"
}

// vaulted tells whether ansible-vault has encrypted a whole file.
func (l *loader) vaulted(name string) bool {
	file, err := l.fsys.Open(name)
	if err != nil {
		return false
	}
	defer file.Close()
	begin := make([]byte, len(vaultHeader))
	_, err = io.ReadFull(file, begin)
	return err == nil && bytes.Equal(begin, vaultHeader)
}
