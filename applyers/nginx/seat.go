package nginx

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"berth/applyers/machine"
	"berth/applyers/nginx/conf"
	"berth/desired"
)

// seat is where an edge's nginx is.
type seat struct {
	spec *desired.Edge
	mark conf.Mark
	// on is the machine that the managed files are on, and in is where nginx runs:
	// there, or in a container on it.
	on machine.Machine
	in machine.Place
	// apart tells that nginx runs in a container.
	apart bool
	// direct tells that it is this machine, without sudo: what is there costs no way
	// there and back, and no program.
	direct bool
	files  [2]managed
	// usualPid is where nginx writes its process id unless it is told.
	usualPid string
	run      func(ctx context.Context, argv []string) ([]byte, error)
}

// The two sides of an edge.
const (
	streamSide = iota
	httpSide
)

// managed is one of the files that are ours.
type managed struct {
	// block is the block of nginx's configuration that includes it.
	block string
	// path is where it is on the machine, seen is where nginx finds it.
	path, seen string
}

// part is what Files have of a side.
func part(f conf.Files, side int) []byte {
	if side == httpSide {
		return f.HTTP
	}
	return f.Stream
}

// absentError tells that the guest that an edge is to be on is not there.
type absentError struct{ at desired.ID }

func (e *absentError) Error() string { return string(e.at) + " is not there yet" }

// unaddressedError tells that nobody knows under which address an edge's machine is.
type unaddressedError struct{ at desired.ID }

func (e *unaddressedError) Error() string {
	return fmt.Sprintf("the edge is at %s, which has no known address", e.at)
}

// seat finds an edge's machine. Nothing is asked of it yet, but for where the
// container has its files.
func (a *Applyer) seat(ctx context.Context, fleet *desired.Fleet, id desired.ID, spec *desired.Edge, fact desired.Lookup) (*seat, error) {
	s := &seat{spec: spec, mark: conf.Mark{Fleet: fleet.Spec.Name, UID: fleet.Spec.UID, ID: id}, run: a.run, usualPid: a.usualPid}
	s.files = [2]managed{{block: "stream", path: spec.Nginx.Stream}, {block: "http", path: spec.Nginx.HTTP}}
	if s.files[httpSide].path == "" {
		s.files[httpSide].path = defaultHTTP
	}
	on, err := a.machine(fleet, spec, fact)
	if err != nil {
		return nil, err
	}
	s.on, s.in = on, on
	s.direct = local(spec) && spec.Nginx.Container == "" && !sudoHere(spec)
	for i := range s.files {
		s.files[i].seen = s.files[i].path
	}
	if spec.Nginx.Container == "" {
		return s, nil
	}
	engine := spec.Nginx.Engine
	if engine == "" {
		engine = "docker"
	}
	box := machine.In(on, engine, spec.Nginx.Container)
	s.in, s.apart = box, true
	for i, f := range s.files {
		if s.files[i].seen, err = box.Inside(ctx, f.path); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// defaultHTTP is where the file of the http block is unless an edge says.
const defaultHTTP = "/etc/nginx/berth/http.conf"

// local tells whether an edge is on the agent's own machine.
func local(spec *desired.Edge) bool { return spec.At == "" || spec.At == "local" }

// sudoHere tells whether this machine's files and programs need sudo.
func sudoHere(spec *desired.Edge) bool {
	if spec.Nginx.Sudo != nil {
		return *spec.Nginx.Sudo
	}
	return os.Geteuid() != 0
}

func (a *Applyer) machine(fleet *desired.Fleet, spec *desired.Edge, fact desired.Lookup) (machine.Machine, error) {
	if local(spec) {
		return machine.Local(sudoHere(spec)), nil
	}
	at := desired.ID(spec.At)
	address, known := fact(at, desired.FactAddress)
	if !known {
		return nil, &unaddressedError{at}
	}
	if a.machines == nil {
		return nil, errors.New("the agent reaches no other machines")
	}
	instance, _ := fact(at, desired.FactInstance)
	access := machine.Access{ID: at, Instance: instance, Address: address, SSH: reach(fleet, at)}
	sudo := access.SSH.User != "root"
	if spec.Nginx.Sudo != nil {
		sudo = *spec.Nginx.Sudo
	}
	return a.machines.SSH(access, sudo), nil
}

// reach is how a guest or Host is reached: what it leaves open, the fleet says.
func reach(fleet *desired.Fleet, at desired.ID) desired.SSH {
	var own desired.SSH
	if g := fleet.Guest(at); g != nil {
		own = g.SSH
	} else if h := fleet.Hosts[at.Name()]; at.Kind() == desired.KindHost && h != nil {
		own = h.SSH
	}
	all := fleet.Spec.SSH
	if own.User == "" {
		own.User = all.User
	}
	if own.User == "" {
		own.User = "root"
	}
	if own.Port == 0 {
		own.Port = all.Port
	}
	if own.Key == (desired.SecretRef{}) {
		own.Key = all.Key
	}
	if own.KnownHosts == "" {
		own.KnownHosts = all.KnownHosts
	}
	return own
}

// command runs one of the edge's commands where nginx is. Its error holds what the
// program said.
func (s *seat) command(ctx context.Context, argv []string) error {
	if s.run == nil {
		_, err := s.in.Run(ctx, machine.Command{Argv: argv})
		if exit, ok := errors.AsType[*machine.ExitError](err); ok {
			exit.Said = tidy(exit.Said)
		}
		return err
	}
	out, err := s.run(ctx, argv)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", strings.Join(argv, " "), ctx.Err())
	}
	return &machine.ExitError{Argv: argv, Code: 1, Said: strings.Join(strings.Fields(string(out)), " ")}
}
