package machine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Container is a container on a machine. Its files are read and written by the sh
// that is in it.
type Container struct {
	shell
	on           Machine
	engine, name string
}

var _ Place = (*Container)(nil)

// In is a container on a machine; engine is docker or podman. Whether it is there
// and runs, the first call tells.
func In(on Machine, engine, name string) *Container {
	c := &Container{on: on, engine: engine, name: name}
	c.shell = shell{run: c.Run, at: c.String()}
	if on.String() == "local" {
		c.at = "container " + name
	}
	return c
}

// ContainerError tells that a container is of no use as it is.
type ContainerError struct {
	// At is the container, as in "container nginx on vm/edge (root@10.1.1.4:22)".
	At string
	// Reason is what is wrong, Remedy what to do.
	Reason, Remedy string
}

func (e *ContainerError) Error() string { return e.At + ": " + e.Reason + ": " + e.Remedy }

// String names it, and the machine if that is another.
func (c *Container) String() string {
	name := "container " + c.name
	if c.on.String() != "local" {
		name += " on " + c.on.String()
	}
	return name
}

// Run runs a program in the container. One that takes too long is left to itself
// there: neither engine ends it with its client.
func (c *Container) Run(ctx context.Context, cmd Command) (Output, error) {
	if len(cmd.Argv) == 0 {
		return Output{}, errNoProgram
	}
	inside := cmd
	inside.Argv = slices.Concat([]string{c.engine, "exec", "-i", c.name}, cmd.Argv)
	out, err := c.on.Run(ctx, inside)
	if exit, ok := errors.AsType[*ExitError](err); ok {
		if err := c.refused(exit); err != nil {
			return out, err
		}
		exit.Argv = cmd.words()
		exit.At = c.String()
		return out, exit
	}
	if errors.Is(err, exec.ErrNotFound) {
		return out, c.noEngine()
	}
	return out, err
}

// refused explains what an engine itself says; nil if it was the program.
func (c *Container) refused(exit *ExitError) error {
	said := strings.ToLower(exit.Said)
	switch {
	case strings.Contains(said, "no such container"), strings.Contains(said, "no such object"), strings.Contains(said, "no container with name or id"):
		return c.wrong("there is none of this name", "start it, or mend nginx.container; "+c.engine+" ps -a lists what is there")
	case strings.Contains(said, "error response from daemon") && strings.Contains(said, "is not running"), strings.Contains(said, "container state improper"):
		return c.wrong("it does not run", c.engine+" start "+c.name)
	case strings.Contains(said, "error response from daemon") && strings.Contains(said, "is paused"):
		return c.wrong("it is paused", c.engine+" unpause "+c.name)
	case strings.Contains(said, "permission denied") && strings.Contains(said, "docker.sock"):
		return c.wrong(clip(exit.Said), "set nginx.sudo: true, or let the user use "+c.engine)
	case strings.Contains(said, "cannot connect to the docker daemon"), strings.Contains(said, "is the docker daemon running"):
		return c.wrong(clip(exit.Said), "start "+c.engine)
	case exit.Code == 127 && regexpNoProgram.MatchString(said):
		return c.noEngine()
	}
	return nil
}

// regexpNoProgram is what timeout and sh say, in lower case, of a program that is
// not there.
var regexpNoProgram = regexp.MustCompile(`timeout: failed to run command '(docker|podman)'|exec: (docker|podman): not found|\b(docker|podman): (command )?not found`)

func (c *Container) noEngine() error {
	return c.wrong("there is no program "+c.engine, "install it, or mend nginx.engine")
}

func (c *Container) wrong(reason, remedy string) error {
	return &ContainerError{At: c.String(), Reason: reason, Remedy: remedy}
}

// Inside tells by which path the container sees a file of its machine, which need
// not be there yet. The file's directory must be mounted: a single file that is
// mounted does not see it when the file is replaced.
func (c *Container) Inside(ctx context.Context, file string) (string, error) {
	out, err := c.on.Run(ctx, Command{Argv: []string{c.engine, "inspect", "--type", "container", c.name}, Limit: 4 << 20})
	if exit, ok := errors.AsType[*ExitError](err); ok {
		if err := c.refused(exit); err != nil {
			return "", err
		}
	}
	if errors.Is(err, exec.ErrNotFound) {
		return "", c.noEngine()
	}
	if err != nil {
		return "", err
	}
	box, err := parseInspect(out.Stdout)
	if err != nil {
		return "", c.wrong(err.Error(), "see what "+c.engine+" inspect "+c.name+" prints")
	}
	if !box.State.Running {
		return "", c.wrong("it does not run", c.engine+" start "+c.name)
	}
	return c.inside(box.Mounts, file)
}

// inspected is what is needed of what docker and podman say of a container; both
// use these words.
type inspected struct {
	State struct {
		Running bool `json:"Running"`
	} `json:"State"`
	Mounts []mount `json:"Mounts"`
}

// mount is a directory or file of the machine that a container sees.
type mount struct {
	Source      string `json:"Source"`
	Destination string `json:"Destination"`
}

func parseInspect(text []byte) (inspected, error) {
	var all []inspected
	if err := json.Unmarshal(text, &all); err != nil {
		return inspected{}, fmt.Errorf("what is said of it is no JSON list: %w", err)
	}
	if len(all) != 1 {
		return inspected{}, fmt.Errorf("%d containers are told of", len(all))
	}
	return all[0], nil
}

// inside finds a file's path behind the mounts.
func (c *Container) inside(mounts []mount, file string) (string, error) {
	file = path.Clean(file)
	dir := path.Dir(file)
	var best *mount
	var hidden string
	for _, m := range mounts {
		if !path.IsAbs(m.Source) || !path.IsAbs(m.Destination) {
			continue // A volume without a place, or memory.
		}
		m.Source, m.Destination = path.Clean(m.Source), path.Clean(m.Destination)
		if m.Source == file {
			return "", c.wrong("it sees "+file+" by a mount of that one file, and would go on seeing the old one after a change",
				fmt.Sprintf("mount the directory, as in -v %s:%s", dir, path.Dir(m.Destination)))
		}
		if !within(file, m.Source) {
			continue
		}
		seen := path.Join(m.Destination, strings.TrimPrefix(file, m.Source))
		if over := covering(mounts, m.Destination, seen); over != "" {
			hidden = over
			continue
		}
		if best == nil || len(m.Source) > len(best.Source) || len(m.Source) == len(best.Source) && m.Destination < best.Destination {
			best = &m
		}
	}
	switch {
	case best != nil:
		return path.Join(best.Destination, strings.TrimPrefix(file, best.Source)), nil
	case hidden != "":
		return "", c.wrong("it does not see "+file+": another mount lies over it at "+hidden, "mount "+dir+" elsewhere in the container, and include it from there")
	default:
		return "", c.wrong("it does not see "+file+": no mount of it holds "+dir,
			fmt.Sprintf("start it with -v %s:/etc/nginx/berth, and include that directory in its nginx's configuration", dir))
	}
}

// covering is a mount that lies between a mount and what would be seen by it.
func covering(mounts []mount, destination, seen string) string {
	for _, other := range mounts {
		if over := path.Clean(other.Destination); path.IsAbs(over) && over != destination && within(over, destination) && (within(seen, over) || over == seen) {
			return over
		}
	}
	return ""
}

// within tells whether a path is below a directory.
func within(file, dir string) bool {
	return dir == "/" && file != "/" || strings.HasPrefix(file, dir+"/")
}
