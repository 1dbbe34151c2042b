package pve

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-faster/jx"
)

// rows are what a test reads in both ways: each value of each row, by name.
type decodedRows []map[string]string

func (r *decodedRows) Decode(d *jx.Decoder) error {
	*r = nil
	return Array(d, func() error {
		row := make(map[string]string)
		*r = append(*r, row)
		return Object(d, func(name []byte) error {
			key := string(name)
			text, there, err := Value(d)
			if there {
				row[key] = text
			} else {
				delete(row, key)
			}
			return err
		})
	})
}

// reference reads the same by encoding/json alone.
func reference(text []byte) (decodedRows, error) {
	var answer struct {
		Data json.RawMessage `json:"data"`
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, err
	}
	answer.Data = fields["data"]
	var items []json.RawMessage
	if json.Unmarshal(answer.Data, &items) != nil {
		return nil, nil // It is no list, which is passed over.
	}
	var all decodedRows
	for _, item := range items {
		row := make(map[string]string)
		var values map[string]*Scalar
		_ = json.Unmarshal(item, &values) // What is no object is passed over.
		for key, value := range values {
			if value != nil {
				row[key] = string(*value)
			}
		}
		all = append(all, row)
	}
	return all, nil
}

func FuzzLenient(f *testing.F) {
	for _, seed := range []string{
		`{"data":[{"key":"memory","value":"512"},{"key":"cores","value":2,"pending":4},{"key":"tags","delete":1}]}`,
		` {"data" : [ { } , {"a":-0.5e+3,"b":true,"c":false,"d":null} ] , "more":{"x":[1,[2,{}]]}} `,
		`{"data":[{"description":"a\nb\"\\\/\u00e9\ud83d\ude00 ü","n\u0061me":"x"}]}`,
		"{\"data\":[{\"broken\":\"\xff\xfe\",\"\xff\":1}]}", "{\"data\":[{\"control\":\"\x01\"}]}",
		`{"data":[{"lxc":[["lxc.cap.drop","sys_time"]],"o":{"a":1}}]}`,
		`{"data":[1,"two",[3],null,{"a":1}]}`, `{"data":"UPID:pve1"}`, `{"data":null}`, `{"data":{}}`, `{}`, `[]`, `null`, ``, `{`, `{"data":[`,
		`{"data":[{}],}`, `{"data":[{},]}`, `{"data":[01]}`, `{"data":[1.]}`, `{"data":[-]}`, `{"data":[1e]}`, `{"data":[nul]}`, `{"data":["\x"]}`,
		`{"data":["\u12"]}`, `{"data":[]} x`, `{"data":[]}{}`, `{"data":[]}{"":`, `{"data":[]}[`, `{"data" []}`, `{data:[]}`, `{"data":[{"a":1 "b":2}]}`, `{"data":[1]}`, `{"data":[{"a":1,"a":null}],"data":[]}`,
		`{"data":["\ud800"]}`, `{"data":[{"a":"\ud800\ud83d\ude00"}]}`, `{"data":[{"\ud800\ud83d\ude00":1}]}`, `{"data":[0}`, `{"data":[-0,1e5,1e+,0.]}`, `{"data":[{"a":"\ud800"}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var got decodedRows
		err := decode(text, &got)
		want, wantErr := reference(text)
		// What is no object at all is judged before anything is read.
		if json.Valid(text) && !bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte("{")) {
			return
		}
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%q: %v, and encoding/json says %v", text, err, wantErr)
		}
		// Of half a pair of codes in a name, jx makes other signs than encoding/json.
		// Neither is a name that anybody asks for.
		broken := func(name, _ string) bool { return strings.ContainsRune(name, utf8.RuneError) }
		for _, row := range slices.Concat(got, want) {
			maps.DeleteFunc(row, broken)
		}
		if err == nil && !slices.EqualFunc(got, want, maps.Equal[map[string]string, map[string]string]) {
			t.Fatalf("%q: %q, and encoding/json says %q", text, got, want)
		}
	})
}
