package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

// silence is how long a person looks at a terminal that shows nothing.
const silence = 3 * time.Second

// stillAt tells who waits at a terminal, once and after a while, that something goes on,
// until done. Whatever else reads the error stream reads errors alone.
func stillAt(s streams, text string) (done func()) {
	f, ok := s.Err.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return func() {}
	}
	return sayLater(f, text)
}

// sayLater writes a line unless it is done before a while has passed. What is written
// after done comes after that line.
func sayLater(w io.Writer, text string) (done func()) {
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		timer := time.NewTimer(silence)
		defer timer.Stop()
		select {
		case <-timer.C:
			fmt.Fprintln(w, text)
		case <-stop:
		}
	}()
	return func() { close(stop); <-ended }
}
