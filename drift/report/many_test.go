package report_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"berth/desired"
	"berth/drift"
	"berth/drift/report"
)

// edgeReport is a report of a change of one edge.
func edgeReport(fields ...drift.Field) *report.Report {
	return &report.Report{Plan: &drift.Plan{Changes: []drift.Change{{
		Key: drift.Key{ID: "edge/main", Step: drift.Route}, Fields: fields,
	}}}}
}

func TestAnUpstreamThatComesIsToldByItsServers(t *testing.T) {
	comes := func(path, value string) drift.Field {
		return drift.Field{Path: desired.Path(path), After: drift.Value{Text: value}}
	}
	r := edgeReport(
		comes("upstreams.lab.servers", "10.1.1.9:443"), comes("upstreams.lab.connect", "5s"), comes("upstreams.lab.idle", "1h"),
		comes("upstreams.lab.keepalive", "0"), comes("upstreams.lab.proxyProtocol", "false"),
		drift.Field{Path: "upstreams.old.connect", Before: drift.Value{Text: "1s"}, After: drift.Value{Text: "5s"}},
		drift.Field{Path: "upstreams.gone.idle", Before: drift.Value{Text: "10m"}},
	)
	short, whole := text(t, r, report.TextOptions{}), text(t, r, report.TextOptions{Verbose: true})
	for _, path := range []string{"lab.servers", "lab.idle", "old.connect"} {
		if !strings.Contains(short, path) {
			t.Errorf("%s is missing:\n%s", path, short)
		}
	}
	for _, path := range []string{"lab.connect", "lab.keepalive", "lab.proxyProtocol", "gone.idle"} {
		if strings.Contains(short, path) || !strings.Contains(whole, path) {
			t.Errorf("%s: it is to be shown only if asked for:\n%s", path, short)
		}
	}
}

// TestUsualOptions compares what is taken to be usual with the language.
func TestUsualOptions(t *testing.T) {
	fleet, err := desired.Load(fstest.MapFS{"edge.yaml": &fstest.MapFile{Data: []byte(`{kind: Fleet, name: f, uid: 0a1b2c3d}
---
{kind: Edge, name: main, upstreams: {up: {servers: ["10.1.1.9:443"]}}, tls: {default: up}}
`)}})
	if err != nil {
		t.Fatal(err)
	}
	up := fleet.Resource("edge/main").Spec.(*desired.Edge).Upstreams["up"]
	for name, value := range map[string]string{
		"connect": up.Connect.String(), "idle": up.Idle.String(), "keepalive": strconv.Itoa(up.Keepalive), "proxyProtocol": strconv.FormatBool(up.ProxyProtocol),
	} {
		r := edgeReport(drift.Field{Path: desired.Path("upstreams.up." + name), After: drift.Value{Text: value}})
		if strings.Contains(text(t, r, report.TextOptions{}), name) {
			t.Errorf("%s: %s is usual, and shown", name, value)
		}
	}
}

func TestManyNamesOfOneEdgeAreCutUnlessAskedFor(t *testing.T) {
	var fields []drift.Field
	for i := range 2000 {
		f := drift.Field{Path: desired.Path(fmt.Sprintf("tls.routes[n%d.example.com]", i)), After: drift.Value{Text: "10.1.1.9:443"}}
		switch i {
		case 1500:
			f.Before, f.After = f.After, drift.Value{}
		case 1600:
			f.Held = "its guest has no address"
		}
		fields = append(fields, f)
	}
	r := edgeReport(fields...)
	short, whole := text(t, r, report.TextOptions{}), text(t, r, report.TextOptions{Verbose: true})
	for _, want := range []string{"… 1,938 more like these; --verbose lists them", " n1500.example.com ", " n1600.example.com ", "its guest has no address"} {
		if !strings.Contains(short, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if n := strings.Count(short, "\n"); n > 80 {
		t.Errorf("%d lines of text", n)
	}
	if n := strings.Count(whole, "\n"); n < 2000 {
		t.Errorf("%d lines, where all were asked for", n)
	}
}
