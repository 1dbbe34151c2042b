package pvesim

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"strings"
)

// uploadOrder is the only order of fields that the HTTP layer understands (FACTS 7).
var uploadOrder = []string{"content", "checksum-algorithm", "checksum", "filename"}

// upload reads the parts of an upload in the order that they must have, and
// copies the file in a task.
func (q *call) upload() (any, error) {
	fields, file := q.sent, q.file
	if q.partsErr != nil {
		return nil, q.partsErr
	}
	if fields == nil {
		return nil, badParam("filename", "property is missing and it is not optional")
	}
	if wrong := uploadSchema().checkAll(fields); len(wrong) > 0 {
		return nil, paramError(wrong)
	}
	s, err := q.storageOn(q.node, q.args["storage"])
	if err != nil {
		return nil, err
	}
	content := fields["content"]
	if !s.holds(content) {
		return nil, fail("storage '%s' does not support '%s' content", s.Name, content)
	}
	name := strings.ReplaceAll(fields["filename"], " ", "_")
	name = name[strings.LastIndexAny(name, "/\\")+1:]
	if !validName(content, name) {
		if content == "import" {
			return nil, badParam("filename", "invalid filename or wrong extension")
		}
		return nil, badParam("filename", "wrong file extension")
	}
	tmp := "/var/tmp/pveupload-" + strings.ReplaceAll(q.uuid(), "-", "")
	return q.spawn(job{kind: "imgcopy", run: func(t *task) error {
		t.logf("starting file import from: %s", tmp)
		if err := verifySum(t, file, fields["checksum"], fields["checksum-algorithm"]); err != nil {
			return err
		}
		if err := verifyImage(t, tmp, name, file); err != nil {
			return err
		}
		if q.fault != nil && q.fault.Full {
			return fail("import failed: cp: error writing '%s': No space left on device", s.path(content+"/"+name))
		}
		path := s.path(content + "/" + name)
		t.logf("target node: %s", q.node)
		t.logf("target file: %s", path)
		t.logf("file size is: %d", len(file))
		t.logf("command: cp -- %s %s", tmp, path)
		sum := ""
		if fields["checksum-algorithm"] == "sha256" {
			sum = strings.ToLower(fields["checksum"]) // It has just been verified.
		}
		q.store(s, content, name, file, sum)
		t.logf("finished file import successfully")
		return nil
	}}), nil
}

// store keeps a file, over one of the same name; sum as for setData.
func (q *call) store(s *storage, content, name string, file []byte, sum string) {
	_, _, format, _ := s.parseName(content + "/" + name)
	v := &volume{storage: s.Name, name: content + "/" + name, format: format, content: content, ctime: q.now()}
	v.setData(file, sum)
	q.addVolume(q.node, v)
}

// setData gives a volume its file, which nobody writes to any more; an image in it has a
// size of its own. An empty SHA-256 sum is worked out.
func (v *volume) setData(data []byte, sum string) {
	v.data = data
	if data == nil {
		v.data = []byte{}
	}
	v.size = int64(len(data))
	if n, ok := qcow2Size(data); ok && v.format == "qcow2" {
		v.size = n
	}
	if sum == "" {
		sum = sumOf(data, "sha256")
	}
	v.sum = sum
}

func qcow2Size(data []byte) (int64, bool) {
	if len(data) < 32 || !bytes.HasPrefix(data, []byte("QFI\xfb")) {
		return 0, false
	}
	return int64(binary.BigEndian.Uint64(data[24:32])), true //nolint:gosec // a size, not a counter
}

func verifyImage(t *task, tmp, name string, file []byte) error {
	if !strings.HasSuffix(name, ".qcow2") {
		return nil
	}
	if _, ok := qcow2Size(file); ok {
		return nil
	}
	t.logf("command '/usr/bin/qemu-img info '--output=json' %s -f qcow2' failed: exit code 1", tmp)
	return fail("qemu-img: Could not open '%s': Image is not in qcow2 format", tmp)
}

func verifySum(t *task, file []byte, want, algo string) error {
	if want == "" {
		return nil
	}
	got := sumOf(file, algo)
	if got != strings.ToLower(want) {
		t.logf("calculating checksum...")
		return fail("checksum mismatch: got '%s' != expect '%s'", got, want)
	}
	t.logf("calculating checksum...OK, checksum verified")
	return nil
}

func validName(content, name string) bool {
	suffix := func(ends ...string) bool {
		for _, e := range ends {
			if strings.HasSuffix(strings.ToLower(name), e) && len(name) > len(e) {
				return true
			}
		}
		return false
	}
	switch content {
	case "iso":
		return suffix(".iso", ".img")
	case "vztmpl":
		return suffix(".tar.gz", ".tar.xz", ".tar.zst")
	}
	return suffix(".ova", ".qcow2", ".raw", ".vmdk")
}

// parts reads a multipart body. Fields out of order make a bare 400 (FACTS 7).
func (q *call) parts() (map[string]string, []byte, error) {
	bare := &apiError{status: 400, message: "Bad Request", empty: true}
	kind, params, err := mime.ParseMediaType(q.header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" {
		return nil, nil, badParam("filename", "property is missing and it is not optional")
	}
	r := multipart.NewReader(bytes.NewReader(q.body), params["boundary"])
	fields := map[string]string{}
	at := 0
	for {
		p, err := r.NextPart()
		if errors.Is(err, io.EOF) {
			return nil, nil, bare
		}
		if err != nil {
			return nil, nil, bare
		}
		name := p.FormName()
		i := indexFrom(uploadOrder, at, name)
		if i < 0 {
			return nil, nil, bare
		}
		at = i + 1
		var data bytes.Buffer
		if name == "filename" {
			data.Grow(len(q.body)) // It is most of it.
		}
		if _, err := data.ReadFrom(p); err != nil {
			return nil, nil, fmt.Errorf("read part %s: %w", name, err)
		}
		if name == "filename" {
			fields["filename"] = p.FileName()
			return fields, data.Bytes(), nil
		}
		fields[name] = strings.TrimRight(data.String(), "\r\n")
	}
}

func indexFrom(list []string, from int, v string) int {
	for i := from; i < len(list); i++ {
		if list[i] == v {
			return i
		}
	}
	return -1
}
