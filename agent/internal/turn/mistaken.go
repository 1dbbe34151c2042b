package turn

import "errors"

// Mistaken tells whether no turn was made for what was asked of it: the plan is another
// than was shown, or there is no such resource, playbook or host. That is the answer to who
// asked, and no news of the fleet.
func Mistaken(err error) bool {
	_, changed := errors.AsType[*PlanChangedError](err)
	_, unknown := errors.AsType[*UnknownResourceError](err)
	_, unasked := errors.AsType[*UnknownError](err)
	return changed || unknown || unasked
}
