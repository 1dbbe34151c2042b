package secrets

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"path/filepath"
	"strings"

	"berth/agent/internal/durable"
	"berth/desired"
)

// alphabet is what generated secrets are made of, by the word that names it; "" is that
// none is so called.
func alphabet(word string) string {
	const digits, lower, upper = "0123456789", "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	switch word {
	case "hex":
		return digits + "abcdef"
	case "digits":
		return digits
	case "safe":
		return digits + lower + upper + "-._"
	case "alnum", "":
		return digits + lower + upper
	}
	return ""
}

// generated is where a generated secret is kept.
func (s *Store) generated(name string) string {
	return filepath.Join(s.Dir, "generated", name+".age")
}

// generate gives what is kept of a generated secret, and makes it if nothing is: then
// made holds the value, which for once needs no unlock. What is kept is never made
// anew, not even if it can't be read.
func (s *Store) generate(name string, how *desired.Generate) (sealed, made []byte, err error) {
	if err := plainName(name); err != nil {
		return nil, nil, err
	}
	sealed, err = readKept(s.generated(name))
	if !errors.Is(err, fs.ErrNotExist) {
		return sealed, nil, err
	}
	if made, err = random(how); err != nil {
		return nil, nil, err
	}
	if sealed, err = s.seal(made); err != nil {
		return nil, nil, fmt.Errorf("make it: %w", err)
	}
	if _, err = s.dir("generated"); err != nil {
		return nil, nil, fmt.Errorf("keep it: %w", err)
	}
	switch err = durable.Create(s.generated(name), sealed); {
	case errors.Is(err, fs.ErrExist): // Another was faster, and its value is the one.
		sealed, err = readKept(s.generated(name))
		return sealed, nil, err
	case err != nil:
		return nil, nil, fmt.Errorf("keep it: %w", err)
	}
	return sealed, made, nil
}

// random makes a value.
func random(how *desired.Generate) ([]byte, error) {
	chars := alphabet(how.Chars)
	if chars == "" {
		return nil, fmt.Errorf("chars %q is not known", how.Chars)
	}
	length := how.Length
	if length == 0 {
		length = 32
	}
	value := make([]byte, length)
	for i := range value {
		from := chars
		if i == 0 {
			// What begins with - is an option to many commands.
			from = strings.TrimRight(chars, "-._")
		}
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(from))))
		if err != nil {
			return nil, fmt.Errorf("make it at random: %w", err)
		}
		value[i] = from[n.Int64()]
	}
	return value, nil
}
