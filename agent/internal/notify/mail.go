package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"net/smtp"
	"net/textproto"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	shoutmail "github.com/nicholas-fedor/shoutrrr/pkg/services/email/smtp"

	"berth/drift/report"
)

// mailScheme is how URLs of e-mail begin. Their form is shoutrrr's; the mail itself is
// sent by what follows, since shoutrrr waits for a server that says nothing for ever.
const mailScheme = "smtp"

// mailConfig reads a URL of e-mail.
func mailConfig(u *url.URL) (*shoutmail.Config, error) {
	c := &shoutmail.Config{
		Port: shoutmail.DefaultSMTPPort, Auth: shoutmail.AuthTypes.Unknown, UseStartTLS: true,
		Encryption: shoutmail.EncMethods.Auto, ClientHost: "localhost",
	}
	hidden := mailSecrets(u)
	if err := c.SetURL(copied(u)); err != nil {
		return nil, fmt.Errorf("smtp: %s: write smtp://USER:PASSWORD@HOST:587/?from=berth@example.com&to=me@example.com", hidden.hide(err.Error()))
	}
	c.FixEmailTags()
	if c.Host == "" {
		return nil, errors.New("smtp: the URL names no host: write smtp://USER:PASSWORD@HOST:587/?from=berth@example.com&to=me@example.com")
	}
	for _, address := range append([]string{c.FromAddress}, c.ToAddresses...) {
		if _, err := netmail.ParseAddress(address); err != nil {
			return nil, fmt.Errorf("smtp: %q is no address for mail: write from=berth@example.com&to=me@example.com", report.Neutral(address))
		}
	}
	if c.Auth == shoutmail.AuthTypes.Unknown {
		c.Auth = shoutmail.AuthTypes.None
		if c.Username != "" {
			c.Auth = shoutmail.AuthTypes.Plain
		}
	}
	return c, nil
}

// mailSecrets are the parts of a URL of e-mail that nobody may see.
func mailSecrets(u *url.URL) secrets {
	return secretsOf(&url.URL{User: u.User}, mailScheme)
}

// sendMail sends a mail once, to all who are to have it.
func sendMail(ctx context.Context, u *url.URL, title, text string, e Event) error {
	c, err := mailConfig(u)
	if err != nil {
		return &RefusedError{Reason: err.Error()}
	}
	err = deliverMail(ctx, c, mail(c, title, text, e, time.Now()))
	if err == nil {
		return nil
	}
	said := mailSecrets(u).hide(report.Neutral(err.Error()))
	if ctx.Err() != nil {
		said = "it took longer than " + words(attempt)
	}
	// Five hundred and more is for good.
	answer, is := errors.AsType[*textproto.Error](err)
	if _, refused := errors.AsType[*RefusedError](err); refused || is && answer.Code >= 500 {
		return &RefusedError{Reason: said}
	}
	return errors.New(said)
}

// deliverMail hands a mail to the server.
func deliverMail(ctx context.Context, c *shoutmail.Config, text []byte) error {
	address := net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port)))
	// Certificates are judged unless the URL says otherwise.
	secure := &tls.Config{ServerName: c.Host, MinVersion: tls.VersionTLS12, InsecureSkipVerify: c.SkipTLSVerify} //nolint:gosec // As the URL says.
	implicit := c.Encryption == shoutmail.EncMethods.ImplicitTLS || c.Encryption == shoutmail.EncMethods.Auto && c.Port == shoutmail.ImplicitTLSPort
	var conn net.Conn
	var err error
	if implicit {
		conn, err = (&tls.Dialer{Config: secure}).DialContext(ctx, "tcp", address)
	} else {
		conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", address)
	}
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close()
	// A server that says nothing is left when the time is up.
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	client, err := smtp.NewClient(conn, c.Host)
	if err != nil {
		return fmt.Errorf("be greeted: %w", err)
	}
	if err := client.Hello(helloName(c)); err != nil {
		return fmt.Errorf("greet: %w", err)
	}
	starts, _ := client.Extension("STARTTLS")
	switch {
	case implicit || !c.UseStartTLS || c.Encryption == shoutmail.EncMethods.None:
	case starts:
		if err := client.StartTLS(secure); err != nil {
			return fmt.Errorf("encrypt: %w", err)
		}
	case c.RequireStartTLS || c.Encryption == shoutmail.EncMethods.ExplicitTLS:
		return &RefusedError{Reason: "encrypt: the server offers no STARTTLS"}
	}
	if auth := mailAuth(c); auth != nil {
		if err := client.Auth(auth); err != nil {
			return fmt.Errorf("log in: %w", err)
		}
	}
	if err := client.Mail(c.FromAddress); err != nil {
		return fmt.Errorf("name the sender: %w", err)
	}
	for _, to := range c.ToAddresses {
		if err := client.Rcpt(to); err != nil {
			return fmt.Errorf("name %s: %w", to, err)
		}
	}
	body, err := client.Data()
	if err != nil {
		return fmt.Errorf("send: %w", err)
	}
	if _, err := body.Write(text); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	if err := body.Close(); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	_ = client.Quit() // It has the mail.
	return nil
}

// helloName is what the agent calls itself towards a server.
func helloName(c *shoutmail.Config) string {
	if c.ClientHost != "auto" {
		return c.ClientHost
	}
	if host, err := os.Hostname(); err == nil {
		return host
	}
	return "localhost"
}

// mailAuth is how the agent logs in; nil if it does not. The password is not sent in
// clear but to this machine itself.
func mailAuth(c *shoutmail.Config) smtp.Auth {
	switch c.Auth {
	case shoutmail.AuthTypes.Plain:
		return smtp.PlainAuth("", c.Username, c.Password, c.Host)
	case shoutmail.AuthTypes.CRAMMD5:
		return smtp.CRAMMD5Auth(c.Username, c.Password)
	case shoutmail.AuthTypes.OAuth2:
		return safeAuth{shoutmail.OAuth2Auth(c.Username, c.Password)}
	default:
		return nil
	}
}

// safeAuth logs in over TLS alone.
type safeAuth struct{ smtp.Auth }

// Start refuses what is not encrypted.
func (a safeAuth) Start(server *smtp.ServerInfo) (protocol string, first []byte, err error) {
	if !server.TLS {
		return "", nil, errors.New("unencrypted connection")
	}
	return a.Auth.Start(server)
}

// mail writes a mail: its header and its text.
func mail(c *shoutmail.Config, title, text string, e Event, now time.Time) []byte {
	var b bytes.Buffer
	header := func(name, value string) { fmt.Fprintf(&b, "%s: %s\r\n", name, value) }
	from := netmail.Address{Name: c.FromName, Address: c.FromAddress}
	if from.Name == "" {
		from.Name = "Berth"
	}
	var to []string
	for _, address := range c.ToAddresses {
		to = append(to, (&netmail.Address{Address: address}).String())
	}
	_, domain, _ := strings.Cut(c.FromAddress, "@")
	header("From", from.String())
	header("To", strings.Join(to, ", "))
	header("Subject", mime.QEncoding.Encode("utf-8", title))
	header("Date", now.Format(time.RFC1123Z))
	// Whoever gets it twice has it already.
	header("Message-ID", "<"+e.ID+".berth@"+domain+">")
	header("Auto-Submitted", "auto-generated")
	header("MIME-Version", "1.0")
	header("Content-Type", "text/plain; charset=utf-8")
	header("Content-Transfer-Encoding", "quoted-printable")
	b.WriteString("\r\n")
	quoted := quotedprintable.NewWriter(&b)
	_, _ = quoted.Write([]byte(strings.ReplaceAll(text, "\n", "\r\n") + "\r\n")) // Into memory.
	_ = quoted.Close()
	return b.Bytes()
}
