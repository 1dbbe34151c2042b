package web

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"berth/agent/internal/turn"
	"berth/desired"
)

// update is what is to be kept, by Secret and by key within it.
type update map[string]map[string]desired.Secret

func (u update) put(secret, key string, value []byte) bool {
	if _, twice := u[secret][key]; twice {
		return false
	}
	if u[secret] == nil {
		u[secret] = make(map[string]desired.Secret)
	}
	u[secret][key] = desired.MakeSecret(value)
	return true
}

// secretsBody is what the Pegasus control node took (fleets/FACTS A1.9).
type secretsBody struct {
	// Comment was the message of its commit.
	Comment   string           `json:"comment"`
	Variables []secretVariable `json:"variables"`
}

type secretVariable struct {
	Key   variableKey     `json:"key"`
	Value json.RawMessage `json:"value"`
}

// variableKey is "a.b", or ["a", "b"].
type variableKey []string

// UnmarshalJSON reads either form.
func (k *variableKey) UnmarshalJSON(text []byte) error {
	var word string
	if json.Unmarshal(text, &word) == nil {
		*k = strings.Split(word, ".")
		return nil
	}
	if json.Unmarshal(text, (*[]string)(k)) != nil {
		return errKey
	}
	return nil
}

var errKey = errors.New(`key: write "apps.token" or ["apps", "token"]`)

// updateSecrets keeps values: the first word of a key is the Secret, the others are the
// key within it.
func (h *Hooks) updateSecrets(r *http.Request) (hookReply, error) {
	var body secretsBody
	if err := decode(r.Body, &body, `{"variables": [{"key": "apps.token", "value": "…"}]}`); err != nil {
		return hookReply{}, err
	}
	u := make(update)
	for i, v := range body.Variables {
		at := fmt.Sprintf("variables[%d]", i)
		if len(v.Key) < 2 || slices.Contains(v.Key, "") {
			return hookReply{}, wrong(http.StatusBadRequest, `%s.key: name a Secret and a key in it: "apps.token", or ["apps", "token"]`, at)
		}
		if len(strings.Join(v.Key, ".")) > maxKey {
			return hookReply{}, wrong(http.StatusBadRequest, "%s.key: it is longer than %d bytes", at, maxKey)
		}
		value, err := scalar(v.Value)
		if err != nil {
			return hookReply{}, wrong(http.StatusBadRequest, "%s.value: %v", at, err)
		}
		if !u.put(v.Key[0], strings.Join(v.Key[1:], "."), value) {
			return hookReply{}, wrong(http.StatusBadRequest, "%s.key: it is there twice", at)
		}
	}
	return h.keep(r, u, len(body.Variables), "variables")
}

// scalar is a value as text.
func scalar(raw json.RawMessage) ([]byte, error) {
	var value any
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	dec.UseNumber()
	if len(raw) == 0 || dec.Decode(&value) != nil {
		return nil, errors.New("it is missing")
	}
	var text string
	switch v := value.(type) {
	case string:
		text = v
	case json.Number:
		text = v.String()
	case bool:
		text = strconv.FormatBool(v)
	default:
		return nil, errors.New("write one value; what is a map goes key by key")
	}
	if text == "" {
		return nil, errors.New("it is empty, and a secret that is empty protects nothing")
	}
	return []byte(text), nil
}

// maxKey bounds a key, in bytes.
const maxKey = 128

// certificateSecret is the Secret that keeps certificates: the name of the variable
// that the Pegasus control node put them into (fleets/FACTS A1.9).
const certificateSecret = "reverse_proxy_tls_certs"

type certificatesBody struct {
	Certificates []struct {
		Domain      string `json:"domain"`
		Certificate string `json:"certificate"`
		Key         string `json:"key"`
	} `json:"certificates"`
}

// updateCertificates keeps certificates under DOMAIN.cert and DOMAIN.key of one
// Secret.
func (h *Hooks) updateCertificates(r *http.Request) (hookReply, error) {
	var body certificatesBody
	if err := decode(r.Body, &body, `{"certificates": [{"domain": "www.example.com", "certificate": "-----BEGIN …", "key": "-----BEGIN …"}]}`); err != nil {
		return hookReply{}, err
	}
	u := make(update)
	for i, c := range body.Certificates {
		at := fmt.Sprintf("certificates[%d]", i)
		if !regexpTarget.MatchString(strings.TrimPrefix(c.Domain, "*.")) || len(c.Domain) > maxKey {
			return hookReply{}, wrong(http.StatusBadRequest, "%s.domain: write the name that the certificate is for, as in www.example.com", at)
		}
		if _, err := tls.X509KeyPair([]byte(c.Certificate), []byte(c.Key)); err != nil {
			// What is wrong is said of the form alone; nothing of the key is in it.
			return hookReply{}, wrong(http.StatusBadRequest, "%s, of %s: certificate and key must be PEM and belong together: %v", at, c.Domain, err)
		}
		if !u.put(certificateSecret, c.Domain+".cert", []byte(c.Certificate)) || !u.put(certificateSecret, c.Domain+".key", []byte(c.Key)) {
			return hookReply{}, wrong(http.StatusBadRequest, "%s.domain: %s is there twice", at, c.Domain)
		}
	}
	return h.keep(r, u, len(body.Certificates), "certificates")
}

// keep stores all, or where the fleet has no place for one of them, none.
func (h *Hooks) keep(r *http.Request, u update, count int, what string) (hookReply, error) {
	if count == 0 {
		return hookReply{}, wrong(http.StatusBadRequest, "%s is empty: there is nothing to keep", what)
	}
	fleet := h.Fleet()
	if fleet == nil {
		return hookReply{}, turn.ErrNoFleet
	}
	names := slices.Sorted(maps.Keys(u))
	for _, name := range names {
		if err := wanted(fleet, name); err != nil {
			return hookReply{}, err
		}
	}
	for _, name := range names {
		if err := h.Put(r.Context(), name, u[name]); err != nil {
			return hookReply{}, err
		}
	}
	return hookReply{Turn: h.Start("secrets sent"), Secrets: names, Data: &hookCount{count}}, nil
}

// wanted tells whether the fleet wants a Secret to be sent.
func wanted(fleet *desired.Fleet, name string) error {
	place := fleet.Secrets[name]
	switch {
	case place != nil && place.Hook:
		return nil
	case place != nil:
		return wrong(http.StatusNotFound, "Secret %s (%s) is not one that is sent: its document says where it is; hook: true says that it is sent", name, place.Source)
	}
	var known []string
	for other, place := range fleet.Secrets {
		if place.Hook {
			known = append(known, other)
		}
	}
	slices.Sort(known)
	text := fmt.Sprintf("the fleet has no Secret %q that is sent: add {kind: Secret, name: %s, hook: true}", name, name)
	if near := desired.Nearest(name, known); len(near) > 0 {
		text += "; or did you mean " + strings.Join(near, " or ") + "?"
	}
	return wrong(http.StatusNotFound, "%s", text)
}

// decode reads a body that is one JSON value. No error quotes any of it.
func decode(body io.Reader, into any, example string) error {
	text, err := io.ReadAll(body)
	defer clear(text)
	if err != nil {
		return tooMuch(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		if errors.Is(err, errKey) {
			return wrong(http.StatusBadRequest, "variables: %v", errKey)
		}
		return wrong(http.StatusBadRequest, "the body is not what is wanted here: send JSON as in %s", example)
	}
	return nil
}

// tooMuch says why a body could not be read.
func tooMuch(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return wrong(http.StatusRequestEntityTooLarge, "the body is larger than %d bytes", maxHook)
	}
	return wrong(http.StatusBadRequest, "the body did not arrive whole")
}
