package pvesim

import (
	"fmt"
	"strings"
)

// apiError is an answer of 400 and above.
type apiError struct {
	status int
	// message is the whole text; the reason phrase is its first line.
	message string
	// errors maps a parameter to what is wrong with it.
	errors map[string]string
	// plain answers the text as the body, without JSON, as the HTTP layer does
	// for what never reaches the API.
	plain bool
	// empty answers no body at all.
	empty bool
}

func (e *apiError) Error() string { return e.message }

func (e *apiError) reason() string {
	line, _, _ := strings.Cut(e.message, "\n")
	return line
}

// fail is Perl's die: a 500 with a text.
func fail(format string, args ...any) error {
	return &apiError{status: 500, message: fmt.Sprintf(format, args...) + "\n"}
}

func paramError(errors map[string]string) error {
	return &apiError{status: 400, message: "Parameter verification failed.\n", errors: errors}
}

func badParam(name, format string, args ...any) error {
	return paramError(map[string]string{name: fmt.Sprintf(format, args...)})
}

func denied(path string, privs ...string) error {
	return &apiError{status: 403, message: fmt.Sprintf("Permission check failed (%s, %s)\n", path, strings.Join(privs, "|"))}
}

func deniedText(text string) error {
	return &apiError{status: 403, message: "Permission check failed" + text + "\n"}
}

func notImplemented(method, path string) error {
	return &apiError{status: 501, message: fmt.Sprintf("Method '%s %s' not implemented", method, path)}
}
