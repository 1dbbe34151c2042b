package desired

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

var (
	regexpLogin = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,31}$`)
	regexpVar   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	// regexpTaskTag is a tag of Ansible's, as it can stand in a list of them.
	regexpTaskTag = regexp.MustCompile(`^[^\s,:!{}]+$`)
	// regexpVaultID is a vault id, which Ansible takes before an @.
	regexpVaultID = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)
)

// defaultOrder is a playbook's place among others unless it says.
const defaultOrder = 50

// A playbook is a Playbook being loaded.
type playbook struct {
	*item
	*Playbook
	// on are the targets, by name.
	on []member
}

// playbookDocuments reads the playbooks, who they are for and what they must
// have run.
func (l *loader) playbookDocuments() {
	for _, doc := range l.docs {
		if doc.kind.word != "Playbook" {
			continue
		}
		p := &playbook{Playbook: &Playbook{Order: defaultOrder, Timeout: minutes(30), Retry: true, Each: "none", Drift: "none"}}
		p.item = l.open(doc, p.Playbook, l.defaults["Playbook"])
		p.Name, p.Source = doc.name, doc.src
		l.playbooks = append(l.playbooks, p)
	}
	slices.SortFunc(l.playbooks, func(a, b *playbook) int { return strings.Compare(a.name, b.name) })
	crowd := l.crowd()
	l.ambiguous(crowd)
	l.alike(crowd)
	for _, p := range l.playbooks {
		l.checkPlaybook(p)
		l.checkVars(p.item)
		l.checkIgnore(p.item, p.kind)
		seen := l.families(p, crowd)
		l.targets(p, seen)
		l.due(p, seen)
		p.set.drop("hosts")
	}
	l.forNobody(crowd)
}

func (l *loader) checkPlaybook(p *playbook) {
	if len(p.Runs) == 0 && !p.bad["runs"] {
		p.Runs = []Trigger{{When: RunsCreated}, {When: RunsChanged}}
	}
	l.checkTriggers(p)
	if p.Timeout < Duration(time.Second) && !p.bad["timeout"] {
		l.wrong(p.item, p.at("timeout"), "timeout: nothing can be done in no time: write at least 1s")
	}
	if p.User != "" && !regexpLogin.MatchString(p.User) {
		l.wrong(p.item, p.at("user"), "user: %q is no login name", p.User)
	}
	if p.has("port") && !p.bad["port"] && (p.Port < 1 || p.Port > 65535) {
		l.wrong(p.item, p.at("port"), "port: %d is no port: write 1 to 65535", p.Port)
	}
	for _, node := range p.items("after") {
		if node.form != scalarForm {
			continue
		}
		if doc, ok := l.reference(p.item, node.src(), "after", node.text, KindPlaybook); ok && doc.id == p.id {
			l.wrong(p.item, node.src(), "after: %s can't end before it begins: take it out", p.id)
		}
	}
	l.checkShares(p)
	for _, field := range []string{"tags", "skipTags"} {
		for _, node := range p.items(field) {
			if node.form == scalarForm && !regexpTaskTag.MatchString(node.text) {
				l.wrong(p.item, node.src(), "%s: %q is no tag of a task: write each by itself, without blanks and commas", field, node.text)
			}
		}
	}
	for _, id := range sortedKeys(p.Vaults) {
		if !regexpVaultID.MatchString(id) {
			l.wrong(p.item, p.key("vaults", id), "vaults: %q is no vault id: write letters, digits and . _ -", id)
		}
		l.checkSecret(p.item, p.Vaults[id], "vaults", id)
	}
	l.checkRunner(p)
	l.checkGit(p)
	l.playbookFile(p)
	l.requirementFiles(p)
	l.varsFiles(p)
}

// checkTriggers checks when a playbook runs, and makes schedules.
func (l *loader) checkTriggers(p *playbook) {
	nodes := p.items("runs")
	if len(nodes) != len(p.Runs) {
		return
	}
	for i := range p.Runs {
		t, node := &p.Runs[i], nodes[i]
		if node.form != mapForm || node.holed || len(node.without("when", "schedule", "zone").entries) > 0 {
			continue // What is unknown in it has been told.
		}
		schedule, when, zone := node.get("schedule"), node.get("when"), node.get("zone")
		switch {
		case schedule != nil && when != nil:
			l.wrong(p.item, when.src(), "runs: when and schedule in one: write two items, as in [created, {schedule: …}]")
			continue
		case schedule == nil && when == nil:
			l.wrong(p.item, node.src(), "runs: schedule is missing: write it as in {schedule: \"0 3 * * *\"}, or created, changed or manual")
			continue
		case schedule == nil && zone != nil:
			l.wrong(p.item, zone.src(), "runs: zone goes with schedule: take it out")
			continue
		case schedule == nil || schedule.form != scalarForm:
			continue
		}
		parsed, err := parseCron(t.Schedule)
		if err != nil {
			l.wrong(p.item, schedule.src(), "runs: schedule: %v", err)
			continue
		}
		if t.Zone == "" {
			t.Zone = l.fleet.Spec.Zone
		} else if !isZone(t.Zone) {
			l.wrong(p.item, zone.src(), "runs: zone: %q is no time zone: write it as in Europe/Berlin", t.Zone)
			continue
		}
		if parsed.Location, err = time.LoadLocation(t.Zone); err == nil {
			t.comes = parsed
		}
	}
}

// checkShares checks numbers of hosts.
func (l *loader) checkShares(p *playbook) {
	for _, field := range []struct {
		word  string
		value Share
		least string
	}{{"serial", p.Serial, "1"}, {"maxFail", p.MaxFail, "0"}} {
		switch {
		case field.value == "":
		case !regexpShare.MatchString(string(field.value)):
			l.wrong(p.item, p.at(field.word), "%s: %q is no number of hosts: write one, or a share as in 25%%", field.word, string(field.value))
		case field.word == "serial" && (field.value == "0" || field.value == "0%"):
			l.wrong(p.item, p.at(field.word), "serial: with no host at a time nothing would be done: write 1 or more")
		}
	}
}

// badVariable says what is wrong with the name of a variable.
func badVariable(name string) string {
	switch {
	case strings.HasPrefix(name, "berth_"):
		return ": variables that begin with berth_ are Berth's own: choose another name"
	case !regexpVar.MatchString(name):
		return " is no variable of Ansible's: write letters, digits and _, a letter first"
	}
	return ""
}
