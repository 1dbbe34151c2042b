//go:build linux

package deploy_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"berth/applyers/proxmox/pvesim"
	"berth/deploy/internal/standin"
)

// installed is a machine on which the agent is installed, and a fleet for it to keep.
type installed struct {
	*world
	*control
	key string
}

// packageLife takes the package through all that happens to one, on a Debian with
// systemd, with a simulated Proxmox and a real host for Ansible.
func packageLife(t *testing.T, built packages) {
	w := newWorld(t, pvesim.Options{})
	w.machines = newMachines(t, w.network, w.cluster)
	file, public := standin.ClientKey(t)
	key, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	w.manifests(t, "testdata/package", map[string]string{"KEY": public})
	p := &installed{world: w, control: newControl(t, w.network), key: string(key)}
	for name, deb := range map[string]string{"old": renumbered(t, built.deb, "1.2.2-1"), "new": built.deb} {
		text, err := os.ReadFile(deb)
		if err != nil {
			t.Fatal(err)
		}
		p.write(t, "/root/"+name+".deb", string(text), 0o600)
	}
	for _, phase := range []struct {
		name string
		run  func(t *testing.T)
	}{
		{"install", p.installs},
		{"configure", p.configures},
		{"work", p.works},
		{"reload", p.reloads},
		{"upgrade", p.upgrades},
		{"remove", p.removes},
		{"purge", p.purges},
	} {
		began := time.Now()
		if !t.Run(phase.name, phase.run) {
			t.FailNow()
		}
		t.Logf("%s: %s", phase.name, time.Since(began).Round(10*time.Millisecond))
	}
}

// renumbered is a package under another version.
func renumbered(t *testing.T, deb, version string) string {
	t.Helper()
	dir := t.TempDir()
	tree, other := filepath.Join(dir, "tree"), filepath.Join(dir, "other.deb")
	tool(t, nil, "dpkg-deb", "--raw-extract", deb, tree)
	file := filepath.Join(tree, "DEBIAN/control")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text = []byte(strings.Replace(string(text), "Version: 1.2.3-1\n", "Version: "+version+"\n", 1))
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	tool(t, nil, "dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, other)
	return other
}

// is fails the test unless a command says what is wanted.
func (p *installed) is(t *testing.T, command, want string) {
	t.Helper()
	if got := p.do(t, command); got != want {
		t.Errorf("%s:\n%s\nwant\n%s", command, got, want)
	}
}

// state is how the service stands.
func (p *installed) state(t *testing.T) string {
	t.Helper()
	out, _ := p.try(t, "systemctl is-enabled berth; systemctl is-active berth") // What is not active is no error here.
	return strings.ReplaceAll(out, "\n", ", ")
}

func (p *installed) installs(t *testing.T) {
	said := p.do(t, "dpkg --path-include='/usr/share/*' -i /root/old.deb")
	if want := "berth: write /etc/berth/agent.yaml, which tells the rest; then: systemctl enable --now berth"; !strings.Contains(said, want) {
		t.Errorf("dpkg does not say what to do:\n%s", said)
	}
	if state := p.state(t); state != "disabled, inactive" {
		t.Errorf("before anybody has configured it the service is %s", state)
	}
	p.is(t, "stat -c '%a %U:%G %n' /etc/berth /etc/berth/agent.yaml /etc/berth/secrets /var/lib/berth /usr/bin/agent",
		"750 root:berth /etc/berth\n640 root:berth /etc/berth/agent.yaml\n700 berth:root /etc/berth/secrets\n700 berth:berth /var/lib/berth\n755 root:root /usr/bin/agent")
	p.is(t, "getent passwd berth | cut -d: -f 1,5-", "berth:Berth agent:/var/lib/berth:/usr/sbin/nologin")
	p.is(t, "agent version | head -n 1", "berth 1.2.3")
	p.is(t, "dpkg --verify berth", "")
	// Settings that nobody has written yet are told of, with the way out.
	if out, err := p.try(t, "runuser -u berth -- agent run"); err == nil || out != "agent: /etc/berth/agent.yaml: repository.url is missing: write where the manifests are, or set BERTH_URL" {
		t.Errorf("without settings: %v: %s", err, out)
	}
}

// configures does what agent.yaml says is to be done, with one secret that root alone
// can read.
func (p *installed) configures(t *testing.T) {
	p.write(t, "/etc/berth/agent.yaml", fmt.Sprintf(`repository: {url: %q, token: secrets/git-token}
secrets: {pve: secrets/pve-token}
identity: /var/lib/berth/identity
socketGroup: berth
poll: 200ms
sweep: 1h
`, p.remote.url), 0o640)
	for name, text := range map[string]string{"git-token": p.remote.token, "pve-token": p.cluster.token, "ssh-key": p.key, "phrase": "nobody knows"} {
		p.write(t, "/root/"+name, text, 0o600)
	}
	p.do(t, "cd /root && install -m 600 -o berth git-token pve-token /etc/berth/secrets")
	p.do(t, "install -d /etc/systemd/system/berth.service.d && printf '[Service]\nLoadCredential=ssh-key:/root/ssh-key\nLoadCredential=phrase:/root/phrase\n' >/etc/systemd/system/berth.service.d/secrets.conf && systemctl daemon-reload")
	p.do(t, "agent bootstrap")
	p.is(t, "stat -c '%a %U' /var/lib/berth/identity", "600 berth")
}

// page is what the playbook has written.
func (p *installed) page(t *testing.T, want string) {
	t.Helper()
	eventually(t, 40*time.Second, "the page says "+want, func() error {
		host := p.machines.host(web)
		if host == nil {
			return errors.New("the guest was not started")
		}
		text, err := host.ReadFile("/srv/page.txt")
		if err == nil && strings.TrimSpace(string(text)) != want {
			err = fmt.Errorf("it says %q", text)
		}
		return err
	})
}

// works has the confined service make a guest and configure it.
func (p *installed) works(t *testing.T) {
	p.do(t, "systemctl enable --now berth")
	if state := p.state(t); state != "enabled, active" {
		t.Fatalf("the service is %s\n%s", state, p.journal(t))
	}
	// systemd hears from the agent itself that it is ready, and that it lives.
	p.is(t, "systemctl show --value --property NotifyAccess,WatchdogUSec,Type berth", "notify\nmain\n2min")
	p.clone.push(t, "A page")
	defer func() {
		if t.Failed() {
			t.Log(p.journal(t))
		}
	}()
	p.page(t, "first by berth: nobody knows")
	eventually(t, 20*time.Second, "the turn ends", func() error {
		out, err := p.try(t, "agent sync")
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
	p.do(t, "useradd --groups berth ann && useradd eve && runuser -u ann -- agent status")
	if out, err := p.try(t, "runuser -u eve -- agent status"); err == nil {
		t.Errorf("who is not of the group asks the agent: %s", out)
	}
	// Whoever is may not read what the agent reads.
	if out, err := p.try(t, "runuser -u ann -- cat /etc/berth/secrets/pve-token"); err == nil {
		t.Errorf("who may ask the agent reads its secrets: %s", out)
	}
	// Ansible's modules would tell the system's log what they were given.
	p.is(t, "journalctl --quiet --no-pager | grep -c 'nobody knows' || true", "0")
	// All else that it warns of would be what it may not do.
	for line := range strings.SplitSeq(p.do(t, "journalctl --quiet --no-pager --output=cat --priority=warning --unit berth.service"), "\n") {
		if line != "" && !strings.HasPrefix(line, "the token travels unencrypted") && !strings.Contains(line, "the repository is empty") {
			t.Errorf("the journal has %s", line)
		}
	}
	// What nobody else may see, and what it may not touch.
	process := p.do(t, "systemctl show --value --property MainPID berth")
	p.is(t, "stat -c '%a %U:%G' /run/berth; findmnt --noheadings --output OPTIONS --task "+process+" --target /usr | grep -o '^ro'", "750 berth:berth\nro")
	p.is(t, "grep -E '^(NoNewPrivs|CapBnd|Seccomp):' /proc/"+process+"/status | tr -d '\\t'", "CapBnd:0000000000000000\nNoNewPrivs:1\nSeccomp:2")
	p.is(t, "find /dev/shm /tmp -mindepth 1 -maxdepth 1 -user berth", "")
}

// pid is the service's first process.
func (p *installed) pid(t *testing.T) string {
	t.Helper()
	return p.do(t, "systemctl show --value --property MainPID berth")
}

// reloads has settings read anew that are wrong: the agent stays, and goes on.
func (p *installed) reloads(t *testing.T) {
	was := p.pid(t)
	p.do(t, "cp -p /etc/berth/agent.yaml /root/ && echo 'pol: 3s' >>/etc/berth/agent.yaml && systemctl reload berth")
	eventually(t, 10*time.Second, "the agent tells which line is wrong", func() error {
		if out, _ := p.try(t, "agent status --config /root/agent.yaml"); !strings.Contains(out, `agent.yaml:7: unknown field "pol"`) {
			return errors.New(out)
		}
		return nil
	})
	p.do(t, "agent sync --config /root/agent.yaml")
	p.do(t, "cp -p /root/agent.yaml /etc/berth/ && systemctl reload berth")
	if now := p.pid(t); now != was || p.state(t) != "enabled, active" {
		t.Errorf("process %s was reloaded, and %s is there; the service is %s", was, now, p.state(t))
	}
}

// upgrades restarts the agent, which keeps what it has.
func (p *installed) upgrades(t *testing.T) {
	const kept = "cat /etc/berth/agent.yaml /var/lib/berth/identity /etc/berth/secrets/* | sha256sum; stat -c '%a %U:%G' /etc/berth/secrets /var/lib/berth"
	was, had := p.pid(t), p.do(t, kept)
	// A former package let the group in.
	p.do(t, "chown root:berth /etc/berth/secrets && chmod 2750 /etc/berth/secrets")
	began := time.Now()
	p.do(t, "dpkg -i /root/new.deb")
	if now := p.pid(t); now == was || p.state(t) != "enabled, active" {
		t.Errorf("process %s was upgraded, and %s is there; the service is %s", was, now, p.state(t))
	}
	p.is(t, kept, had)
	p.is(t, "dpkg-query --show --showformat '${Version} ${Status}' berth", "1.2.3-1 install ok installed")
	p.clone.replace(t, "fleet.yaml", "edition: first", "edition: second")
	p.clone.push(t, "A second edition")
	p.page(t, "second by berth: nobody knows")
	if all := p.cluster.writes(began); len(all) > 0 {
		t.Errorf("an upgrade has the agent write to Proxmox:\n%s", listed(all))
	}
}

func (p *installed) removes(t *testing.T) {
	identity := p.do(t, "cat /var/lib/berth/identity")
	p.do(t, "dpkg --remove berth")
	if state := p.state(t); strings.HasSuffix(state, ", active") {
		t.Errorf("when its program is gone the service is %s", state)
	}
	p.is(t, "ls /usr/bin/agent /lib/systemd/system/berth.service 2>/dev/null || pgrep -u berth -l || echo gone", "gone")
	p.is(t, "cat /var/lib/berth/identity", identity)
	p.is(t, "test -s /etc/berth/agent.yaml && echo kept", "kept")
	// Who installs it again has what there was.
	p.do(t, "dpkg -i /root/new.deb")
	p.is(t, "cat /var/lib/berth/identity", identity)
}

// purges takes the settings, and leaves what nobody can get back.
func (p *installed) purges(t *testing.T) {
	identity := p.do(t, "cat /var/lib/berth/identity")
	said := p.do(t, "dpkg --purge berth")
	for _, dir := range []string{"/var/lib/berth", "/etc/berth/secrets"} {
		if !strings.Contains(said, "berth: kept "+dir+": what is in it can't be had again; if nobody needs it: rm -r "+dir) {
			t.Errorf("dpkg does not tell that %s stays:\n%s", dir, said)
		}
	}
	p.is(t, "cat /var/lib/berth/identity", identity)
	p.is(t, "ls /etc/berth; find / -xdev -path /proc -prune -o \\( -name '*berth*' -o -path '*/agent*.1.gz' \\) -print 2>/dev/null | grep -v -e ^/var/lib/berth -e ^/etc/berth -e ^/etc/systemd -e ^/root -e ^/tmp || true",
		"secrets")
	// With nothing in it, nothing is left.
	p.do(t, "rm -r /var/lib/berth /etc/berth && dpkg -i /root/new.deb")
	if said := p.do(t, "dpkg --purge berth"); strings.Contains(said, "kept") {
		t.Errorf("of what was never used dpkg tells that it stays:\n%s", said)
	}
	p.is(t, "ls -d /var/lib/berth /etc/berth 2>/dev/null || echo gone", "gone")
}
