package lock

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// page is memory outside of Go's heap: never moved, never swapped, never dumped.
type page struct{ memory []byte }

// newPage takes a page and copies what is secret there.
func newPage(secret []byte) (*page, error) {
	if len(secret) > os.Getpagesize() {
		return nil, errors.New("it is larger than a page")
	}
	memory, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, fmt.Errorf("map a page: %w", err)
	}
	err = unix.Mlock(memory)
	if err == nil {
		err = dontDump(memory)
	}
	if err != nil {
		return nil, errors.Join(err, unix.Munmap(memory))
	}
	copy(memory, secret)
	return &page{memory: memory}, nil
}

// close wipes the page and gives it back.
func (p *page) close() {
	p.wipe()
	// Neither can fail for what newPage made, and nothing is left in it.
	_ = unix.Munlock(p.memory)
	_ = unix.Munmap(p.memory)
	p.memory = nil
}

func (p *page) wipe() { clear(p.memory) }
