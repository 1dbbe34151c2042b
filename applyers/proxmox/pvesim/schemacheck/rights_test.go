package schemacheck

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"berth/applyers/proxmox/pvesim"
)

// right is the first that a method asks for by the schema; ok is false where it
// asks for a choice of several, or checks inside.
func right(check any) (path, privs string, ok bool) {
	list, _ := check.([]any)
	if len(list) < 2 {
		return "", "", false
	}
	switch list[0] {
	case "and":
		return right(list[1])
	case "perm":
		path, _ = list[1].(string)
		var names []string
		given, _ := list[2].([]any)
		for _, p := range given {
			names = append(names, fmt.Sprint(p))
		}
		if len(names) > 1 && len(list) < 4 {
			return "", "", false
		}
		return path, strings.Join(names, "|"), true
	}
	return "", "", false
}

// TestRightsOfEndpoints compares what a token without rights is told with what the
// schema says that the endpoint asks for.
func TestRightsOfEndpoints(t *testing.T) {
	s := schema(t)
	asked := 0
	for i, e := range slices.Concat(endpoints, reads) {
		m := s.Method(e.method, e.path)
		path, privs, ok := right(m.check)
		if !ok {
			continue
		}
		asked++
		g := &generator{t: t, s: s, r: rand.New(rand.NewPCG(7, uint64(i)))}
		form := g.request(m)
		for k, v := range form {
			path = strings.ReplaceAll(path, "{"+k+"}", v)
		}
		for k, v := range fill {
			path = strings.ReplaceAll(path, "{"+k+"}", v)
		}
		where := place(e)
		id := "100"
		if strings.Contains(where, "/1001") {
			id = "1001"
		}
		path = strings.ReplaceAll(path, "{vmid}", id)
		want := fmt.Sprintf("Permission check failed (%s, %s)", path, privs)
		for granted, refused := range map[bool]bool{false: true, true: false} {
			if got := answer(t, e, where, form, path, privs, granted); strings.Contains(got, want) != refused {
				t.Errorf("%s %s, granted %v: %s, the schema asks for %s", e.method, where, granted, got, want)
			}
		}
	}
	if asked < 30 {
		t.Errorf("only %d endpoints ask for something", asked)
	}
}

// answer is the reason phrase that a token gets which has nothing, or just those
// rights.
func answer(t *testing.T, e endpoint, where string, form map[string]string, path, privs string, granted bool) string {
	t.Helper()
	c := pvesim.New(pvesim.Options{Nodes: []string{"pve1", "pve2"}})
	c.AddGuest(pvesim.Guest{VMID: 100, Config: map[string]string{"name": "a"}})
	c.AddGuest(pvesim.Guest{Kind: pvesim.KindCT, VMID: 1001, Config: map[string]string{"hostname": "b"}})
	var acl []pvesim.ACL
	if granted {
		acl = append(acl, pvesim.ACL{Path: path, Privs: strings.Split(privs, "|"), Propagate: true})
	}
	token := c.AddToken("low@pve", "t", false, acl...)
	target, body := "https://pve.test/api2/json"+where, io.Reader(nil)
	if e.method == http.MethodDelete || e.method == http.MethodGet {
		target += "?" + values(form).Encode()
	} else {
		body = strings.NewReader(values(form).Encode())
	}
	r, err := http.NewRequestWithContext(t.Context(), e.method, target, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "PVEAPIToken="+token)
	if body != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := c.Transport().RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var out struct{ Message string }
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	_ = json.Unmarshal(raw, &out)
	return resp.Status + " " + out.Message
}
