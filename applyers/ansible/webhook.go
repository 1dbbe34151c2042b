package ansible

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"berth/applyers"
	"berth/applyers/ansible/runner"
	"berth/desired"
)

// answerLimit is how much of an answer is read.
const answerLimit = 64 << 10

// call asks a webhook to run the playbook: once for each host where its address has the
// host's name in it, else once for all. An answer of success is a run that ended well.
func (a *Applyer) call(ctx context.Context, job applyers.Job, play *desired.Playbook, hosts []*host, p applyers.Progress) error {
	hook := play.Runner.Webhook
	header, err := a.headers(ctx, hook)
	if err != nil {
		return err
	}
	client, err := a.client(hook, time.Duration(play.Timeout))
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	if err := a.Memory.Begins(job.ID, names(hosts)); err != nil {
		return err
	}
	if !strings.Contains(hook.URL, desired.HostPlaceholder) {
		return a.request(ctx, client, hook, header, "", job.Output, p)
	}
	var away error
	for i, h := range hosts {
		if away != nil {
			// Each of many hosts would wait as long, in vain.
			h.err = fmt.Errorf("not asked for this host, since nobody was there before: %w", away)
			continue
		}
		h.err = a.request(ctx, client, hook, header, h.name, job.Output, p)
		if errors.Is(h.err, applyers.ErrLeft) {
			// What was answered counts.
			for _, done := range hosts[:i] {
				done.ended = true
			}
			a.note(ctx, job.ID, play, hosts[:i])
			return applyers.ErrLeft
		}
		if dial, is := errors.AsType[*net.OpError](h.err); is && dial.Op == "dial" {
			away = h.err
		}
	}
	return nil
}

// headers are those of a request, with their secrets.
func (a *Applyer) headers(ctx context.Context, hook *desired.WebhookRunner) (http.Header, error) {
	header := make(http.Header)
	for _, name := range slices.Sorted(maps.Keys(hook.Headers)) {
		h := hook.Headers[name]
		value := h.Value
		if ref := h.Ref(); ref != (desired.SecretRef{}) {
			secret, err := a.Secrets.Read(ctx, ref)
			if err != nil {
				return nil, fmt.Errorf("the header %s: %w", name, err)
			}
			value = strings.TrimRight(string(secret.Reveal()), "\r\n")
			if strings.ContainsAny(value, "\r\n\x00") {
				return nil, fmt.Errorf("the header %s: secret %q is not one line: a header is", name, ref.Secret)
			}
		}
		header.Set(name, value)
	}
	return header, nil
}

// request makes one request. Its errors hold nothing of the address but the host: what
// follows may be a password.
func (a *Applyer) request(ctx context.Context, client *http.Client, hook *desired.WebhookRunner, header http.Header, host string, log io.Writer, p applyers.Progress) error {
	at := strings.ReplaceAll(hook.URL, desired.HostPlaceholder, url.QueryEscape(host))
	where := "the webhook"
	if u, err := url.Parse(at); err == nil {
		where += " of " + u.Host
	}
	req, err := http.NewRequestWithContext(ctx, hook.Method, at, http.NoBody)
	if err != nil {
		return fmt.Errorf("ask %s: its address can't be used", where)
	}
	req.Header = header.Clone()
	resp, err := client.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return applyers.ErrLeft
		}
		if inner, ok := errors.AsType[*url.Error](err); ok {
			if inner.Timeout() {
				return fmt.Errorf("ask %s: it did not answer within %s", where, client.Timeout)
			}
			err = inner.Err
		}
		return fmt.Errorf("ask %s: %w", where, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, answerLimit))
	if err != nil && ctx.Err() != nil {
		return applyers.ErrLeft
	}
	// One that says back what it was told must not tell it to the log.
	hide := runner.Hide(shown(hook, header))
	text, status := hide(string(body)), hide(resp.Status)
	_, _ = fmt.Fprintf(log, "%s %s: %s\n%s\n", hook.Method, where, status, text)
	said := strings.Join(strings.Fields(strings.ToValidUTF8(text[:min(len(text), 200)], "")), " ")
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		if said != "" {
			said = ": " + said
		}
		return fmt.Errorf("ask %s: it answers %s%s", where, status, said)
	}
	if host != "" {
		where += " for " + host
	}
	p.Say(fmt.Sprintf("%s answers %s", where, status))
	return nil
}

// shown are the secrets that a request shows: the values of its headers, and what stands
// in them behind a word, as in "Bearer TOKEN", for those who say that alone.
func shown(hook *desired.WebhookRunner, header http.Header) []desired.Secret {
	var all []desired.Secret
	for name, h := range hook.Headers {
		value := header.Get(name)
		if h.Ref() == (desired.SecretRef{}) || value == "" {
			continue
		}
		all = append(all, desired.MakeSecret([]byte(value)))
		scheme, rest, two := strings.Cut(value, " ")
		if !two {
			continue
		}
		all = append(all, desired.MakeSecret([]byte(rest)))
		if plain, err := base64.StdEncoding.DecodeString(rest); err == nil && strings.EqualFold(scheme, "basic") {
			_, password, _ := bytes.Cut(plain, []byte(":"))
			all = append(all, desired.MakeSecret(password))
		}
	}
	return all
}

// client makes requests as the manifest wants the other side to be judged. It follows
// nobody elsewhere: secrets are in the headers.
func (a *Applyer) client(hook *desired.WebhookRunner, timeout time.Duration) (*http.Client, error) {
	if timeout <= 0 {
		timeout = 30 * time.Minute
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if hook.TLS.CAPEM != "" {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM([]byte(hook.TLS.CAPEM)) {
			return nil, errors.New("runner.webhook.tls.ca holds no certificate that can be used")
		}
	}
	if want := hook.TLS.Fingerprint; want != "" {
		config.InsecureSkipVerify = true // The certificate itself is known.
		config.VerifyConnection = func(state tls.ConnectionState) error {
			sum := sha256.Sum256(state.PeerCertificates[0].Raw)
			if have := hex.EncodeToString(sum[:]); !strings.EqualFold(have, strings.ReplaceAll(want, ":", "")) {
				return fmt.Errorf("its certificate is another than runner.webhook.tls.fingerprint says: it has %s", have)
			}
			return nil
		}
	}
	return &http.Client{
		Timeout:       timeout,
		Transport:     &http.Transport{TLSClientConfig: config, DialContext: a.Dial, Proxy: http.ProxyFromEnvironment},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}
