package pve

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
)

// carried takes what an answer holds past go-proxmox, which would read and check the
// body three times more. It travels in the request's context, under carriedKey.
type carried struct {
	into any
	err  error // Why a good answer could not be read into it.
}

type carriedKey struct{}

// read reads a body and tells whether it is what Proxmox would answer.
func (c *carried) read(text []byte) (ok bool) {
	if c == nil {
		return json.Valid(text)
	}
	c.err = decodeData(text, c.into)
	return !errors.Is(c.err, errMalformed)
}

// judge turns an answer that is no success into an error, and reads one that is.
func judge(res *http.Response, text []byte, cut error, carried *carried) *APIError {
	switch {
	case res.StatusCode/100 != 2:
		return refusal(res, text)
	case cut != nil:
		return &APIError{Status: res.StatusCode, Message: "the answer broke off: " + cut.Error()}
	case !bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte("{")) || !carried.read(text):
		kind := shortened(oneLine(res.Header.Get("Content-Type")), 100)
		return &APIError{Status: res.StatusCode, Message: "the answer is not Proxmox's (" + kind + ")"}
	}
	return nil
}

// refusal is what an answer says of why it is no success.
func refusal(res *http.Response, text []byte) *APIError {
	var answer struct {
		Message string            `json:"message"`
		Errors  map[string]string `json:"errors"`
	}
	_ = json.Unmarshal(text, &answer) // Proxies answer in other words.
	_, reason, _ := strings.Cut(res.Status, " ")
	return &APIError{
		Status:  res.StatusCode,
		Message: shortened(cmp.Or(oneLine(answer.Message), oneLine(reason)), longestText),
		Params:  answer.Errors,
	}
}
