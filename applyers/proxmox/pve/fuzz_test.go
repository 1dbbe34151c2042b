package pve

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"unicode/utf8"

	"berth/desired"
)

// saying is a server that answers everything alike.
type saying struct {
	status int
	reason string
	body   []byte
}

func (s saying) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: s.status, Status: strconv.Itoa(s.status) + " " + s.reason, Proto: "HTTP/1.1", Header: http.Header{},
		Body: io.NopCloser(bytes.NewReader(s.body)), ContentLength: -1, Request: r,
	}, nil
}

// FuzzAnswer holds of whatever a server answers that it is either read whole, or an
// error of one line that holds neither the token nor a page.
func FuzzAnswer(f *testing.F) {
	f.Add(200, "OK", []byte(`{"data":[{"key":"memory","value":"512","pending":1024},{"key":"cores","delete":1,"value":2},{"key":"digest","value":"abc"},{"key":"description","value":"x\n"}]}`))
	f.Add(200, "OK", []byte(`{"data":[{"type":"qemu","vmid":101,"name":"a","node":"pve1","tags":"a;b","template":0,"status":"running"},{"type":"storage","storage":"local","shared":1,"content":"iso"}]}`))
	f.Add(200, "OK", []byte(`{"data":{"/":{"VM.Audit":1,"Sys.Audit":0},"/vms":{}}}`))
	f.Add(200, "OK", []byte(`{"data":[{"t":"TASK ERROR: x","n":1},{"n":2,"t":"cores: bad"}]}`))
	f.Add(200, "OK", []byte(`{"data":[{"user":"root@pam","msg":"update VM 8101: -memory 384 -delete tags"}]}`))
	f.Add(500, "Configuration file 'nodes/pve1/qemu-server/999.conf' does not exist", []byte(`{"data":null,"message":"gone\nfor good\n"}`))
	f.Add(400, "Parameter verification failed.", []byte(`{"errors":{"cores":"type check\n failed"},"data":null}`))
	f.Add(200, "OK", []byte("<html>Welcome</html>"))
	f.Add(200, "OK", []byte(`{"data":`))
	f.Add(403, "", []byte(`{"message":{}}`))
	f.Add(200, "OK", []byte(`{"data":{"data":[]}}`))
	f.Fuzz(func(t *testing.T, status int, reason string, body []byte) {
		if len(body) > 1<<16 || len(reason) > 4096 {
			return
		}
		switch status {
		case 200, 400, 401, 403, 500, 501:
		default:
			status = 200
		}
		// What is asked again is waited for.
		synctest.Test(t, func(t *testing.T) { foreignAnswer(t, saying{status, reason, body}) })
	})
}

func foreignAnswer(t *testing.T, s saying) {
	t.Helper()
	c := clientAt(t, s, "https://pve1.test:8006")
	c.Begin("berth@pve!agent=hunter2")
	conf, err := c.ReadConfig(t.Context(), desired.KindVM, "pve1", 101)
	plainError(t, err)
	if err == nil {
		if conf.Digest == "" {
			t.Error("a configuration without a digest")
		}
		for key, value := range conf.Values {
			if !utf8.ValidString(key) || !utf8.ValidString(value) {
				t.Errorf("%q is %q", key, value)
			}
		}
	}
	rights, err := c.ReadRights(t.Context())
	plainError(t, err)
	for path := range rights {
		if want := (Right{Path: path, Privilege: "VM.Audit"}); rights.Has(want) != (len(rights.Lacking([]Right{want})) == 0) {
			t.Errorf("%s is there and lacking", want)
		}
	}
	const exit = "Parameter verification failed."
	if full := c.fullExit(t.Context(), "pve1", "UPID:x", exit); !strings.HasPrefix(full, exit) || strings.Contains(full, "\n") || len(full) > 4096 {
		t.Errorf("a task's end of %d bytes: %.200q", len(full), full)
	}
}

// plainError holds that an error can be shown as it is.
func plainError(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	text := err.Error()
	switch {
	case strings.Contains(text, "hunter2"):
		t.Errorf("the error holds the token: %q", text)
	case strings.ContainsAny(text, "\n\r"):
		t.Errorf("an error of several lines: %q", text)
	case len(text) > 4096:
		t.Errorf("an error of %d bytes: %.200q", len(text), text)
	}
}

// FuzzUPID holds that a task's node is one name, whatever stands in the journal or in
// an answer: it becomes part of a path.
func FuzzUPID(f *testing.F) {
	for _, seed := range []string{
		"UPID:pve1:00000156:000324A9:6B0139F4:qmcreate:101:root@pam!lab:", "UPID:pve1:0000:0:0:imgcopy::root@pam:", "UPID:pve-2.lab:1:2:3:qmmove:100-scsi4>101-scsi3:a@b:",
		"UPID:../../access:1:2:3:4:5:6:", "UPID:a/b:1:2:3:4:5:6:", "UPID:a?b=c:1:2:3:4:5:6:", "UPID", "UPID::::::::",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, upid string) {
		node, err := taskNode(upid)
		if err != nil {
			if len(err.Error()) > 1000 || strings.ContainsAny(err.Error(), "\n\r\x1b") {
				t.Errorf("%q", err)
			}
			return
		}
		if node == "" || url.PathEscape(node) != node || strings.Trim(node, ".") == "" || !strings.HasPrefix(upid, "UPID:"+node+":") {
			t.Errorf("%q runs on node %q", upid, node)
		}
	})
}
