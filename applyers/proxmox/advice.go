package proxmox

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"berth/applyers/proxmox/pve"
)

// advice says what to do about a step that went wrong; "" where its error says all.
func (c *cluster) advice(err error) string {
	var task *pve.TaskError
	switch {
	case pve.Says(err, "no quorum"):
		return "see pvecm status on a node that runs"
	case pve.Says(err, "can't lock file"):
		return "a task has been at work on it for long: see what runs on its node"
	case pve.Says(err, "No space left on device", "not enough space", "insufficient free space"):
		return "make room there, or name another storage"
	case errors.As(err, &task) && strings.HasSuffix(err.Error(), task.Error()):
		return fmt.Sprintf("all that it said, as root on %s: pvenode task log '%s'", pve.TaskNode(task.UPID()), task.UPID())
	case pve.Status(err) == 401:
		return "the token has expired or is wrong: " + pve.MakeToken
	}
	if help := c.helpWith(err); help != "" {
		return "as root on a node: " + help
	}
	var lost *pve.LostError
	if pve.Status(err) == 0 && !errors.As(err, &lost) {
		return "" // No answer's error: it comes from us, and says what to do itself.
	}
	return c.remedy(err)
}

// remedy says what to do where Proxmox does not answer, or somebody else does, or a
// node is not reached; "" where what it says tells all.
func (c *cluster) remedy(err error) string {
	switch code := pve.Status(err); {
	case pve.Distrusted(err):
		return pve.TrustRemedy(err)
	case code == 0:
		// No answer at all: refused, timed out, no such host, no TLS.
		return fmt.Sprintf("check endpoints of site %s and that port %s answers", c.site.Name, ports(c.site))
	case code == 595:
		return "see whether the node runs and is reached by the others"
	case code == 596:
		return "something there takes more than 30 s: see the load of the node, and whether its storages answer"
	case code/100 == 2 && strings.Contains(err.Error(), "broke off"):
		return "if that goes on, see to the network between the agent and site " + c.site.Name
	case code/100 == 2, code == 404, code >= 502 && code <= 504:
		return "somebody in between answers for Proxmox: check endpoints of site " + c.site.Name
	}
	return ""
}

// unreadRemedy says what to do where something on a node can't be read: about the
// node, where it can't be reached as a whole, else about the error.
func (s *sweep) unreadRemedy(node string, err error) string {
	switch {
	case slices.Contains(s.inv.offline, node):
		return "see whether " + node + " runs and is reached by the others"
	case s.inv.unsure[node] != nil:
		err = s.inv.unsure[node]
	}
	if help := s.helpWith(err); help != "" {
		return help
	}
	if pve.Status(err) == 0 {
		return ""
	}
	return s.remedy(err)
}
