package pvesim

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
)

// Transport returns a client's end of an in-process connection to the cluster:
// no sockets, so it works inside a testing/synctest bubble. It honours the
// request's context and hands out reason phrases as a real server does.
func (c *Cluster) Transport() http.RoundTripper { return transport{c} }

// Endpoints is Transport for a client that knows the nodes by address: the first
// label of a host names a node, and one that is off the network, or that the
// cluster does not have, is not reached.
func (c *Cluster) Endpoints() http.RoundTripper { return endpoints{c} }

type endpoints struct{ c *Cluster }

func (e endpoints) RoundTrip(r *http.Request) (*http.Response, error) {
	node, _, _ := strings.Cut(r.URL.Hostname(), ".")
	e.c.lock()
	there := e.c.hasNode(node) && !e.c.offline[node]
	e.c.unlock()
	if !there {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, fmt.Errorf("dial tcp %s: %w", r.URL.Host, syscall.EHOSTUNREACH)
	}
	return e.c.Transport().RoundTrip(r)
}

type transport struct{ c *Cluster }

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, err
	}
	// A client's transport asks for gzip on its own and takes it off again; this
	// one has no need to, so only a caller that asked for it gets it.
	in := r.Clone(r.Context())
	a := t.c.respond(in)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if a.drop {
		return nil, fmt.Errorf("%s %s: %w", r.Method, r.URL.Path, io.ErrUnexpectedEOF)
	}
	body := io.Reader(bytes.NewReader(a.body))
	length := int64(len(a.body))
	if a.cut > 0 && a.cut < len(a.body) {
		body = io.MultiReader(bytes.NewReader(a.body[:a.cut]), brokenReader{})
	}
	return &http.Response{
		Status:        fmt.Sprintf("%d %s", a.status, a.reason),
		StatusCode:    a.status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        a.header,
		Body:          io.NopCloser(body),
		ContentLength: length,
		Close:         a.close,
		Request:       r,
	}, nil
}

// brokenReader is the end of a connection that broke.
type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
