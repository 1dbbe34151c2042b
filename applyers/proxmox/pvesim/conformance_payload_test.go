package pvesim

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"syscall"
)

// request rebuilds a recorded request.
func (r *replay) request(e exchange) (*http.Request, error) {
	raw := e.Request.URL
	for from, to := range r.upids {
		raw = strings.ReplaceAll(raw, url.PathEscape(from), url.PathEscape(to))
		raw = strings.ReplaceAll(raw, strings.ReplaceAll(url.QueryEscape(from), "+", "%20"), url.PathEscape(to))
		raw = strings.ReplaceAll(raw, from, to)
	}
	kind, payload := r.payload(e)
	// Not parsed as a whole: a path may begin with two slashes.
	path, query, _ := strings.Cut(raw, "?")
	req, err := http.NewRequestWithContext(r.t.Context(), e.Request.Method, "https://pve.test", bytes.NewReader(payload))
	if err != nil {
		return nil, err
	}
	if payload == nil {
		req.Body = nil
	}
	if req.URL.Path, err = url.PathUnescape(path); err != nil {
		return nil, err
	}
	req.URL.RawQuery = query
	for k, v := range e.Request.Headers {
		req.Header.Set(k, v)
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	r.authorize(req, e)
	return req, nil
}

// authorize puts in what was scrubbed. A secret was wrong where the server says so.
func (r *replay) authorize(req *http.Request, e exchange) {
	if c := req.Header.Get("Cookie"); strings.Contains(c, "<signature>") {
		req.Header.Set("Cookie", "PVEAuthCookie="+url.QueryEscape(r.cookie))
	}
	if req.Header.Get("Csrfpreventiontoken") != "" {
		req.Header.Set("CSRFPreventionToken", r.csrf)
	}
	if e.Request.Auth == nil {
		return
	}
	auth := *e.Request.Auth
	for name, secret := range r.secrets {
		if e.Response.Status == http.StatusUnauthorized {
			secret = "wrong"
		}
		auth = strings.ReplaceAll(auth, name+"=<secret>", name+"="+secret)
	}
	req.Header.Set("Authorization", auth)
}

// payload rebuilds the body: from the form or the JSON that was kept, or, where
// the recording kept neither, from what it says about it.
func (r *replay) payload(e exchange) (kind string, body []byte) {
	switch {
	case e.Request.Form != nil:
		f := url.Values{}
		for k, v := range e.Request.Form {
			if n, ok := v.(float64); ok {
				f.Set(k, trimFloat(n))
				continue
			}
			f.Set(k, r.mapText(fmt.Sprint(v)))
		}
		return "application/x-www-form-urlencoded", []byte(f.Encode())
	case e.Request.JSON != nil:
		b, err := json.Marshal(e.Request.JSON)
		if err != nil {
			r.t.Fatal(err)
		}
		return "application/json", b
	}
	kind = e.Request.Headers["Content-Type"]
	if strings.HasPrefix(kind, "multipart/") {
		return r.multipart(e)
	}
	return kind, r.unkept(e, kind)
}

func (r *replay) mapText(s string) string {
	if d := r.digests[s]; d != "" {
		return d
	}
	for from, to := range r.macs {
		s = strings.ReplaceAll(s, from, to)
	}
	for from, to := range r.texts {
		s = strings.ReplaceAll(s, from, to)
	}
	return s
}

// unkept is a body of which the recording has the kind and a note alone.
func (r *replay) unkept(e exchange, kind string) []byte {
	note, _ := e.Note.(string)
	switch {
	case kind == "":
		return nil
	case note == "repeated key":
		return []byte("cores=1&cores=2")
	case note == "UTF-8":
		return []byte("description=%C3%BC%E2%82%AC")
	case note == "latin-1":
		return []byte("description=%FC")
	case note == "big body":
		return []byte("description=" + strings.Repeat("x", 600_000))
	case strings.HasPrefix(kind, "application/json"):
		return []byte("{bad")
	}
	return []byte("a=b")
}

var (
	uploadNote = regexp.MustCompile(`content=(\S+) filename=(\S+)`)
	targetLine = regexp.MustCompile(`target file: (?:/\S+)?/(iso|cache|import)/(\S+)`)
	sizeLine   = regexp.MustCompile(`file size is: (\d+)`)
	expectLine = regexp.MustCompile(`!= expect '([0-9a-f]+)'`)
)

// multipart rebuilds an upload, whose body was not kept, from the note and from
// the log of its task. The file is filled with "abc".
func (r *replay) multipart(e exchange) (string, []byte) {
	note, _ := e.Note.(string)
	content, name, size, sum := "iso", "x.iso", 16, ""
	var log string
	for j := r.at + 1; j < min(r.at+4, len(r.list)); j++ {
		upid, _ := body(e)["data"].(string)
		if o := r.list[j]; o.Request != nil && upid != "" && strings.HasSuffix(o.Request.URL, "/log") && sameTask(o.Request.URL, upid) {
			log = text(o.Response.JSON)
		}
	}
	if m := uploadNote.FindStringSubmatch(note); m != nil {
		content, name = m[1], m[2]
	}
	if m := targetLine.FindStringSubmatch(log); m != nil {
		content, name = strings.Replace(m[1], "cache", "vztmpl", 1), strings.TrimSuffix(m[2], `"`)
		name, _, _ = strings.Cut(name, `"`)
	}
	if m := sizeLine.FindStringSubmatch(log); m != nil {
		size = atoi(m[1])
	}
	if strings.Contains(log, "calculating checksum") && size == 16 {
		size = 3
	}
	file := []byte(strings.Repeat("abc", size/3+1))[:size]
	if strings.Contains(log, "checksum verified") {
		sum = sumOf(string(file), "sha256")
	}
	if m := expectLine.FindStringSubmatch(log); m != nil {
		sum = m[1]
	}
	var b bytes.Buffer
	boundary := "replay"
	field := func(k, v string) {
		fmt.Fprintf(&b, "--%s\r\nContent-Disposition: form-data; name=\"%s\"\r\n\r\n%s\r\n", boundary, k, v)
	}
	field("content", content)
	switch {
	case note == "wrong checksum":
		// The order that the server does not understand.
		field("checksum", strings.Repeat("0", 64))
		field("checksum-algorithm", "sha256")
	case sum != "":
		field("checksum-algorithm", "sha256")
		field("checksum", sum)
	}
	fmt.Fprintf(&b, "--%s\r\nContent-Disposition: form-data; name=\"filename\"; filename=\"%s\"\r\nContent-Type: application/octet-stream\r\n\r\n", boundary, name)
	b.Write(file)
	fmt.Fprintf(&b, "\r\n--%s--\r\n", boundary)
	return "multipart/form-data; boundary=" + boundary, b.Bytes()
}

func sameTask(at, upid string) bool {
	raw, err := url.PathUnescape(at)
	return err == nil && strings.Contains(raw, upid)
}

// download serves the file that the lab served: of the length and the virtual
// size that the recording shows; port 9 refuses, as it did.
func (r *replay) download(_ context.Context, rawURL string) (io.ReadCloser, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, err
	}
	if u.Port() == "9" {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	}
	return io.NopCloser(bytes.NewReader(r.image())), nil
}

// image is the stand-in for the lab's disk image.
func (r *replay) image() []byte {
	size, virtual := 4096, uint64(gib)
	for _, e := range r.list {
		if d, ok := body(e2(e))["data"].(map[string]any); ok {
			if d["mimetype"] != nil {
				if n, ok := d["size"].(float64); ok {
					size = int(n)
				}
			}
			if d["path"] != nil && d["format"] == "qcow2" {
				if n, ok := d["size"].(float64); ok {
					virtual = uint64(n)
				}
			}
		}
	}
	out := make([]byte, size)
	copy(out, "QFI\xfb\x00\x00\x00\x03")
	binary.BigEndian.PutUint64(out[24:], virtual)
	return out
}

func e2(e exchange) exchange {
	if e.Response == nil {
		e.Response = &struct {
			Status  int
			Reason  string
			Headers [][2]string
			JSON    any
			Body    *string
		}{}
	}
	return e
}
