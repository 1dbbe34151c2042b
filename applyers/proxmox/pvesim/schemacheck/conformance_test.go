package schemacheck

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"berth/applyers/proxmox/pvesim"
)

const (
	// perEndpoint is how many requests each endpoint gets.
	perEndpoint = 200
	perRead     = 40
	// floorWrites is the share of them, in percent, that the simulator must judge as
	// the schema does. Like that of the reads, it only ever rises.
	floorWrites = 99
	floorReads  = 99
)

// fill stands for the parameters of paths.
var fill = map[string]string{
	"node": "pve1", "storage": "local", "volume": "local:iso/x.iso", "poolid": "prod", "snapname": "before", "roleid": "Berth",
	"userid": "berth@pve", "tokenid": "agent", "upid": "UPID:pve1:00000001:00000001:00000001:qmstart:100:root@pam:",
}

// TestWritesAreJudgedAsTheSchemaDoes generates valid and spoilt requests for every
// endpoint, and compares which parameters the simulator and the schema find wrong.
// What comes after the verification, such as a guest that does not exist, counts
// as accepted.
func TestWritesAreJudgedAsTheSchemaDoes(t *testing.T) {
	compare(t, "writes", endpoints, perEndpoint, floorWrites)
}

// TestReadsAreJudgedAsTheSchemaDoes does the same for what a cluster is observed with.
func TestReadsAreJudgedAsTheSchemaDoes(t *testing.T) {
	compare(t, "reads", reads, perRead, floorReads)
}

func compare(t *testing.T, name string, list []endpoint, count, floor int) {
	t.Helper()
	s := schema(t)
	agreed, total := 0, 0
	told := map[string]bool{}
	for i, e := range list {
		m := s.Method(e.method, e.path)
		if m == nil {
			t.Errorf("the schema has no %s %s", e.method, e.path)
			continue
		}
		g := &generator{t: t, s: s, r: rand.New(rand.NewPCG(20261121, uint64(i)))}
		for range count {
			form := g.request(m)
			what := "valid"
			if g.r.IntN(3) > 0 {
				what = cmp.Or(g.mutate(m, form), what)
			}
			path := place(e)
			if g.r.IntN(25) == 0 && strings.Contains(path, "/100") {
				path, what = strings.Replace(path, "/100", pick(g, []string{"/99", "/x", "/0100"}), 1), "path"
			}
			want := slices.Sorted(maps.Keys(s.Check(e.method, path, values(form))))
			got, text := refused(t, e, path, form)
			total++
			if slices.Equal(want, got) {
				agreed++
				continue
			}
			keys := strings.Join(slices.Concat(want, got), " ")
			if k := e.method + " " + e.path + " " + keys; !told[k] {
				told[k] = true
				t.Logf("%s %s, %s: wrong are %q, the simulator says %q: %s %v", e.method, path, what, want, got, text, trim(form, keys))
			}
		}
	}
	fmt.Printf("conformance: %s %d of %d\n", name, agreed, total) //nolint:forbidigo // the figure is the test's output
	if agreed*100 < total*floor {
		t.Errorf("%d of %d requests are judged as the schema does, the floor is %d %%", agreed, total, floor)
	}
}

// trim leaves of a request what the difference is about.
func trim(form map[string]string, keys string) map[string]string {
	out := map[string]string{}
	for k, v := range form {
		if slices.Contains(strings.Fields(keys), k) {
			out[k] = v[:min(len(v), 120)]
		}
	}
	return out
}

func place(e endpoint) string {
	path := e.path
	for k, v := range fill {
		path = strings.ReplaceAll(path, "{"+k+"}", v)
	}
	id := "100"
	if strings.Contains(path, "/lxc/") {
		id = "1001"
	}
	return strings.ReplaceAll(path, "{vmid}", id)
}

func values(form map[string]string) url.Values {
	v := url.Values{}
	for k, x := range form {
		v.Set(k, x)
	}
	return v
}

// verification are the beginnings of what the server's parameter verification says.
var verification = []string{
	"property is ", "type check (", "invalid format - ", "value does not ", "value may only be ", "value must ", "value '", "missing property - ", "unable to parse value",
}

// refused sends a request to a fresh cluster and returns the parameters that its
// verification refuses.
func refused(t *testing.T, e endpoint, path string, form map[string]string) (wrong []string, text string) {
	t.Helper()
	c := pvesim.New(pvesim.Options{Nodes: []string{"pve1", "pve2"}})
	c.AddGuest(pvesim.Guest{VMID: 100, Pool: "prod", Config: map[string]string{"name": "a", "scsi0": "local-lvm:vm-100-disk-0,size=1G"}})
	c.AddGuest(pvesim.Guest{Kind: pvesim.KindCT, VMID: 1001, Config: map[string]string{"hostname": "b", "rootfs": "local-lvm:vm-1001-disk-0,size=1G"}})
	target := "https://pve.test/api2/json" + (&url.URL{Path: path}).EscapedPath()
	var body io.Reader
	kind := "application/x-www-form-urlencoded"
	switch {
	case strings.HasSuffix(path, "/upload"):
		body, kind, target = multipartBody(t, form, target)
	case e.method == http.MethodDelete, e.method == http.MethodGet:
		target += "?" + values(form).Encode()
	default:
		body = strings.NewReader(values(form).Encode())
	}
	r, err := http.NewRequestWithContext(t.Context(), e.method, target, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "PVEAPIToken="+c.AddToken("root@pam", "lab", false))
	if body != nil {
		r.Header.Set("Content-Type", kind)
	}
	resp, err := c.Transport().RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var answer struct{ Errors map[string]string }
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	_ = json.Unmarshal(raw, &answer)
	if resp.StatusCode == http.StatusNotImplemented {
		return []string{""}, resp.Status
	}
	for k, v := range answer.Errors {
		if resp.StatusCode == http.StatusBadRequest && slices.ContainsFunc(verification, func(p string) bool { return strings.HasPrefix(v, p) }) {
			wrong = append(wrong, k)
		}
	}
	slices.Sort(wrong)
	return wrong, fmt.Sprint(resp.Status, " ", answer.Errors)
}

// multipartBody makes an upload: the fields in the order that they must have, the
// file last, and in the query what is no field at all.
func multipartBody(t *testing.T, form map[string]string, target string) (body io.Reader, kind, to string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	query := values(form)
	for _, k := range []string{"content", "checksum-algorithm", "checksum"} {
		if v, ok := form[k]; ok {
			if err := w.WriteField(k, v); err != nil {
				t.Fatal(err)
			}
		}
		query.Del(k)
	}
	if v, ok := form["filename"]; ok {
		f, err := w.CreateFormFile("filename", v)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	query.Del("filename")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b, w.FormDataContentType(), target + "?" + query.Encode()
}
