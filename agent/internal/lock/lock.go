// Package lock keeps the age identity that opens the agent's secrets: on disk behind
// a passphrase, in memory between Unlock and Lock.
//
// DIR/identity.age is an age file like any other, encrypted with the passphrase:
// `age -d DIR/identity.age` shows the identity, should Berth be gone. DIR/identity.pub
// is its public half, for `age -R`.
//
// What this protects from: whoever has the disk, a backup of it or the swap has no
// secret without the passphrase. The identity stands in one page that is never
// swapped and in no core dump, and is wiped by [Lock.Lock]. What it does not: Go's heap
// holds short-lived copies that cannot be wiped at will, of the passphrase while it is
// tried and of the identity whenever a file is opened by it; they are there until the
// collector gives their memory out anew. Whoever is root on a host that runs an
// unlocked agent has its secrets.
package lock

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"filippo.io/age"
)

// State is what can be done with a [Lock].
type State int

// The states of a lock. A restart of the process ends in Locked.
const (
	// New has no identity yet.
	New State = iota
	// Locked has one that nobody has opened.
	Locked
	// Unlocked has it in memory.
	Unlocked
)

// String is new, locked or unlocked.
func (s State) String() string { return [...]string{"new", "locked", "unlocked"}[s] }

// The files of a lock's directory.
const (
	// IdentityFile holds the identity, encrypted with the passphrase.
	IdentityFile = "identity.age"
	// RecipientFile holds its public half.
	RecipientFile = "identity.pub"
)

// ErrNew is that there is no identity yet.
var ErrNew = errors.New("this agent has no identity yet, by which secrets are encrypted: run `agent bootstrap` on its host, or name one by `identity` in agent.yaml")

// Lock is the identity of one agent. It may be used by many at once.
type Lock struct {
	dir string
	// work is scrypt's, as the power of two that age writes into the file.
	work int
	// turn is had by whoever tries a passphrase: scrypt takes much memory, and a
	// delay is no delay for those who try side by side.
	turn chan struct{}
	// wrong counts the wrong passphrases since the last right one, and next is when
	// another is taken. Both belong to who has the turn.
	wrong int
	next  time.Time

	mu   sync.RWMutex
	page *page // nil while locked
}

// Open opens the lock in dir, which need not be there yet. It writes nothing. What this
// user may not look at is [Locked]; Unlock says why.
func Open(dir string) (*Lock, error) {
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return nil, fmt.Errorf("open the lock: %s is no directory: move it away", dir)
	}
	return &Lock{dir: dir, work: workFactor, turn: make(chan struct{}, 1)}, nil
}

// IdentityPath is the file of the identity, which is worth a backup.
func (l *Lock) IdentityPath() string { return filepath.Join(l.dir, IdentityFile) }

// made tells whether there is an identity. What can't be seen is not absent.
func (l *Lock) made() (bool, error) {
	_, err := os.Lstat(l.IdentityPath())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Written is when the identity's file was last written; zero where there is none, or
// where this user may not look.
func (l *Lock) Written() time.Time {
	info, err := os.Lstat(l.IdentityPath())
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// State tells the state. It sees at once what another process has created.
func (l *Lock) State() State {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.page != nil {
		return Unlocked
	}
	if made, err := l.made(); err == nil && !made {
		return New
	}
	return Locked
}

// Recipient is the public half, as in "age1…": who has it encrypts, and opens
// nothing. It is known while locked. "" is that there is none, or that its file is
// damaged or another identity's, which the next Unlock mends: what was encrypted for
// one that a backup has replaced nobody would ever open.
func (l *Lock) Recipient() string {
	if made, err := l.made(); err != nil || !made {
		return "" // What a create left that was killed halfway is nobody's public half.
	}
	recipient, of := l.public()
	if text, err := l.read(); err == nil && of != digestOf(text) {
		return ""
	}
	return recipient
}

// digestOf is what an identity's file is told by.
func digestOf(text []byte) string {
	digest := sha256.Sum256(text)
	return hex.EncodeToString(digest[:])
}

// public reads the public half and the digest that the identity's file had.
func (l *Lock) public() (recipient, digest string) {
	text, err := os.ReadFile(filepath.Join(l.dir, RecipientFile))
	if err != nil {
		return "", ""
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if rest, is := strings.CutPrefix(line, digestComment); is {
			digest = rest
		} else if _, err := age.ParseX25519Recipient(line); err == nil {
			recipient = line
		}
	}
	return recipient, digest
}

// Identities gives what opens files that were encrypted for [Lock.Recipient]. It works
// until Lock, also for who was given it before. While locked the error is a
// [desired.LockedError], while new it is [ErrNew].
func (l *Lock) Identities() ([]age.Identity, error) {
	switch l.State() {
	case New:
		return nil, ErrNew
	case Locked:
		return nil, l.locked()
	default:
		return []age.Identity{held{l}}, nil
	}
}

// Lock forgets the identity and wipes its memory. It waits for files that are being
// opened by it.
func (l *Lock) Lock() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.page == nil {
		return
	}
	l.page.close()
	l.page = nil
}

// held opens files by the identity in the page, and never holds it itself.
type held struct{ lock *Lock }

// Unwrap opens the key of a file.
func (h held) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	h.lock.mu.RLock()
	defer h.lock.mu.RUnlock()
	if h.lock.page == nil {
		return nil, h.lock.locked()
	}
	identity, err := age.ParseX25519Identity(string(bytes.TrimRight(h.lock.page.memory, "\x00")))
	if err != nil {
		return nil, errors.New("the identity in memory is damaged: run `agent lock`, then `agent unlock`")
	}
	return identity.Unwrap(stanzas)
}
