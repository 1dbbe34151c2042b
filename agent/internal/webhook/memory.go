package webhook

import (
	"crypto/sha256"
	"sync"
	"time"
)

const (
	// sameID is when an id may come again: forges try again within hours.
	sameID = 24 * time.Hour
	// remembered is how many marks of deliveries are kept: the newest.
	remembered = 4096
	// sameBody is when a body may come again under another id, or without one: two
	// pushes may well be told in the same words.
	sameBody = 5 * time.Minute
)

// mark is what a delivery is known by.
type mark [sha256.Size]byte

// memory knows which deliveries were taken.
type memory struct {
	mu    sync.Mutex
	until map[mark]time.Time // when it may come again
	order []mark             // as they came, the oldest at next once it is full
	next  int
}

// seen tells whether a delivery was taken before, and remembers it. Where an id is not
// signed with the body, anybody can give another to what was overheard: the body is
// known by itself then.
func (m *memory) seen(now time.Time, proof proof, body []byte) bool {
	marks := make(map[mark]time.Time)
	if proof.id != "" {
		marks[sha256.Sum256([]byte("id "+proof.id))] = now.Add(sameID)
	}
	if !proof.idSigned {
		h := sha256.New()
		h.Write([]byte("body "))
		h.Write(body)
		marks[mark(h.Sum(nil))] = now.Add(sameBody)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for k := range marks {
		if until, has := m.until[k]; has && now.Before(until) {
			return true
		}
	}
	for k, again := range marks {
		m.keep(k, again)
	}
	return false
}

// keep remembers a mark in the place of the oldest. The caller holds mu.
func (m *memory) keep(k mark, until time.Time) {
	if m.until == nil {
		m.until = make(map[mark]time.Time)
	}
	if _, has := m.until[k]; !has {
		if len(m.order) < remembered {
			m.order = append(m.order, k)
		} else {
			delete(m.until, m.order[m.next])
			m.order[m.next] = k
			m.next = (m.next + 1) % remembered
		}
	}
	m.until[k] = until
}
