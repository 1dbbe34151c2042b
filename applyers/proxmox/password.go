package proxmox

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"berth/applyers"
	"berth/desired"
)

// leastPassword is how short Proxmox lets a password be (schema of VE 8.4).
const leastPassword = 5

// rootPassword is the wanted password of a container's root, read for its
// creation alone and kept nowhere; "" for none.
func (j *job) rootPassword(ctx context.Context, ct *desired.Container) (string, error) {
	ref := ct.Password
	if ref.Secret == "" {
		return "", nil
	}
	if j.applyer.opts.Secret == nil {
		return "", &applyers.HeldError{Reason: "no way to secret " + ref.Secret + " is set up"}
	}
	value, err := j.applyer.opts.Secret(ctx, ref)
	if err != nil {
		return "", fmt.Errorf("read the password of root: %w", err)
	}
	password := strings.TrimRight(string(value), "\r\n")
	switch {
	case len(password) < leastPassword:
		return "", &applyers.HeldError{Reason: fmt.Sprintf("secret %s is shorter than the %d characters that Proxmox asks of a password", ref.Secret, leastPassword)}
	case strings.ContainsAny(password, "\r\n"):
		return "", &applyers.HeldError{Reason: "secret " + ref.Secret + " has several lines, which no password has"}
	}
	return password, nil
}

// passwords holds containers whose password nobody can read before an unlock: they are
// made as soon as somebody has unlocked the agent.
func (s *sweep) passwords(ctx context.Context, p *premises) {
	if s.applyer.opts.Locked == nil {
		return
	}
	for _, r := range s.absent {
		ct, ok := r.Spec.(*desired.Container)
		// A clone has the password of what it is made from.
		if !ok || ct.Password.Secret == "" || ct.Clone.Template != "" || p.obstacles[r.ID] != "" {
			continue
		}
		if locked := s.applyer.opts.Locked(ctx, ct.Password); locked != nil {
			p.obstacles[r.ID] = locked.Error()
		}
	}
}

// concealed is an error without a secret that Proxmox may have repeated in it.
// One that holds none stays as it is.
func concealed(err error, secret string) error {
	if err == nil || secret == "" || !strings.Contains(err.Error(), secret) {
		return err
	}
	return errors.New(strings.ReplaceAll(err.Error(), secret, "(secret)"))
}
