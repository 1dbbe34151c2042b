package notify_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/big"
	"mime"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/agent/internal/notify"
)

// post is a tiny SMTP server.
type post struct {
	listener net.Listener
	// answers are what it says to a verb, else 250; hush is a verb that it does not answer.
	answers map[string]string
	hush    string
	// offers are the extensions of EHLO; secure is its certificate for STARTTLS.
	offers []string
	secure *tls.Config

	mu    sync.Mutex
	verbs []string
	mails []string
}

func newPost(t *testing.T, p *post) *post {
	t.Helper()
	var err error
	if p.listener, err = (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := p.listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { p.serve(conn) })
		}
	})
	t.Cleanup(func() { p.listener.Close(); serving.Wait() })
	return p
}

func (p *post) serve(conn net.Conn) {
	defer conn.Close()
	if p.hush == "greeting" {
		_, _ = io.Copy(io.Discard, conn)
		return
	}
	say := func(line string) { fmt.Fprintf(conn, "%s\r\n", line) }
	say("220 mail.example.com")
	in := bufio.NewReader(conn)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		verb := strings.ToUpper(strings.Fields(line + " x")[0])
		p.mu.Lock()
		p.verbs = append(p.verbs, strings.TrimSpace(line))
		p.mu.Unlock()
		switch answer := p.answers[verb]; {
		case p.hush == verb:
			_, _ = io.Copy(io.Discard, conn)
			return
		case answer != "":
			say(answer)
		case verb == "EHLO":
			say("250-mail.example.com")
			for _, offer := range p.offers {
				say("250-" + offer)
			}
			say("250 HELP")
		case verb == "STARTTLS":
			say("220 go")
			secured := tls.Server(conn, p.secure)
			conn, in = secured, bufio.NewReader(secured)
		case verb == "AUTH":
			say("235 ok")
		case verb == "QUIT":
			say("221 bye")
			return
		case verb == "DATA":
			say("354 go")
			var text strings.Builder
			for {
				line, err := in.ReadString('\n')
				if err != nil || line == ".\r\n" {
					break
				}
				text.WriteString(strings.TrimPrefix(line, "."))
			}
			p.mu.Lock()
			p.mails = append(p.mails, text.String())
			p.mu.Unlock()
			if answer := p.answers["."]; answer != "" {
				say(answer)
			} else {
				say("250 queued")
			}
		default:
			say("250 ok")
		}
	}
}

func (p *post) target(user, query string) *notify.Service {
	return notify.NewService(func() ([]byte, error) {
		return []byte("smtp://" + user + p.listener.Addr().String() + "/?from=berth@example.com&to=me@example.com,you%2Bx@example.com" + query), nil
	})
}

func TestMail(t *testing.T) {
	p := newPost(t, &post{offers: []string{"AUTH PLAIN"}})
	e := event()
	e.Title, e.Text = "Failed: vm/wéb-1\r\nBcc: evil@example.com", ".\r\n.hidden\nlast"
	if err := p.target("berth:hunter2@", "").Send(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(p.verbs, "\n"); !strings.Contains(got, "AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00berth\x00hunter2"))) ||
		!strings.Contains(got, "MAIL FROM:<berth@example.com>") || !strings.Contains(got, "RCPT TO:<me@example.com>\nRCPT TO:<you+x@example.com>") || len(p.mails) != 1 {
		t.Errorf("it was asked\n%s\nand has %d mails", got, len(p.mails))
	}
	mail, err := netmail.ReadMessage(strings.NewReader(p.mails[0]))
	if err != nil {
		t.Fatalf("%v in\n%s", err, p.mails[0])
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(mail.Header.Get("Subject"))
	if err != nil || !strings.HasPrefix(subject, `🔴 lab: Failed: vm/wéb-1\r\nBcc: evil`) || mail.Header.Get("Bcc") != "" {
		t.Errorf("the subject is %q, %v", subject, err)
	}
	body, err := io.ReadAll(quotedprintable.NewReader(mail.Body))
	if text := string(body); err != nil || !strings.Contains(text, "• vm/web-1: storage ssd has no space\r\n.\r\n.hidden") && !strings.Contains(text, "• vm/web-1: storage ssd has no space") || !strings.Contains(text, "last") {
		t.Errorf("the text is %q, %v", text, err)
	}
	if _, err := mail.Header.Date(); err != nil || !strings.Contains(mail.Header.Get("Message-ID"), "e1") || mail.Header.Get("To") != "<me@example.com>, <you+x@example.com>" {
		t.Errorf("%v: %v", mail.Header, err)
	}
}

func TestWhatMailServersAnswer(t *testing.T) {
	certificate := selfSigned(t)
	for _, row := range []struct {
		post        *post
		user, query string
		want        string
		refused     bool
	}{
		{&post{answers: map[string]string{"RCPT": "450 later"}}, "", "", "name me@example.com: 450 \"later\"", false},
		{&post{answers: map[string]string{"RCPT": "550 no such user"}}, "", "", "550 \"no such user\"", true},
		{&post{answers: map[string]string{".": "451 full"}}, "", "", "451 \"full\"", false},
		{&post{offers: []string{"AUTH PLAIN"}, answers: map[string]string{"AUTH": "535 hunter2 is wrong"}}, "berth:hunter2@", "", "log in: 535 \"… is wrong\"", true},
		{&post{}, "", "&requirestarttls=yes", "the server offers no STARTTLS", true},
		{&post{offers: []string{"STARTTLS"}, secure: certificate}, "", "", "certificate", false},
		{&post{offers: []string{"STARTTLS"}, secure: certificate}, "", "&skiptlsverify=yes", "", false},
		{&post{offers: []string{"STARTTLS"}, secure: certificate}, "", "&encryption=None", "", false},
	} {
		p := newPost(t, row.post)
		err := p.target(row.user, row.query).Send(t.Context(), event())
		var refused *notify.RefusedError
		if row.want == "" && err != nil || row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want) || errors.As(err, &refused) != row.refused || strings.Contains(err.Error(), "hunter2")) {
			t.Errorf("want %q, got %v", row.want, err)
		}
	}
}

// TestMailServersThatHang say nothing at any point: they are left when the time is up,
// and nothing goes on behind.
func TestMailServersThatHang(t *testing.T) {
	for _, hush := range []string{"greeting", "EHLO", "MAIL", "RCPT", "DATA"} {
		p := newPost(t, &post{hush: hush})
		target := p.target("", "")
		for range 2 {
			ctx, stop := context.WithTimeout(t.Context(), 30*time.Millisecond)
			began := time.Now()
			err := target.Send(ctx, event())
			stop()
			if err == nil || !strings.Contains(err.Error(), "it took longer") || time.Since(began) > 5*time.Second {
				t.Errorf("%s: %v after %v", hush, err, time.Since(began))
			}
		}
	}
	p := newPost(t, &post{})
	p.listener.Close()
	if err := p.target("", "").Send(t.Context(), event()); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("nobody there: %v", err)
	}
}

func selfSigned(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, form, form, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
}
