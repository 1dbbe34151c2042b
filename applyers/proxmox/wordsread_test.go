package proxmox

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"berth/applyers/proxmox/notation"
	"berth/applyers/proxmox/pvesim/schemacheck"
	"berth/desired"
)

// TestRecordedOptionsAreSaidAndWrittenBack takes every option of every configuration
// that a real Proxmox has answered with through the manifest's words and back.
func TestRecordedOptionsAreSaidAndWrittenBack(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../../shared/pve/transcripts/*.json")
	if err != nil || len(files) == 0 {
		t.Skip("no recordings in ../shared")
	}
	config := regexp.MustCompile(`/nodes/[^/]+/(qemu|lxc)/(\d+)/(config|pending)(\?|$)`)
	options := make(map[string]bool)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var exchanges []struct {
			Request  struct{ Method, URL string }
			Response struct {
				Status int
				JSON   struct{ Data json.RawMessage }
			}
		}
		if err := json.Unmarshal(text, &exchanges); err != nil {
			continue // Some hold no exchanges.
		}
		for _, e := range exchanges {
			at := config.FindStringSubmatch(e.Request.URL)
			if at == nil || e.Request.Method != "GET" || e.Response.Status != 200 {
				continue
			}
			kind := map[string]string{"qemu": desired.KindVM, "lxc": desired.KindContainer}[at[1]]
			// The guest of the test has a VMID of its own.
			data := strings.NewReplacer(":"+at[2]+"/", ":4001/", "vm-"+at[2]+"-", "vm-4001-", "subvol-"+at[2]+"-", "subvol-4001-").Replace(string(e.Response.JSON.Data))
			conf := recorded(t, json.RawMessage(data))
			for _, option := range slices.Sorted(maps.Keys(conf)) {
				told := kind + " " + option + " " + conf[option]
				if option == "description" || options[told] {
					continue
				}
				options[told] = true
				readAndWritten(t, kind, option, conf)
			}
		}
	}
	if len(options) < 200 {
		t.Errorf("only %d options were found in the recordings", len(options))
	}
}

// recorded is a configuration as GET config or pending answers it.
func recorded(t *testing.T, data json.RawMessage) map[string]string {
	t.Helper()
	conf := make(map[string]string)
	text := func(v any) string {
		if n, ok := v.(float64); ok {
			return strconv.FormatFloat(n, 'f', -1, 64)
		}
		s, _ := v.(string)
		return s
	}
	var rows []struct {
		Key            string
		Value, Pending any
	}
	if json.Unmarshal(data, &rows) == nil {
		for _, row := range rows {
			conf[row.Key] = text(row.Value)
			if row.Pending != nil {
				conf[row.Key] = text(row.Pending)
			}
		}
	} else {
		var values map[string]any
		if err := json.Unmarshal(data, &values); err != nil {
			t.Fatal(err)
		}
		for key, value := range values {
			conf[key] = text(value)
		}
	}
	maps.DeleteFunc(conf, func(key, value string) bool { return value == "" || key == "digest" || key == "snapshots" })
	return conf
}

// TestOptionsOfTheSchemaAreSaidAndWrittenBack takes each part of each option that the
// schema has, alone and all together, through the manifest's words and back.
func TestOptionsOfTheSchemaAreSaidAndWrittenBack(t *testing.T) {
	t.Parallel()
	schema, err := schemacheck.Load()
	if err != nil {
		t.Skip("no schema in ../shared")
	}
	count := 0
	for kind, path := range map[string]string{desired.KindVM: "/nodes/{node}/qemu/{vmid}/config", desired.KindContainer: "/nodes/{node}/lxc/{vmid}/config"} {
		params := schema.Method("PUT", path).Params
		for _, name := range slices.Sorted(maps.Keys(params)) {
			option, p := strings.Replace(name, "[n]", "1", 1), params[name]
			if len(p.Keys) == 0 {
				continue
			}
			for _, value := range examples(schema, p) {
				conf := around(kind)
				conf[option] = value
				count++
				readAndWritten(t, kind, option, conf)
			}
		}
	}
	if count < 150 {
		t.Errorf("only %d values were made of the schema", count)
	}
}

// examples are values of a property string: what must stand in it, and with it each
// value of each other part; and one of all parts.
func examples(schema *schemacheck.Schema, p *schemacheck.Property) []string {
	of := func(key string, k *schemacheck.Property) []string {
		guesses := append(slices.Clone(k.Enum), "1", "0", "16", "512", "1.5", "local-lvm:vm-4001-disk-1", "8G", "/srv", "vmbr0", "BC:24:11:00:00:01", "10.1.1.7/24", "10.1.1.1", "fd00::7/64", "fd00::1", "eth1", "on", "noatime", "+aes", "host", "x")
		switch key {
		case "file", "volume":
			guesses = []string{"local-lvm:vm-4001-disk-1"}
		case "size":
			guesses = []string{"8G"}
		case "import-from":
			return nil
		}
		guesses = slices.DeleteFunc(guesses, func(g string) bool { return schema.Value(k, g) != "" })
		return guesses[:min(len(guesses), len(k.Enum)+2)]
	}
	var base notation.Props
	keys := slices.Sorted(maps.Keys(p.Keys))
	for _, key := range keys {
		if k := p.Keys[key]; k.Alias == "" && (!k.Optional || key == "size" || key == "bridge") {
			if all := of(key, k); len(all) > 0 {
				base.Set(key, all[0])
			}
		}
	}
	whole := notation.Parse("", base.String())
	values := []string{base.String()}
	for _, key := range keys {
		k := p.Keys[key]
		if k.Alias != "" || base.Value(key) != "" {
			continue
		}
		for i, value := range of(key, k) {
			one := notation.Parse("", base.String())
			one.Set(key, value)
			values = append(values, one.String())
			if i == 0 {
				whole.Set(key, value)
			}
		}
	}
	values = append(values, whole.String())
	return slices.DeleteFunc(values, func(v string) bool { return v == "" || schema.Value(p, v) != "" })
}

// readAndWritten holds that an option means the same when it is said and written; or,
// where the language has no word for it, when it is written as it stands.
func readAndWritten(t *testing.T, kind, option string, conf map[string]string) {
	t.Helper()
	whole := around(kind)
	maps.Copy(whole, conf)
	saySame(t, kind, option, whole)
	if value := conf[option]; !sameOption(option, value, value) {
		t.Errorf("%s %s %q is not itself", kind, option, value)
	}
}
