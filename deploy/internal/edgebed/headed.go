//go:build linux

package edgebed

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
)

// headed is a connection that may begin by a PROXY header. The header is read
// when the first byte is, so that whoever sends none holds nobody else up.
type headed struct {
	net.Conn
	how   How
	lines *bufio.Reader
	// name is who answers by HTTP; "" for other backends.
	name string

	once sync.Once
	// proxy is who asks, by the header.
	proxy string
	err   error
}

// Read reads what stands behind the header.
func (c *headed) Read(p []byte) (int, error) {
	c.once.Do(c.header)
	if c.err != nil {
		return 0, c.err
	}
	return c.lines.Read(p)
}

// Write says in each answer of HTTP who answers, also where the server itself refuses a
// request before anybody else sees it.
func (c *headed) Write(p []byte) (int, error) {
	head, rest, found := strings.Cut(string(p), "\r\n")
	if c.name == "" || !found || !strings.HasPrefix(head, "HTTP/1.") {
		return c.Conn.Write(p)
	}
	if _, err := io.WriteString(c.Conn, head+"\r\nX-Backend: "+c.name+"\r\n"+rest); err != nil {
		return 0, err
	}
	return len(p), nil
}

// header reads "PROXY TCP4 10.77.3.1 10.77.0.5 41000 443", where one is wanted.
func (c *headed) header() {
	if c.how != Proxy {
		return
	}
	start, err := c.lines.Peek(6)
	if err != nil || string(start) != "PROXY " {
		c.err = fmt.Errorf("no PROXY header: %q, %w", start, err)
		return
	}
	line, err := c.lines.ReadString('\n')
	if err != nil {
		c.err = err
		return
	}
	if words := strings.Fields(line); len(words) == 6 {
		c.proxy = words[2]
	} else {
		c.proxy = strings.TrimSpace(line)
	}
}

func (c *headed) seen(name string) Seen {
	c.once.Do(c.header)
	return Seen{Backend: name, Peer: host(c.RemoteAddr()), Proxy: c.proxy}
}

// headedListener lets an HTTP server read PROXY headers, and know them by the
// address that it is told it listens on.
type headedListener struct {
	net.Listener
	b   *Backend
	how How
}

func (l headedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.b.came()
	return &headed{Conn: conn, how: l.how, lines: bufio.NewReader(conn), name: l.b.Name}, nil
}

type headedAddr struct {
	net.Addr
	conn *headed
}

func (a headedAddr) proxy() string { return a.conn.proxy }

// LocalAddr is the address, from which an HTTP handler comes to the header.
func (c *headed) LocalAddr() net.Addr { return headedAddr{Addr: c.Conn.LocalAddr(), conn: c} }
