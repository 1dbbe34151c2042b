package deploy_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// metricName finds what may be a metric of the agent's in an expression.
var metricName = regexp.MustCompile(`\bberth_[a-z_]+\b`)

// documented are the metrics that agent/METRICS.md tells of; a test of the agent's holds
// that against those that there are.
func documented(t *testing.T) map[string]bool {
	t.Helper()
	text, err := os.ReadFile("../agent/METRICS.md")
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]bool)
	for _, m := range regexp.MustCompile("`(berth_[a-z_]+)`").FindAllSubmatch(text, -1) {
		all[string(m[1])] = true
	}
	return all
}

// wantMetrics holds that an expression asks for metrics that there are.
func wantMetrics(t *testing.T, all map[string]bool, where, expr string) {
	t.Helper()
	for _, name := range metricName.FindAllString(expr, -1) {
		if !all[strings.TrimSuffix(name, "_bucket")] {
			t.Errorf("%s asks for %s, of which agent/METRICS.md does not tell", where, name)
		}
	}
}

// alertRules are those of deploy/alerts/berth.yml.
type alertRules struct {
	Groups []struct {
		Name  string `yaml:"name"`
		Rules []struct {
			Alert       string            `yaml:"alert"`
			Expr        string            `yaml:"expr"`
			For         string            `yaml:"for"`
			Labels      map[string]string `yaml:"labels"`
			Annotations map[string]string `yaml:"annotations"`
		} `yaml:"rules"`
	} `yaml:"groups"`
}

// TestAlertRules holds that each rule asks for metrics that there are, says what is wrong
// and what to do, and is tried by berth_test.yml.
func TestAlertRules(t *testing.T) {
	text, err := os.ReadFile("alerts/berth.yml")
	if err != nil {
		t.Fatal(err)
	}
	tried, err := os.ReadFile("alerts/berth_test.yml")
	if err != nil {
		t.Fatal(err)
	}
	var rules alertRules
	dec := yaml.NewDecoder(strings.NewReader(string(text)))
	dec.KnownFields(true)
	if err := dec.Decode(&rules); err != nil {
		t.Fatal(err)
	}
	all := documented(t)
	for _, group := range rules.Groups {
		if len(group.Rules) < 10 {
			t.Errorf("group %s has %d rules", group.Name, len(group.Rules))
		}
		for _, r := range group.Rules {
			wantMetrics(t, all, r.Alert, r.Expr)
			if !strings.Contains(r.Expr, "berth") {
				t.Errorf("%s asks for nothing of the agent's", r.Alert)
			}
			if r.Annotations["summary"] == "" || r.Annotations["description"] == "" || !slices.Contains([]string{"critical", "warning", "info"}, r.Labels["severity"]) {
				t.Errorf("%s does not say what is wrong, what to do, or how bad it is", r.Alert)
			}
			if !strings.Contains(string(tried), r.Alert) {
				t.Errorf("berth_test.yml does not try %s", r.Alert)
			}
		}
	}
}

// TestAlertsFire has Prometheus's own tool check the rules, and try them.
func TestAlertsFire(t *testing.T) {
	tool := promtool(t)
	for _, args := range [][]string{{"check", "rules", "alerts/berth.yml"}, {"test", "rules", "alerts/berth_test.yml"}} {
		if out, err := exec.CommandContext(t.Context(), tool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// promtool is Prometheus's own tool.
func promtool(t *testing.T) string {
	t.Helper()
	if os.Getenv("BERTH_REAL") != "1" {
		t.Skip("runs promtool: set BERTH_REAL=1, or run deploy/test")
	}
	tool, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatalf("BERTH_REAL=1 asks for real components: %v; deploy/test installs them", err)
	}
	return tool
}

// TestDashboard holds that the page for Grafana is one, and asks for metrics that there
// are.
func TestDashboard(t *testing.T) {
	text, err := os.ReadFile("dashboards/berth.json")
	if err != nil {
		t.Fatal(err)
	}
	var page struct {
		UID        string
		Title      string
		Templating struct{ List []struct{ Name, Type string } }
		Panels     []struct {
			ID                 int
			Type, Title        string
			Description        string
			GridPos            struct{ X, Y, W, H int }
			Targets            []struct{ RefID, Expr string }
			Datasource, Panels any
		}
	}
	if err := json.Unmarshal(text, &page); err != nil {
		t.Fatal(err)
	}
	all, used, ids := documented(t), make(map[string]bool), make(map[int]bool)
	taken := make(map[[2]int]string)
	for _, p := range page.Panels {
		if ids[p.ID] {
			t.Errorf("two panels have the id %d", p.ID)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("%s lies over %s, or beyond the edge", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		if len(p.Targets) == 0 || p.Description == "" {
			t.Errorf("%s asks for nothing, or does not say what it shows", p.Title)
		}
		for _, target := range p.Targets {
			wantMetrics(t, all, p.Title, target.Expr)
			if !strings.Contains(target.Expr, `instance=~"$instance"`) {
				t.Errorf("%s does not mind which agent is chosen: %s", p.Title, target.Expr)
			}
			for _, name := range metricName.FindAllString(target.Expr, -1) {
				used[strings.TrimSuffix(name, "_bucket")] = true
			}
		}
	}
	for name := range all {
		if !used[name] {
			t.Logf("no panel shows %s", name)
		}
	}
	if page.UID != "berth" || len(page.Panels) < 20 || len(page.Templating.List) != 3 {
		t.Errorf("the page %q has %d panels and %d variables", page.UID, len(page.Panels), len(page.Templating.List))
	}
}
