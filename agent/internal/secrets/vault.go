package secrets

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// The numbers of Ansible Vault's only format, AES256 (ansible-core, "ansible-vault"
// documentation, "Ansible Vault payload format 1.1 - 1.2").
const (
	vaultIterations = 10000
	vaultKey        = 32
)

// errVaultPassword is that a password is not the one of a vault file, or that the
// file is damaged: what it holds is authenticated by the password alone.
var errVaultPassword = errors.New("the password is not that of this file, or the file is damaged: `ansible-vault view` with the same password tells which")

// openVault decrypts a whole file of Ansible Vault's, 1.1 or 1.2. No error holds any
// of it.
func openVault(text, password []byte) ([]byte, error) {
	body, err := vaultBody(text)
	if err != nil {
		return nil, err
	}
	salt, mac, sealed, err := vaultParts(body)
	if err != nil {
		return nil, err
	}
	// Ansible takes blanks and newlines off what its password files hold.
	derived, err := pbkdf2.Key(sha256.New, string(bytes.TrimSpace(password)), salt, vaultIterations, 2*vaultKey+aes.BlockSize)
	if err != nil {
		return nil, fmt.Errorf("derive the key: %w", err)
	}
	sum := hmac.New(sha256.New, derived[vaultKey:2*vaultKey])
	sum.Write(sealed)
	if !hmac.Equal(sum.Sum(nil), mac) {
		return nil, errVaultPassword
	}
	block, err := aes.NewCipher(derived[:vaultKey])
	if err != nil {
		return nil, fmt.Errorf("derive the key: %w", err)
	}
	plain := make([]byte, len(sealed))
	cipher.NewCTR(block, derived[2*vaultKey:]).XORKeyStream(plain, sealed)
	return unpad(plain)
}

// vaultBody checks the first line, and gives what the others say in hexadecimal.
func vaultBody(text []byte) ([]byte, error) {
	first, rest, _ := strings.Cut(string(text), "\n")
	words := strings.Split(strings.TrimSpace(first), ";")
	switch {
	case words[0] != "$ANSIBLE_VAULT" || len(words) < 3:
		return nil, errors.New("it is no file of Ansible Vault's: `ansible-vault encrypt` makes one")
	case words[1] != "1.1" && words[1] != "1.2":
		return nil, errors.New("its version is neither 1.1 nor 1.2: encrypt it anew with `ansible-vault rekey`")
	case words[2] != "AES256":
		return nil, errors.New("its cipher is not AES256: encrypt it anew with `ansible-vault rekey`")
	}
	body, err := hex.DecodeString(strings.Join(strings.Fields(rest), ""))
	if err != nil {
		return nil, errors.New("it is damaged: what follows the first line is not hexadecimal")
	}
	return body, nil
}

// vaultParts reads the three parts that stand in a vault's body, hexadecimal again.
func vaultParts(body []byte) (salt, mac, sealed []byte, err error) {
	lines := bytes.Split(body, []byte("\n"))
	if len(lines) != 3 {
		return nil, nil, nil, errors.New("it is damaged: it has not its three parts")
	}
	parts := make([][]byte, len(lines))
	for i, line := range lines {
		if parts[i], err = hex.DecodeString(string(line)); err != nil || len(parts[i]) == 0 {
			return nil, nil, nil, errors.New("it is damaged: one of its three parts is not hexadecimal")
		}
	}
	return parts[0], parts[1], parts[2], nil
}

// unpad takes the padding of PKCS #7 off.
func unpad(plain []byte) ([]byte, error) {
	length := int(plain[len(plain)-1])
	if length == 0 || length > aes.BlockSize || length > len(plain) ||
		!bytes.Equal(plain[len(plain)-length:], bytes.Repeat([]byte{byte(length)}, length)) {
		return nil, errors.New("it is damaged: its padding is wrong")
	}
	return plain[:len(plain)-length], nil
}
