package pvesim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// change is a verified update of a guest's configuration.
type change struct {
	set    map[string]string
	remove []string
	revert []string
	force  bool
	words  string // the parameters as the log tells them
}

// passwordHash stands for crypt with a new salt: the same password never gives
// the same text twice (FACTS 4).
func (q *call) passwordHash(p string) string {
	if strings.HasPrefix(p, "$5$") || strings.HasPrefix(p, "$6$") {
		return p
	}
	return fmt.Sprintf("$5$%08x$%s", q.rng.Uint32(), sumOf(p, "sha256"))
}

// parseChange verifies what of an update needs no configuration.
func (q *call) parseChange(s *schema) (*change, error) {
	ch := &change{set: q.optionsOf(s), force: q.args["force"] == "1"}
	words := maps.Clone(ch.set)
	for _, k := range []string{"delete", "revert", "force", "skiplock"} {
		if _, ok := q.params[k]; ok {
			words[k] = q.args[k]
		}
	}
	if p, ok := ch.set["cipassword"]; ok {
		ch.set["cipassword"] = q.passwordHash(p)
		words["cipassword"] = "<hidden>"
	}
	var w []string
	for _, k := range slices.Sorted(maps.Keys(words)) {
		w = append(w, "-"+k, words[k])
	}
	ch.words = strings.Join(w, " ")
	if q.args["skiplock"] == "1" && !q.auth.root() {
		return nil, badParam("skiplock", "Only root may use this option.")
	}
	if v, ok := ch.set["sshkeys"]; ok && !validKeys(unescape(strings.ReplaceAll(v, "+", "%2B"))) {
		return nil, fail("SSH public key validation error")
	}
	if q.args["delete"] == "" && q.args["revert"] == "" && len(ch.set) == 0 {
		return nil, fail("no options specified")
	}
	for _, k := range splitList(q.args["revert"]) {
		if _, ok := s.lookup(k); !ok {
			return nil, badParam("revert", "unknown option '%s'", k)
		}
		if _, ok := ch.set[k]; ok {
			return nil, badParam("delete", "you can't use '-%s' and -revert %s' at the same time", k, k)
		}
		ch.revert = append(ch.revert, k)
	}
	for _, k := range splitList(q.args["delete"]) {
		if k == "cdrom" {
			k = "ide2"
		}
		if _, ok := ch.set[k]; ok {
			return nil, badParam("delete", "you can't use '-%s' and -delete %s' at the same time", k, k)
		}
		if slices.Contains(ch.revert, k) {
			return nil, badParam("revert", "you can't use '-delete %s' and '-revert %s' at the same time", k, k)
		}
		if _, ok := s.lookup(k); !ok {
			return nil, badParam("delete", "unknown option '%s'", k)
		}
		ch.remove = append(ch.remove, k)
	}
	return ch, nil
}

// updateVM is PUT (at once) and POST (as a task) of a VM's configuration.
func (q *call) updateVM(async bool) (any, error) {
	ch, err := q.parseChange(qemuOptions())
	if err != nil {
		return nil, err
	}
	if err := q.normalizeVM(ch.set); err != nil {
		return nil, err
	}
	vmid := atoi(q.args["vmid"])
	if err := q.checkVMOptions(vmid, nil, ch.remove, false, false); err != nil {
		return nil, err
	}
	if err := q.checkVMOptions(vmid, ch.set, nil, false, false); err != nil {
		return nil, err
	}
	for _, k := range driveKeys() {
		if v, ok := ch.set[k]; ok {
			if err := q.checkStorage(vmid, k, parseDrive(k, v)); err != nil {
				return nil, err
			}
		}
	}
	if err := q.checkBridges(KindVM, ch.set); err != nil {
		return nil, err
	}
	g, err := q.find(KindVM)
	if err != nil {
		return nil, err
	}
	if err := g.checkDigest(q.args["digest"]); err != nil {
		return nil, err
	}
	if q.args["skiplock"] != "1" {
		if err := g.checkLock(); err != nil {
			return nil, err
		}
	}
	if err := checkBalloon(g, ch.set); err != nil {
		return nil, err
	}
	q.event(q.node, q.auth.full(), fmt.Sprintf("update VM %d: %s", vmid, ch.words))
	if !async {
		if d := q.syncTime(ch); d > 0 {
			return nil, q.slowly(g, d, func(*task) error { return q.applyVM(nil, g, ch) })
		}
		return nil, q.applyVM(nil, g, ch)
	}
	upid := q.spawn(job{kind: "qmconfig", id: itoa(vmid), holds: []*guest{g}, run: func(t *task) error {
		t.logf("update VM %d: %s", vmid, ch.words)
		if q.guests[vmid] != g {
			return noConfig(q.node, KindVM, vmid)
		}
		return q.applyVM(t, g, ch)
	}})
	return q.within(upid, q.args["background_delay"], fmt.Sprintf("failed to update VM %d: ", vmid))
}

// syncTime is how long a change takes that is to be answered when it is done.
func (q *call) syncTime(ch *change) time.Duration {
	if q.opts.SyncLimit == 0 || q.opts.TaskTime == nil {
		return 0
	}
	for k, v := range ch.set {
		if _, _, makes := parseDrive(k, v).allocates(); isDrive(k) && makes {
			return q.opts.TaskTime("qmconfig")
		}
	}
	return 0
}

// within answers at once when the task ends in the seconds that the client is
// ready to wait (FACTS 2); without any it gets the UPID. The simulated wait takes
// no time of its own: what would end within it is waited for, all else runs on.
func (q *call) within(upid, seconds, failed string) (any, error) {
	if seconds == "" {
		return upid, nil
	}
	t := q.tasks[len(q.tasks)-1]
	for _, o := range q.tasks {
		if o.upid == upid {
			t = o
		}
	}
	if !t.done && t.end.Sub(t.start) <= time.Duration(atoi(seconds))*time.Second {
		q.finishTask(t)
	}
	switch {
	case !t.done:
		return upid, nil
	case t.exit == "OK":
		return null{}, nil
	}
	return nil, fail("%s%s", failed, t.exit)
}

func checkBalloon(g *guest, set map[string]string) error {
	b, ok := set["balloon"]
	if !ok && set["memory"] == "" {
		return nil
	}
	if !ok {
		b = g.conf["balloon"]
	}
	mem := set["memory"]
	if mem == "" {
		mem = g.conf["memory"]
	}
	if b != "" && atoi(b) > memoryMiB(mem) {
		return fail("balloon value too large (must be smaller than assigned memory)")
	}
	return nil
}

func memoryMiB(v string) int {
	if v == "" {
		return 512
	}
	return atoi(strings.TrimPrefix(v, "current="))
}

// applyVM writes a change: each part on its own, so that a part that fails leaves
// those before it (FACTS 5).
func (q *call) applyVM(t *task, g *guest, ch *change) error {
	set, remove := maps.Clone(ch.set), slices.Clone(ch.remove)
	for _, k := range ch.revert {
		if v, ok := g.conf[k]; ok {
			set[k] = v
		} else if _, ok := g.pending[k]; ok {
			remove = append(remove, k)
		}
	}
	order := strings.Split(strings.TrimPrefix(g.conf["boot"], "order="), ";")
	if !strings.HasPrefix(g.conf["boot"], "order=") {
		order = nil
	}
	modified := map[string]bool{}
	for _, k := range remove {
		if err := q.removeOption(g, k, ch.force, &order, modified); err != nil {
			return err
		}
	}
	for _, k := range sortedOptions(set) {
		modified[k] = true
		if old, ok := g.pending[k]; ok && old == set[k] {
			continue
		}
		if err := q.setOption(t, g, k, set[k], &order, modified, set); err != nil {
			return err
		}
	}
	g.cleanupPending()
	if len(g.pending) == 0 && len(g.pendingDelete) == 0 {
		return nil
	}
	if !g.running {
		return q.applyPending(g)
	}
	if errs := q.hotplug(g, modified); len(errs) > 0 {
		return paramError(errs)
	}
	return nil
}

// sortedOptions gives drives in the order of their slots, then the rest by name.
func sortedOptions(set map[string]string) []string {
	var keys []string
	for _, k := range driveKeys() {
		if _, ok := set[k]; ok {
			keys = append(keys, k)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(set)) {
		if !isDrive(k) {
			keys = append(keys, k)
		}
	}
	return keys
}

func (q *call) removeOption(g *guest, k string, force bool, order *[]string, modified map[string]bool) error {
	value, ok := g.conf[k]
	pend, isPending := g.pending[k]
	if !ok && !isPending {
		return nil
	}
	modified[k] = true
	delete(g.pending, k)
	if i := slices.Index(*order, k); i >= 0 {
		*order = slices.Delete(slices.Clone(*order), i, i+1)
		g.pending["boot"] = bootValue(*order)
		modified["boot"] = true
	}
	base, _ := splitIndex(k)
	at := "/vms/" + itoa(g.vmid)
	switch {
	case base == "unused":
		if g.conf["protection"] == "1" {
			return fail("can't remove unused disk '%s' - protection mode enabled", value)
		}
		if err := q.check(at, "VM.Config.Disk"); err != nil {
			return err
		}
		if err := q.destroyOwn(g, value); err != nil {
			return err
		}
		delete(g.conf, k)
	case isDrive(k):
		if g.conf["protection"] == "1" {
			return fail("can't remove drive '%s' - protection mode enabled", k)
		}
		v := value
		if isPending {
			v = pend
		}
		if err := q.check(at, drivePriv(k, v)); err != nil {
			return err
		}
		if isPending && (!ok || parseDrive(k, pend)["file"] != parseDrive(k, value)["file"]) {
			q.register(g, parseDrive(k, pend))
		}
		if ok {
			g.pendingDelete[k] = force
		}
	case ok:
		if !q.auth.root() && (base == "serial" || base == "usb" || base == "hostpci") && qemuPriv(k, value) == "" {
			if base == "serial" {
				return fail("only root can delete '%s' config for real devices", k)
			}
			return forRoot(k)
		}
		g.pendingDelete[k] = force
	}
	return nil
}

func drivePriv(k, value string) string {
	if parseDrive(k, value).cdrom() {
		return "VM.Config.CDROM"
	}
	return "VM.Config.Disk"
}

func bootValue(order []string) string {
	if len(order) == 0 {
		return ""
	}
	return "order=" + strings.Join(order, ";")
}

func (q *call) setOption(t *task, g *guest, k, value string, order *[]string, modified map[string]bool, all map[string]string) error {
	base, _ := splitIndex(k)
	switch {
	case isDrive(k):
		at := "/vms/" + itoa(g.vmid)
		for _, v := range []string{g.conf[k], value} {
			if v != "" {
				if err := q.check(at, drivePriv(k, v)); err != nil {
					return err
				}
			}
		}
		stored, _, err := q.createDrive(t, g, k, value)
		if err != nil {
			return err
		}
		if old, ok := g.pending[k]; ok && parseDrive(k, old)["file"] != parseDrive(k, stored)["file"] {
			q.register(g, parseDrive(k, old))
		}
		g.pending[k] = stored
		if *order != nil && parseDrive(k, stored).cdrom() && !slices.Contains(*order, k) {
			*order = append(slices.Clone(*order), k)
			g.pending["boot"] = bootValue(*order)
			modified["boot"] = true
		}
	case k == "boot":
		if list, ok := strings.CutPrefix(value, "order="); ok {
			for _, d := range splitList(list) {
				_, have := g.merged()[d]
				if _, now := all[d]; !have && !now {
					return fail("invalid bootorder: device '%s' does not exist'", d)
				}
			}
		}
		g.pending[k] = value
	case k == "tags":
		g.pending[k] = q.uniqueTags(value)
	case k == "description":
		g.pending[k] = g.description(value)
	case base == "unused":
		return fail("can't set '%s'", k)
	default:
		g.pending[k] = value
	}
	delete(g.pendingDelete, k)
	return nil
}

// applyPending is what happens to a stopped VM, and to a running one when it stops.
func (q *call) applyPending(g *guest) error {
	for _, k := range slices.Sorted(maps.Keys(g.pendingDelete)) {
		if _, ok := g.conf[k]; ok && isDrive(k) {
			if err := q.detach(g, k, g.pendingDelete[k]); err != nil {
				return err
			}
		}
		delete(g.conf, k)
		delete(g.pendingDelete, k)
	}
	for _, k := range sortedOptions(g.pending) {
		q.settle(g, k, g.pending[k])
		delete(g.pending, k)
	}
	return nil
}

// settle makes a pending value the current one.
func (q *call) settle(g *guest, k, v string) {
	if isDrive(k) {
		old, had := g.conf[k]
		oldFile, newFile := parseDrive(k, old)["file"], parseDrive(k, v)["file"]
		g.conf[k] = v
		if had && oldFile != newFile {
			if parseDrive(k, old).cloudinit() {
				if vol := q.volume(g.node, oldFile); vol != nil && vol.owner == g.vmid {
					q.removeVolume(vol)
				}
			} else {
				q.register(g, parseDrive(k, old))
			}
		}
		g.attached(newFile)
		return
	}
	if k == "description" && v == "" {
		delete(g.conf, k)
		return
	}
	g.conf[k] = v
}

// detach takes a drive off: its volume becomes unused, or is destroyed by force.
func (q *call) detach(g *guest, k string, force bool) error {
	d := parseDrive(k, g.conf[k])
	if force || d.cloudinit() {
		if err := q.destroyOwn(g, d["file"]); err != nil {
			return err
		}
		delete(g.conf, k)
		return nil
	}
	delete(g.conf, k)
	q.register(g, d)
	return nil
}
