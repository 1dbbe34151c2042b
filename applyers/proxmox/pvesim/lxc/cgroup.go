//go:build linux

package lxc

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"berth/applyers/proxmox/pvesim"
)

// mountedGroups is where the kernel shows cgroups.
const mountedGroups = "/sys/fs/cgroup"

// groups is how this machine limits processes.
type groups struct {
	second bool  // the second version of cgroups, alone
	swap   bool  // the first one limits swap, too
	cpus   []int // that we may give away
}

// limit is one file of a cgroup.
type limit struct{ controller, file, value string }

// findGroups looks what the machine has.
func findGroups(cpus []int) (groups, error) {
	g := groups{cpus: cpus}
	if _, err := os.Stat(mountedGroups + "/cgroup.controllers"); err == nil {
		g.second = true
		return g, nil
	}
	for _, controller := range []string{"memory", "cpuset", "cpu"} {
		if _, err := os.Stat(filepath.Join(mountedGroups, controller, "cgroup.procs")); err != nil {
			return g, fmt.Errorf("limit containers: there is no cgroup controller %s below %s: %w; mount the cgroups", controller, mountedGroups, err)
		}
	}
	_, err := os.Stat(mountedGroups + "/memory/memory.memsw.limit_in_bytes")
	g.swap = err == nil
	return g, nil
}

// prefix is how LXC's configuration calls a file of a cgroup.
func (g groups) prefix() string {
	if g.second {
		return "cgroup2"
	}
	return "cgroup"
}

const cpuPeriod = 100_000 // microseconds

// limits are what a container may use.
func (g groups) limits(c pvesim.Container) []limit {
	quota := "-1"
	if c.CPULimit > 0 {
		quota = strconv.Itoa(int(c.CPULimit * cpuPeriod))
	}
	memory, both := strconv.FormatInt(c.Memory, 10), strconv.FormatInt(c.Memory+c.Swap, 10)
	if g.second {
		if quota == "-1" {
			quota = "max"
		}
		return []limit{
			{"memory", "memory.max", memory},
			{"memory", "memory.swap.max", strconv.FormatInt(c.Swap, 10)},
			{"cpuset", "cpuset.cpus", g.share(c)},
			{"cpu", "cpu.max", quota + " " + strconv.Itoa(cpuPeriod)},
		}
	}
	all := []limit{{"memory", "memory.limit_in_bytes", memory}}
	if g.swap {
		all = append(all, limit{"memory", "memory.memsw.limit_in_bytes", both})
	}
	return append(all,
		limit{"cpuset", "cpuset.cpus", g.share(c)},
		limit{"cpu", "cpu.cfs_period_us", strconv.Itoa(cpuPeriod)},
		limit{"cpu", "cpu.cfs_quota_us", quota},
	)
}

// share are the processors of a container: different ones for different containers.
func (g groups) share(c pvesim.Container) string {
	n := c.Cores
	if n == 0 || n > len(g.cpus) {
		n = len(g.cpus)
	}
	taken := make([]int, 0, n)
	for i := range n {
		taken = append(taken, g.cpus[(c.VMID+i)%len(g.cpus)])
	}
	slices.Sort(taken)
	words := make([]string, 0, n)
	for _, cpu := range taken {
		words = append(words, strconv.Itoa(cpu))
	}
	return strings.Join(words, ",")
}

// apply limits a container that runs.
func (g groups) apply(pid int, name string, c pvesim.Container) error {
	limits := g.limits(c)
	if g.swap && !g.second {
		// Together they may never be less than the memory alone, on the way either.
		before, err := g.read(pid, name, limits[0])
		if err != nil {
			return err
		}
		if now, err := strconv.ParseInt(before, 10, 64); err != nil || now < c.Memory {
			limits[0], limits[1] = limits[1], limits[0]
		}
	}
	for _, l := range limits {
		dir, err := g.dir(pid, name, l.controller)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, l.file), []byte(l.value), 0o600); err != nil {
			return fmt.Errorf("limit the container: set %s to %s: %w", l.file, l.value, err)
		}
	}
	return nil
}

func (g groups) read(pid int, name string, l limit) (string, error) {
	dir, err := g.dir(pid, name, l.controller)
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(filepath.Join(dir, l.file))
	return strings.TrimSpace(string(text)), err
}

// used is how many bytes of memory a container takes, zero where nobody can tell.
func (g groups) used(pid int, name string) int64 {
	file := "memory.usage_in_bytes"
	if g.second {
		file = "memory.current"
	}
	text, err := g.read(pid, name, limit{controller: "memory", file: file})
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseInt(text, 10, 64) // Zero, as said.
	return n
}

// dir finds the cgroup that LXC made for a container, by its first process.
func (g groups) dir(pid int, name, controller string) (string, error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cgroup"))
	if err != nil {
		return "", fmt.Errorf("find the container's cgroup: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		part := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(part) != 3 || g.second && part[1] != "" || !g.second && !slices.Contains(strings.Split(part[1], ","), controller) {
			continue
		}
		above, below, ok := strings.Cut(part[2], payload+name)
		if !ok {
			break
		}
		// LXC adds a number where the name was taken.
		suffix, _, _ := strings.Cut(below, "/")
		if g.second {
			controller = ""
		}
		return filepath.Join(mountedGroups, controller, above, payload+name+suffix), nil
	}
	return "", fmt.Errorf("find the container's cgroup: process %d is not in one of controller %s that is named after it", pid, controller)
}

const (
	payload = "lxc.payload."
	monitor = "lxc.monitor."
)

// clearGroups ends all processes in the cgroups of containers whose names begin so,
// that nobody looks after any more, and removes the cgroups.
func clearGroups(name string, kill func(pid int)) error {
	var faults []error
	for _, kind := range []string{monitor, payload} {
		for _, depth := range []string{"", "*/"} {
			tops, err := filepath.Glob(mountedGroups + "/" + depth + kind + name + "*")
			if err != nil {
				return fmt.Errorf("look for cgroups of %s: %w", name, err)
			}
			for _, top := range tops {
				faults = append(faults, clearGroup(top, kill))
			}
		}
	}
	return errors.Join(faults...)
}

func clearGroup(top string, kill func(pid int)) error {
	var dirs []string
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return fs.SkipDir // It goes while we look.
		}
		if d.IsDir() {
			dirs = append(dirs, path)
		}
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look into a cgroup: %w", err)
	}
	for _, dir := range slices.Backward(dirs) {
		procs, _ := os.ReadFile(filepath.Join(dir, "cgroup.procs")) // It may be gone.
		for word := range bytes.FieldsSeq(procs) {
			if pid, err := strconv.Atoi(string(word)); err == nil && pid > 1 {
				kill(pid)
			}
		}
	}
	for _, dir := range slices.Backward(dirs) {
		if err := removeGroup(dir); err != nil {
			return err
		}
	}
	return nil
}
