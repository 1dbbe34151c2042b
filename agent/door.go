package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"

	"berth/agent/internal/web"
)

// front answers by whatever is behind it: that may be another from one request to the
// next, while what is under way goes on with what it began with.
type front struct{ behind atomic.Pointer[http.Handler] }

func (f *front) answerBy(h http.Handler) { f.behind.Store(&h) }

// ServeHTTP answers by what is behind.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := f.behind.Load()
	if h == nil {
		http.Error(w, "the agent starts: ask again", http.StatusServiceUnavailable)
		return
	}
	(*h).ServeHTTP(w, r)
}

// door is where other machines ask. The nil door is shut.
type door struct {
	front
	// listen is what the settings say, url where that came out at.
	listen, url string
	secure      bool
	shown       atomic.Pointer[web.Certificate]
	shut        func()
}

// openDoor listens, and answers until ctx is done or the door is closed.
func openDoor(ctx context.Context, address string, certificate web.Certificate, log *slog.Logger, fail func(error)) (*door, error) {
	d := &door{listen: address, secure: certificate != nil}
	var read web.Certificate
	scheme := "http"
	if d.secure {
		d.shown.Store(&certificate)
		read = func() (cert, key []byte, err error) { return (*d.shown.Load())() }
		scheme = "https"
	}
	ctx, stop := context.WithCancel(ctx)
	listener, err := web.ListenHTTP(ctx, address, read, log)
	if err != nil {
		stop()
		return nil, err
	}
	d.url = scheme + "://" + listener.Addr().String()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := web.ServeHTTP(ctx, listener, d, log); err != nil {
			fail(err)
		}
	}()
	d.shut = func() { stop(); <-ended }
	return d, nil
}

// at tells whether the door is where the settings say that it should be.
func (d *door) at(listen string, secure bool) bool {
	return d != nil && d.listen == listen && d.secure == secure
}

// show has the door show another certificate from the next minute on.
func (d *door) show(certificate web.Certificate) error {
	if certificate == nil {
		return nil
	}
	cert, key, err := certificate()
	defer clear(key)
	if err != nil {
		return fmt.Errorf("%w: %w", web.ErrCertificate, err)
	}
	if _, err = tls.X509KeyPair(cert, key); err != nil {
		return fmt.Errorf("%w: cert and key must be PEM and belong together: %w", web.ErrCertificate, err)
	}
	d.shown.Store(&certificate)
	return nil
}

func (d *door) close() {
	if d != nil {
		d.shut()
	}
}
