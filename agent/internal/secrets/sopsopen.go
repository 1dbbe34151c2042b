package secrets

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"filippo.io/age"
	"gopkg.in/yaml.v3"
)

// open decrypts the tree in place and checks that it is whole. No error holds any of
// it.
func (f *sopsFile) open(identities []age.Identity) error {
	key, err := f.key(identities)
	if err != nil {
		return err
	}
	defer clear(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		return fmt.Errorf("take its key: %w", err)
	}
	o := sopsOpening{file: f, block: block, sum: sha512.New()}
	if f.meta.MACOnlyEncrypted {
		// So that it is never the checksum of the same file without that setting.
		mark := sha256.Sum256([]byte("sops"))
		o.sum.Write(mark[:])
	}
	if _, err := o.walk(f.root); err != nil {
		return err
	}
	return o.check()
}

// sopsOpening is the decryption of one file.
type sopsOpening struct {
	file  *sopsFile
	block cipher.Block
	// sum is the checksum of the values in their order.
	sum   hash.Hash
	names []string // above the value that is looked at
}

// check compares the checksum with the one that SOPS wrote, which is encrypted and
// bound to the time that the file was written.
func (o *sopsOpening) check() error {
	at, err := time.Parse(time.RFC3339, o.file.meta.LastModified)
	if err != nil {
		return errors.New("the time of its last change is missing or damaged: encrypt it anew")
	}
	written, _, err := o.decrypt(o.file.meta.MAC, at.Format(time.RFC3339))
	if err != nil {
		return errors.New("its checksum is damaged: encrypt it anew")
	}
	if subtle.ConstantTimeCompare(written, fmt.Appendf(nil, "%X", o.sum.Sum(nil))) != 1 {
		return errors.New("it was changed without SOPS: its checksum is another; take the last commit that was whole, and change it by `sops edit`")
	}
	return nil
}

// walk decrypts what is below a node, and drops comments, which may be encrypted too. It
// tells whether to keep that: a comment in a
// list is none of its values.
func (o *sopsOpening) walk(at *yaml.Node) (keep bool, err error) {
	at.HeadComment, at.LineComment, at.FootComment = "", "", ""
	if at.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(at.Content); i += 2 {
			name := at.Content[i]
			name.HeadComment, name.LineComment, name.FootComment = "", "", ""
			o.names = append(o.names, name.Value)
			if _, err := o.walk(at.Content[i+1]); err != nil {
				return false, err
			}
			o.names = o.names[:len(o.names)-1]
		}
		return true, nil
	}
	if at.Kind == yaml.SequenceNode {
		kept := at.Content[:0]
		for _, below := range at.Content {
			keep, err := o.walk(below)
			if err != nil {
				return false, err
			}
			if keep {
				kept = append(kept, below)
			}
		}
		at.Content = kept
		return true, nil
	}
	return o.leaf(at)
}

// leaf decrypts a value, if it is encrypted, and adds it to the checksum.
func (o *sopsOpening) leaf(at *yaml.Node) (keep bool, err error) {
	if at.ShortTag() == "!!null" {
		return true, nil
	}
	sealed := strings.HasPrefix(at.Value, sopsSealed)
	if o.file.rule != nil {
		sealed = o.file.rule(o.names)
	}
	var text []byte
	switch {
	case !sealed:
		text, err = sopsText(at)
	case at.Value != "": // What is empty is written so.
		var kind string
		text, kind, err = o.decrypt(at.Value, strings.Join(o.names, ":")+":")
		if kind == "comment" {
			return false, err
		}
		if err == nil {
			err = become(at, text, kind)
		}
	}
	if err != nil {
		return false, fmt.Errorf("%s: %w", strings.Join(o.names, "."), err)
	}
	if sealed || !o.file.meta.MACOnlyEncrypted {
		o.sum.Write(text)
	}
	return true, nil
}

// sopsSealed begins every encrypted value.
const sopsSealed = "ENC[AES256_GCM,data:"

// decrypt opens one value, which is bound to the names above it. It tells what kind of
// value it was.
func (o *sopsOpening) decrypt(sealed, bound string) (value []byte, kind string, err error) {
	damaged := errors.New("this value is not encrypted, or damaged: change the file by `sops edit` alone")
	rest, is := strings.CutPrefix(sealed, sopsSealed)
	rest, ends := strings.CutSuffix(rest, "]")
	data, rest, hasIV := strings.Cut(rest, ",iv:")
	iv, rest, hasTag := strings.Cut(rest, ",tag:")
	tag, kind, hasKind := strings.Cut(rest, ",type:")
	if !is || !ends || !hasIV || !hasTag || !hasKind {
		return nil, "", damaged
	}
	var parts [3][]byte
	for i, part := range []string{data, iv, tag} {
		if parts[i], err = base64.StdEncoding.DecodeString(part); err != nil {
			return nil, "", damaged
		}
	}
	if len(parts[1]) == 0 || len(parts[2]) != aes.BlockSize {
		return nil, "", damaged
	}
	opener, err := cipher.NewGCMWithNonceSize(o.block, len(parts[1]))
	if err != nil {
		return nil, "", damaged
	}
	if value, err = opener.Open(nil, parts[1], append(parts[0], parts[2]...), []byte(bound)); err != nil {
		return nil, "", damaged
	}
	return value, kind, nil
}

// become makes a node the value that was decrypted.
func become(at *yaml.Node, text []byte, kind string) error {
	value := string(text)
	*at = yaml.Node{Kind: yaml.ScalarNode, Value: value}
	again := ""
	switch kind {
	case "str", "bytes":
		if !utf8.Valid(text) || at.Encode(value) != nil { // It puts what looks like another kind in quotes.
			*at = yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value}
		}
		return nil
	case "int":
		n, _ := strconv.Atoi(value)
		again = strconv.Itoa(n)
	case "float":
		n, _ := strconv.ParseFloat(value, 64)
		again = strconv.FormatFloat(n, 'f', -1, 64)
	case "time":
		var when time.Time
		_ = when.UnmarshalText(text)
		written, _ := when.MarshalText()
		again = string(written)
	case "bool":
		if value == "True" || value == "False" {
			again, at.Value = value, strings.ToLower(value)
		}
	default:
		return errors.New("this value is of a kind that is not known here: write it as a string")
	}
	// The kind is not bound to the value as its text is.
	if again != value {
		return errors.New("this value is not what its kind says: encrypt it anew")
	}
	return nil
}

// sopsText is a value in the form that goes into the checksum.
func sopsText(at *yaml.Node) ([]byte, error) {
	var value any
	// The error of the parser may quote what it read.
	if at.Decode(&value) != nil {
		return nil, errors.New("this value is none that YAML knows: put it in quotes")
	}
	switch value := value.(type) {
	case string:
		return []byte(value), nil
	case int:
		return []byte(strconv.Itoa(value)), nil
	case float64:
		return []byte(strconv.FormatFloat(value, 'f', -1, 64)), nil
	case bool:
		if value {
			return []byte("True"), nil
		}
		return []byte("False"), nil
	case time.Time:
		return value.MarshalText()
	}
	return nil, errors.New("this value is none that SOPS knows: put it in quotes")
}

// find gives the value of a key, as the tree has it now; with no key, all of it in its
// own format.
func (f *sopsFile) find(key string) ([]byte, error) {
	if key == "" {
		return f.text()
	}
	at, err := find(f.root, key)
	if err == nil {
		var value []byte
		if value, err = scalar(at); err == nil {
			return value, nil
		}
	}
	return nil, fmt.Errorf("key %q: %w", key, err)
}

// text is the whole file in clear, in its own format.
func (f *sopsFile) text() ([]byte, error) {
	var out bytes.Buffer
	switch f.format {
	case sopsJSON:
		if err := writeJSON(&out, f.root); err != nil {
			return nil, errors.New("it holds a value that JSON does not know: name a key")
		}
	case sopsEnv:
		for i := 0; i+1 < len(f.root.Content); i += 2 {
			out.WriteString(f.root.Content[i].Value + "=" + strings.ReplaceAll(f.root.Content[i+1].Value, "\n", `\n`) + "\n")
		}
	default:
		text, err := yaml.Marshal(f.root)
		if err != nil {
			return nil, errors.New("it holds a value that YAML does not know: name a key")
		}
		out.Write(text)
	}
	return out.Bytes(), nil
}
