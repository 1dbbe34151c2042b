package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/nicholas-fedor/shoutrrr/pkg/router"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/gotify"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/ntfy"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"
)

// Service tells people by one of shoutrrr's services, or by e-mail.
type Service struct {
	// URL is shoutrrr's, read anew for each attempt. It holds a secret: no log and no error
	// has more of it than its scheme, and its host where that is one.
	URL func() ([]byte, error)
	// Client is [http.DefaultClient] unless set. It follows no redirect in any case.
	Client *http.Client

	// hangs holds a token while a service that takes no time limit is at work: none is
	// begun beside it.
	hangs chan struct{}
}

// NewService makes a target of a URL.
func NewService(read func() ([]byte, error)) *Service {
	return &Service{URL: read, hangs: make(chan struct{}, 1)}
}

// logged is the service that only logs, which the agent does in any case.
const logged = "logger"

// Services are the schemes that a service's URL may begin with, sorted.
func Services() []string {
	return slices.DeleteFunc(router.SupportedSchemas(), func(s string) bool { return s == logged })
}

// CheckService tells which service a URL is of, and whether that could be asked by it. No
// network is used. The error holds nothing of the URL but its scheme.
func CheckService(text []byte) (scheme string, err error) {
	scheme, u, err := parse(text)
	if err != nil {
		return "", err
	}
	if scheme == mailScheme {
		_, err := mailConfig(u)
		return scheme, err
	}
	// Some log in when they are made, which is not tried.
	never := &asking{do: func(*http.Request) (*http.Response, error) { return nil, errNoted }, secret: secretsOf(u, scheme)}
	_, err = open(scheme, u, never)
	if err != nil && never.err != nil {
		err = nil
	}
	return scheme, err
}

// parse reads a service's URL.
func parse(text []byte) (scheme string, u *url.URL, err error) {
	u, err = url.Parse(strings.TrimSpace(string(text)))
	if err != nil || u.Scheme == "" {
		return "", nil, errors.New("it is no URL: write one as the service's documentation at https://shoutrrr.nickfedor.com has it, as in ntfy://ntfy.sh/TOPIC")
	}
	// The part after a plus is of URLs that are taken over as they are.
	scheme, _, _ = strings.Cut(u.Scheme, "+")
	switch {
	case scheme == logged:
		return "", nil, errors.New("logger: the agent's own log tells it already: take it out")
	case !slices.Contains(Services(), scheme):
		word := scheme
		if len(word) > 20 {
			word = word[:20] + "…" // It may be a token without its scheme.
		}
		return "", nil, fmt.Errorf("%q is no service that is known: write one of %s", word, strings.Join(Services(), ", "))
	}
	return scheme, u, nil
}

// open makes the service of a URL, which asks by what it is given.
func open(scheme string, u *url.URL, by types.HTTPClient) (service types.Service, err error) {
	hidden := secretsOf(u, scheme)
	defer func() {
		// Foreign code reads what a person wrote.
		if problem := recover(); problem != nil {
			err = fmt.Errorf("%s: its URL can't be read: %s", scheme, hidden.hide(fmt.Sprint(problem)))
		}
	}()
	r := &router.ServiceRouter{}
	if service, err = r.NewService(scheme); err != nil {
		return nil, err
	}
	if u.Scheme != scheme {
		custom, is := service.(types.CustomURLService)
		if !is {
			return nil, fmt.Errorf("%s: it takes no URL that begins with %s", scheme, u.Scheme)
		}
		if u, err = custom.GetServiceURLFromCustom(u); err != nil {
			return nil, fmt.Errorf("%s: %s", scheme, hidden.hide(err.Error()))
		}
	}
	setter, asks := service.(types.HTTPClientSetter)
	if asks {
		setter.SetHTTPClient(by)
	}
	if err := service.Initialize(u, log.New(io.Discard, "", 0)); err != nil {
		return nil, fmt.Errorf("%s: %s", scheme, hidden.hide(err.Error()))
	}
	if asks {
		setter.SetHTTPClient(by)
	}
	return service, nil
}

// Name is what logs call it where nobody gave it a name.
func (s *Service) Name() string {
	text, err := s.URL()
	if err != nil {
		return "service"
	}
	defer clear(text)
	scheme, _, err := parse(text)
	if err != nil {
		return "service"
	}
	return scheme
}

// Send posts an event once.
func (s *Service) Send(ctx context.Context, e Event) error { return s.SendAll(ctx, []Event{e}) }

// SendAll posts events as one message, once.
func (s *Service) SendAll(ctx context.Context, all []Event) error {
	text, err := s.URL()
	if err != nil {
		return fmt.Errorf("read its URL: %w", err)
	}
	scheme, u, err := parse(text)
	clear(text)
	if err != nil {
		return &RefusedError{Reason: err.Error()}
	}
	d := dialectOf(scheme)
	title, message := d.message(all)
	if scheme == mailScheme {
		return sendMail(ctx, u, title, message, all[0])
	}
	hidden := secretsOf(u, scheme)
	by := newAsking(ctx, s.client(scheme, u), hidden)
	if !s.begin() {
		return errors.New("the attempt before it still hangs, and no other is made beside it")
	}
	done := make(chan error, 1)
	go func() {
		err := send(scheme, u, by, message, params(scheme, u, title, message, all))
		s.end() // Before whoever waits can begin the next one.
		done <- err
	}()
	select {
	case err = <-done:
	case <-ctx.Done():
		// What asks over HTTP ends by itself now; of the rest one is left behind at most.
		return fmt.Errorf("it took longer than %s", words(attempt))
	}
	switch {
	case by.err != nil:
		// Some services take a request that failed for one that went well.
		return by.err
	case err == nil:
		return nil
	case by.answer != "":
		return errors.New(by.answer)
	}
	return errors.New(hidden.hide(err.Error()))
}

func (s *Service) begin() bool {
	select {
	case s.hangs <- struct{}{}:
		return true
	default:
		return false
	}
}

func (s *Service) end() { <-s.hangs }

// send makes the service and has it send: what it remembers of one message must not be
// in the next.
func send(scheme string, u *url.URL, by types.HTTPClient, message string, params types.Params) (err error) {
	service, err := open(scheme, u, by)
	if err != nil {
		return err
	}
	defer func() {
		if problem := recover(); problem != nil {
			err = fmt.Errorf("%s: it can't send: %v", scheme, problem)
		}
	}()
	err = service.Send(message, &params)
	if c, is := service.(io.Closer); is {
		_ = c.Close() // It has sent, or not.
	}
	return err
}

// client is by what a service's server is asked.
func (s *Service) client(scheme string, u *url.URL) *http.Client {
	if s.Client != nil {
		return s.Client
	}
	if !insecure(scheme, u) {
		return http.DefaultClient
	}
	transport, is := http.DefaultTransport.(*http.Transport)
	if !is {
		return http.DefaultClient
	}
	transport = transport.Clone()
	transport.DisableKeepAlives = true
	transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12} //nolint:gosec // The URL asks for it.
	return &http.Client{Transport: transport}
}

// insecure tells whether a URL asks for a server's certificate to be taken as it is.
func insecure(scheme string, u *url.URL) bool {
	switch scheme {
	case "ntfy":
		c := &ntfy.Config{}
		return c.SetURL(copied(u)) == nil && c.DisableTLSVerification
	case "gotify":
		c := &gotify.Config{}
		return c.SetURL(copied(u)) == nil && c.InsecureSkipVerify
	}
	return false
}

func copied(u *url.URL) *url.URL {
	c := *u
	return &c
}

// untitled are the services that have no title of their own.
var untitled = []string{"googlechat", "hangouts", "rocketchat", "signal", "wecom", "mqtt", "mqtts", "notifiarr", "pagerduty"}

// dialectOf is how a service wants its text.
func dialectOf(scheme string) *dialect {
	d := &dialect{limit: 3500, titled: !slices.Contains(untitled, scheme)}
	switch scheme {
	case "slack":
		// All of it stands in the title: each line of the message would be a box.
		d.titled, d.escape = false, slackEscape
		d.bold = func(title string) string { return "*" + strings.ReplaceAll(title, "*", "∗") + "*" }
	case "discord":
		d.limit, d.escape = 1900, backslashed
	case "mattermost":
		d.escape = backslashed
	case "pushover":
		d.limit = 1000
	case "twilio":
		d.limit = 1400
	}
	return d
}

// params are what goes with a message beside its text. What the URL says of it holds.
func params(scheme string, u *url.URL, title, message string, all []Event) types.Params {
	p := types.Params{}
	grave := slices.ContainsFunc(all, func(e Event) bool { return e.Level == Error && !e.Again })
	switch scheme {
	case "slack":
		p.SetTitle(message)
	case "discord":
		p["splitlines"] = "No"
	case "telegram":
		p["parsemode"] = "None" // Titles make it HTML, in which all of the message is escaped.
		p["preview"] = "No"
	case "ntfy":
		p["priority"] = map[bool]string{true: "High", false: "Default"}[grave]
	case "gotify":
		p["priority"] = map[bool]string{true: "8", false: "5"}[grave]
	}
	maps.DeleteFunc(p, func(key, _ string) bool { return key == "priority" && u.Query().Has(key) })
	if dialectOf(scheme).titled {
		p.SetTitle(title)
	}
	return p
}
