package pvesim

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
)

// Unkindness that recordings show, in our own words, for where they are not at hand.

// TestUnkindRequests sends what other servers would take.
func TestUnkindRequests(t *testing.T) {
	t.Parallel()
	c, api := withVM(t, Options{})
	send := func(method, path, contentType, body string) reply {
		r := api.request(method, path)
		if body != "" {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
		}
		if contentType != "" {
			r.Header.Set("Content-Type", contentType)
		}
		return api.send(r)
	}
	const formType, conf = "application/x-www-form-urlencoded", vm100 + "/config"
	for name, tc := range map[string]struct {
		method, path, contentType, body string
		status                          int
		text                            string
	}{
		"a deletion with a body":         {"DELETE", vm100, formType, "purge=1", 501, ""},
		"another content type":           {"PUT", conf, "text/plain", "cores=2", 506, ""},
		"null":                           {"PUT", conf, "application/json", `{"cores":null}`, 500, "unable to parse value of 'cores' - got undefined value"},
		"a boolean in words":             {"PUT", conf, formType, "onboot=yes", 400, "Parameter verification failed."},
		"a key twice":                    {"PUT", conf, formType, "cores=1&cores=2", 400, ""},
		"a query that is not known":      {"GET", conf + "?nosuch=1", "", "", 400, ""},
		"a body that is too large":       {"PUT", conf, formType, "description=" + strings.Repeat("x", 600<<10), 501, ""},
		"a description that is too long": {"PUT", conf, formType, "description=" + strings.Repeat("x", 8193), 400, ""},
		"a method that is not there":     {"POST", "/version", formType, "a=1", 501, "Method 'POST /version' not implemented"},
		"a guest that is not there":      {"GET", "/nodes/pve1/qemu/999/config", "", "", 500, "Configuration file 'nodes/pve1/qemu-server/999.conf' does not exist"},
		"a node that is not there":       {"GET", "/nodes/nonode/qemu/100/config", "", "", 500, "hostname lookup 'nonode' failed"},
	} {
		if r := send(tc.method, tc.path, tc.contentType, tc.body); r.status != tc.status || !strings.Contains(r.reason, tc.text) {
			t.Errorf("%s: %d %s, want %d %s", name, r.status, r.reason, tc.status, tc.text)
		}
	}
	// The query wins over the body, and what is no UTF-8 is replaced in silence.
	send("PUT", conf+"?cores=3", formType, "cores=2&description=%ff")
	if g, _ := c.Guest(100); g.Config["cores"] != "3" || g.Config["description"] != "\ufffd" {
		t.Errorf("config: %v", g.Config)
	}
	// JSON is taken, with a list for what is to be deleted.
	send("PUT", conf, "application/json", `{"delete":["cores","description"],"onboot":true}`)
	if g, _ := c.Guest(100); g.Config["cores"] != "" || g.Config["description"] != "" || g.Config["onboot"] != "1" {
		t.Errorf("config: %v", g.Config)
	}
}

// TestPasswordsAreMasked: the mask, written back, is the password.
func TestPasswordsAreMasked(t *testing.T) {
	t.Parallel()
	c := New(Options{})
	api := rootClient(t, c)
	const mask = "**********"
	run(t, c, api, 100, []step{
		{"POST /qemu vmid=100&cipassword=secret&ide2=local:cloudinit", "task OK | conf cipassword=secret"},
	})
	if got := api.config(vm100 + "/config")["cipassword"]; got != mask {
		t.Errorf("it reads back as %v", got)
	}
	digest := func() any { return api.config(vm100 + "/config")["digest"] }
	api.ok("PUT", vm100+"/config", form("cipassword", mask))
	first, _ := c.Guest(100)
	if got := first.Config["cipassword"]; got == "secret" || got == "" || got == mask {
		t.Errorf("after the mask was written back it is kept as %q", got)
	}
	was := digest()
	api.ok("PUT", vm100+"/config", form("cipassword", mask))
	if digest() == was {
		t.Error("the same password, written again, has the same salt")
	}
}

// TestForeignVolumes: nobody guards the volumes of others.
func TestForeignVolumes(t *testing.T) {
	t.Parallel()
	c := New(Options{})
	api := rootClient(t, c)
	const theirs = "local:103/vm-103-disk-0.raw"
	run(t, c, api, 102, []step{
		{"POST /qemu vmid=103&scsi0=local:1", "task OK"},
		{"POST /qemu vmid=102&scsi0=local:1&scsi1=" + theirs, "task OK | conf scsi1=" + theirs + ",size=1G"},
		{"PUT /qemu/102/resize disk=scsi1&size=2G", "task OK | conf scsi1=" + theirs + ",size=2G"},
	})
	if g, _ := c.Guest(103); g.Config["scsi0"] != theirs+",size=1G" {
		t.Errorf("the owner was told of the other size: %v", g.Config)
	}
	run(t, c, api, 102, []step{
		{"PUT /qemu/102/config delete=scsi1", "ok | conf unused0="},
		{"PUT /qemu/102/config scsi1=" + theirs, "ok"},
		{"POST /qemu/102/status/start", "task OK"},
		// The volume goes, under a guest that runs.
		{"DELETE /qemu/103", "task OK | conf scsi1=" + theirs + ",size=2G"},
		{"POST /qemu/102/status/stop", "task OK"},
		{"POST /qemu/102/status/start", "task volume '" + theirs + "' does not exist"},
		{"POST /qemu vmid=103&scsi0=local:1", "task OK"},
		{"DELETE /qemu/102?purge=1&destroy-unreferenced-disks=1", "task OK"},
	})
	run(t, c, api, 104, []step{
		{"POST /qemu vmid=104&scsi1=" + theirs, "task OK"},
		// Moving it away destroys it.
		{"POST /qemu/104/move_disk disk=scsi1&storage=local-lvm&delete=1", "task OK"},
	})
	for _, v := range c.Volumes() {
		if v.ID == theirs {
			t.Errorf("%s is still there", v.ID)
		}
	}
}

// TestCreationsThatAreNotWhatTheySay: the task of a creation ends well although its
// start failed, and leaves what no configuration names.
func TestCreationsThatAreNotWhatTheySay(t *testing.T) {
	t.Parallel()
	c := New(Options{})
	api := rootClient(t, c)
	c.AddVolume(Volume{ID: "local:100/vm-100-disk-0.raw", Node: "pve1", Owner: 100, Size: 1 << 30, Format: "raw", Content: "images"})
	run(t, c, api, 100, []step{
		{"POST /qemu vmid=100&net0=virtio,bridge=vmbr7&scsi0=local:1&start=1", "task OK | conf scsi0=local:100/vm-100-disk-1.raw,size=1G"},
	})
	if g, _ := c.Guest(100); g.Running {
		t.Error("it runs")
	}
	failed := false
	for _, task := range c.Tasks() {
		failed = failed || task.Type == "qmstart" && task.Exit != "OK"
	}
	if !failed {
		t.Error("no task of its own tells of the start")
	}
	run(t, c, api, 100, []step{{"DELETE /qemu/100", "task OK"}})
	if got := c.Volumes(); len(got) != 1 || got[0].ID != "local:100/vm-100-disk-0.raw" {
		t.Errorf("volumes: %+v", got)
	}
}

// TestUploadsAreParticular: about the order of the fields, and about nothing else.
func TestUploadsAreParticular(t *testing.T) {
	t.Parallel()
	c := New(Options{})
	api := rootClient(t, c)
	upload := func(text string, fields ...string) reply {
		var body bytes.Buffer
		w := multipart.NewWriter(&body)
		for i := 0; i+1 < len(fields); i += 2 {
			if fields[i] == "filename" {
				part, err := w.CreateFormFile("filename", fields[i+1])
				if err == nil {
					_, err = io.WriteString(part, text)
				}
				if err != nil {
					t.Fatal(err)
				}
				continue
			}
			if err := w.WriteField(fields[i], fields[i+1]); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		r := api.request(http.MethodPost, "/nodes/pve1/storage/local/upload")
		r.Body, r.ContentLength = io.NopCloser(&body), int64(body.Len())
		r.Header.Set("Content-Type", w.FormDataContentType())
		return api.send(r)
	}
	if r := upload("one", "filename", "a.iso", "content", "iso"); r.status != 400 {
		t.Errorf("the file first: %d %s", r.status, r.reason)
	}
	if r := upload("one", "content", "snippets", "filename", "a.yaml"); r.status != 400 {
		t.Errorf("a snippet: %d %s", r.status, r.reason)
	}
	for _, text := range []string{"one", "two"} {
		if r := upload(text, "content", "iso", "filename", "a.iso"); r.status != 200 {
			t.Fatalf("%d %s", r.status, r.reason)
		}
	}
	if v := c.Volumes(); len(v) != 1 || string(v[0].Data) != "two" {
		t.Errorf("an upload does not write over what is there: %+v", v)
	}
}
