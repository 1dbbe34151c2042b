package nginx

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"berth/applyers/machine"
)

// joined is both errors on one line; nil for nil. Where the machine can't be reached
// any more, what fails for that reason alone says nothing new.
func joined(first, second error) error {
	switch {
	case first == nil:
		return second
	case second == nil, lost(first) && lost(second):
		return first
	}
	return &twoErrors{first, second}
}

func lost(err error) bool {
	_, away := errors.AsType[*machine.UnreachableError](err)
	return away
}

type twoErrors struct{ first, second error }

func (e *twoErrors) Error() string   { return e.first.Error() + "; " + e.second.Error() }
func (e *twoErrors) Unwrap() []error { return []error{e.first, e.second} }

// tidy leaves out of what nginx says when it was, which process it was, and what tells
// nothing.
func tidy(said string) string {
	timeAndProcess := regexp.MustCompile(`\d{4}/\d\d/\d\d \d\d:\d\d:\d\d (\[[a-z]+\] )\d+#\d+: `)
	said = timeAndProcess.ReplaceAllString(said, "$1")
	for _, empty := range []string{"[notice] signal process started ", "[notice] signal process started"} {
		said = strings.ReplaceAll(said, empty, "")
	}
	failedTest := regexp.MustCompile(` ?nginx: configuration file \S+ test failed$`)
	return clip(grave(failedTest.ReplaceAllString(said, "")))
}

// grave leaves out nginx's warnings where it says worse: there may be one for each name.
func grave(said string) string {
	const start = "nginx: ["
	first, rest, found := strings.Cut(" "+said, " "+start)
	if !found || !strings.Contains(said, "[emerg]") {
		return said
	}
	words := []string{strings.TrimSpace(first)}
	for part := range strings.SplitSeq(rest, " "+start) {
		if !strings.HasPrefix(part, "warn]") && !strings.HasPrefix(part, "notice]") {
			words = append(words, start+part)
		}
	}
	return strings.TrimSpace(strings.Join(words, " "))
}

// clip bounds what goes into a reason; what nginx says last is what it ended by.
func clip(said string) string {
	const most = 300
	runes := []rune(said)
	if len(runes) <= 2*most {
		return said
	}
	return string(runes[:most]) + " … " + string(runes[len(runes)-most:])
}

// explained adds to what nginx says what to do about it, where that is known.
func explained(err error) error {
	if err == nil {
		return nil
	}
	said := err.Error()
	for _, known := range []struct{ words, remedy string }{
		{`unknown directive "stream"`, "install the package libnginx-mod-stream"},
		{`unknown directive "ssl_preread"`, "install an nginx with the module ngx_stream_ssl_preread, as that of the package libnginx-mod-stream"},
		{"a duplicate default server", "take that server away (rm /etc/nginx/sites-enabled/default, if it is Debian's own), or let http.listen be another address"},
		{"Address already in use", "see what listens there (ss -ltnup), and let either listen elsewhere"},
		{"invalid PID number", notRunning},
		{"nginx.pid\" failed (2: No such file", notRunning},
		{"failed (3: No such process)", notRunning},
		{"is not active, cannot reload", notRunning},
	} {
		if strings.Contains(said, known.words) {
			return &remediedError{err, known.remedy}
		}
	}
	return err
}

const notRunning = "nginx does not run, or has lost its pid file: start it (systemctl start nginx)"

// remediedError is an error and what to do.
type remediedError struct {
	err    error
	remedy string
}

func (e *remediedError) Error() string { return e.err.Error() + ": " + e.remedy }
func (e *remediedError) Unwrap() error { return e.err }

// late is the error of what was waited for in vain.
func late(ctx context.Context, what string) error {
	if cause := context.Cause(ctx); !errors.Is(cause, context.DeadlineExceeded) {
		return fmt.Errorf("%s: %w", what, cause)
	}
	return errors.New(what)
}

// elsewhere tells of a refusal that it is about a file which has nothing of ours.
func (s *seat) elsewhere(said string) string {
	at := regexp.MustCompile(` in (/\S+):\d+`).FindStringSubmatch(said)
	if at == nil || at[1] == s.spec.Nginx.Config || slices.ContainsFunc(s.files[:], func(f managed) bool { return f.seen == at[1] }) {
		return ""
	}
	return "; that file is not Berth's: mend it there"
}
