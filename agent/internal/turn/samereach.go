package turn

import (
	"reflect"

	"berth/desired"
)

// sameFleet tells whether the same guests are the fleet's, by what stands in their stamps.
func sameFleet(a, b *desired.Fleet) bool {
	return a.Spec.Name == b.Spec.Name && a.Spec.UID == b.Spec.UID && a.Spec.RenamedFrom == b.Spec.RenamedFrom
}

// sameSite tells whether two versions of a site are reached in the same way, with the
// same token.
func sameSite(a, b *desired.Site) bool {
	return reflect.DeepEqual(a.Endpoints, b.Endpoints) && a.TLS == b.TLS && a.Token == b.Token
}

// sameEdge tells whether two versions of an edge are on the same machine, reached in
// the same way, and read from the same files by the same programs.
func sameEdge(base *desired.Fleet, was *desired.Edge, head *desired.Fleet, now *desired.Edge) bool {
	if was.At != now.At || !reflect.DeepEqual(was.Nginx, now.Nginx) || !sameFleet(base, head) {
		return false
	}
	return local(now.At) || base.Spec.SSH == head.Spec.SSH && sameMachine(base, head, desired.ID(now.At))
}

// sameMachine tells whether a guest or a Host is the same one, under the same address
// and with the same keys. A guest's live address is chosen by the networks of its site,
// or told by its guest agent; and one that is to be adopted is a stranger's until then.
func sameMachine(base, head *desired.Fleet, id desired.ID) bool {
	wasAt, wasKnown := base.Address(id)
	at, known := head.Address(id)
	if wasAt != at || wasKnown != known {
		return false
	}
	if id.Kind() == desired.KindHost {
		was, now := base.Hosts[id.Name()], head.Hosts[id.Name()]
		return was != nil && now != nil && was.SSH == now.SSH
	}
	was, now := base.Resource(id), head.Resource(id)
	if was == nil || now == nil || was.Site != now.Site {
		return false
	}
	before, after := base.Guest(id), head.Guest(id)
	from, to := base.Sites[was.Site], head.Sites[now.Site]
	return before != nil && after != nil && from != nil && to != nil && sameSite(from, to) &&
		before.VMID == after.VMID && before.SSH == after.SSH && before.RenamedFrom == after.RenamedFrom &&
		before.Adopt == after.Adopt && asksAgent(was) == asksAgent(now) &&
		reflect.DeepEqual(before.Networks, after.Networks) && reflect.DeepEqual(from.Networks, to.Networks)
}

// asksAgent tells whether a virtual machine may say itself where it is reached.
func asksAgent(r *desired.Resource) bool {
	vm, ok := r.Spec.(*desired.VM)
	return ok && vm.Agent.Enabled
}
