//go:build linux

package edgebed

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"berth/deploy/internal/standin"
)

// Client asks from inside a node's network.
type Client struct {
	Network *standin.Network
	// From is one of the node's addresses; the zero value is any.
	From netip.Addr
	// Proxied are the words of a PROXY header that the client sends first, as a
	// proxy before the edge would ("TCP4 198.51.100.7 10.77.0.5 4711 443"); "" is
	// none.
	Proxied string
}

// patience is how long an answer may take.
const patience = 5 * time.Second

// Conn is a connection to a backend that answers lines.
type Conn struct {
	net.Conn
	// Certificate is the common name of who answers; "" without TLS.
	Certificate string
	lines       *bufio.Reader
}

// TLS says hello by a name, which may be "" for no SNI at all.
func (c Client) TLS(ctx context.Context, address, sni string) (*Conn, error) {
	plain, err := c.dial(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	// Whose certificate it is, is what is asked.
	secure := tls.Client(plain, &tls.Config{ServerName: sni, InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}) //nolint:gosec // See above.
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("say hello to %q by %s: %w", sni, address, err), plain.Close())
	}
	return &Conn{Conn: secure, Certificate: secure.ConnectionState().PeerCertificates[0].Subject.CommonName, lines: bufio.NewReader(secure)}, nil
}

// TCP opens a connection without TLS.
func (c Client) TCP(ctx context.Context, address string) (*Conn, error) {
	plain, err := c.dial(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &Conn{Conn: plain, lines: bufio.NewReader(plain)}, nil
}

func (c Client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := c.Network.DialFrom(ctx, c.From, network, address)
	if err != nil {
		return nil, err
	}
	if c.Proxied != "" {
		if _, err := fmt.Fprintf(conn, "PROXY %s\r\n", c.Proxied); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	return conn, nil
}

// Ask asks what the backend sees.
func (c *Conn) Ask() (Seen, error) {
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return Seen{}, err
	}
	if _, err := io.WriteString(c, "who\n"); err != nil {
		return Seen{}, err
	}
	line, err := c.lines.ReadBytes('\n')
	if err != nil {
		return Seen{}, err
	}
	var seen Seen
	if err := json.Unmarshal(line, &seen); err != nil {
		return Seen{}, err
	}
	if c.Certificate != "" && c.Certificate != seen.Backend {
		return seen, fmt.Errorf("%s answers by the certificate of %s", seen.Backend, c.Certificate)
	}
	return seen, nil
}

// Who asks once, by TLS and a name.
func (c Client) Who(ctx context.Context, address, sni string) (Seen, error) {
	conn, err := c.TLS(ctx, address, sni)
	if err != nil {
		return Seen{}, err
	}
	defer conn.Close()
	return conn.Ask()
}

// Answer is how an HTTP request was answered.
type Answer struct {
	Status   int
	Location string
	Backend  string // Who answered; "" if that was the proxy.
	Seen     Seen   // What the backend saw, unless it refused the request.
}

// HTTP asks once for a page of a host, which may be "" for none at all.
func (c Client) HTTP(ctx context.Context, address, host string) (Answer, error) {
	conn, err := c.TCP(ctx, address)
	if err != nil {
		return Answer{}, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return Answer{}, err
	}
	// HTTP/1.0 may do without a Host.
	version, header := "1.0", ""
	if host != "" {
		version, header = "1.1", "Host: "+host+"\r\n"
	}
	if _, err := fmt.Fprintf(conn, "GET /page?x=1 HTTP/%s\r\n%sConnection: close\r\n\r\n", version, header); err != nil {
		return Answer{}, err
	}
	response, err := http.ReadResponse(conn.lines, nil)
	if err != nil {
		return Answer{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return Answer{}, err
	}
	a := Answer{Status: response.StatusCode, Location: response.Header.Get("Location"), Backend: response.Header.Get("X-Backend")}
	if response.Header.Get("Content-Type") == "application/json" {
		err = json.Unmarshal(text, &a.Seen)
	}
	return a, err
}

// Upgrade asks a host to go on by lines, as a WebSocket would by its own frames.
func (c Client) Upgrade(ctx context.Context, address, host string) (*Conn, error) {
	conn, err := c.TCP(ctx, address)
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	if _, err := fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: lines\r\n\r\n", host); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	response, err := http.ReadResponse(conn.lines, nil)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusSwitchingProtocols {
		return nil, errors.Join(fmt.Errorf("%s does not upgrade: %s", host, response.Status), conn.Close())
	}
	return conn, nil
}

// UDP sends one datagram and reads who answers.
func (c Client) UDP(ctx context.Context, address string) (Seen, error) {
	conn, err := c.dial(ctx, "udp", address)
	if err != nil {
		return Seen{}, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return Seen{}, err
	}
	if _, err := io.WriteString(conn, "who"); err != nil {
		return Seen{}, err
	}
	part := make([]byte, 2048)
	n, err := conn.Read(part)
	if err != nil {
		return Seen{}, err
	}
	var seen Seen
	return seen, json.Unmarshal(part[:n], &seen)
}
