package pvesim

import "strings"

// cloneNode is the node that a clone is asked to end up on. What a clone onto
// another node needs follows from the sources, since the recordings come from one
// node.
func (q *call) cloneNode() (string, error) {
	target := q.args["target"]
	if target == "" || target == q.node {
		return q.node, nil
	}
	if !q.hasNode(target) {
		return "", fail("no such cluster node '%s'", target)
	}
	if st := q.args["storage"]; st != "" {
		for _, n := range []string{q.node, target} {
			if _, err := q.storageOn(n, st); err != nil {
				return "", err
			}
		}
		if !q.storages[st].Shared {
			return "", fail("can't clone to non-shared storage '%s'", st)
		}
	}
	return target, nil
}

// checkElsewhere refuses a clone onto another node that a local volume stands
// against. Of a VM the source's own storages count, wherever its copy is to be
// kept; of a container those that the copy goes to.
func (q *call) checkElsewhere(src *guest, conf map[string]string, target string) error {
	keys := driveKeys()
	if src.kind == KindCT {
		keys = mounts(conf)
	}
	for _, k := range keys {
		value, ok := conf[k]
		if !ok {
			continue
		}
		name, _, isVolume := strings.Cut(q.slotVolume(src, k, value), ":")
		if !isVolume {
			continue
		}
		if s := q.args["storage"]; s != "" && src.kind == KindCT {
			name = s
		}
		if s := q.storages[name]; s != nil && !s.Shared {
			return fail("can't clone %s to node '%s' (%s uses local storage)", src.noun(), target, src.noun())
		}
		if _, err := q.storageOn(target, name); err != nil {
			return err
		}
	}
	return nil
}
