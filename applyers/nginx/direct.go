package nginx

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"berth/applyers/machine"
)

// read does without a program what fetch does, where each file costs no way there and
// back.
func (t *tree) read(ctx context.Context, patterns []string) error {
	done := make(map[string]bool)
	for _, pattern := range patterns {
		t.globs[pattern] = nil
		names := []string{pattern}
		if strings.ContainsAny(pattern, "*?[") {
			var err error
			if names, err = t.place.Glob(ctx, pattern); errors.Is(err, fs.ErrPermission) {
				t.files[pattern] = found{sort: unreadable}
				names = nil
				t.globs[pattern] = []string{pattern}
			} else if err != nil {
				return err
			}
		}
		for _, name := range names {
			// As sh and nginx have it, * stands for no dot at the start.
			if strings.HasPrefix(path.Base(name), ".") && !strings.HasPrefix(path.Base(pattern), ".") {
				continue
			}
			if done[name] {
				t.globs[pattern] = append(t.globs[pattern], name)
				continue
			}
			f, there, err := t.one(ctx, name)
			if err != nil {
				return err
			}
			if there {
				done[name], t.files[name] = true, f
				t.globs[pattern] = append(t.globs[pattern], name)
			}
		}
	}
	return nil
}

// one reads one file.
func (t *tree) one(ctx context.Context, name string) (f found, there bool, err error) {
	info, err := t.place.Stat(ctx, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return f, false, nil
	case errors.Is(err, fs.ErrPermission):
		return found{sort: unreadable}, true, nil
	case err != nil:
		return f, false, err
	}
	f.sort = plainFile
	switch {
	case info.Mode&fs.ModeSymlink != 0:
		f.sort = linkedFile
	case !info.Mode.IsRegular():
		return found{sort: otherSort}, true, nil
	}
	f.content, err = t.place.Read(ctx, name, 0, treeMax)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return found{sort: unreadable}, true, nil
	case f.sort == linkedFile && err != nil:
		return found{sort: otherSort}, true, nil
	case errors.Is(err, fs.ErrNotExist):
		return f, false, nil
	case err != nil:
		return f, false, fmt.Errorf("read %s: %w", name, err)
	}
	return f, true, nil
}

// seen does without a program what workers.sh does.
func (st *state) seen(ctx context.Context) processes {
	p := processes{log: -1}
	if info, err := st.in.Stat(ctx, st.errorLog); st.errorLog != "" && err == nil && info.Mode.IsRegular() {
		p.log = info.Size
	}
	word := func(file string) string {
		text, err := st.in.Read(ctx, file, 0, outputMax)
		if err != nil && !errors.Is(err, machine.ErrLonger) {
			return ""
		}
		return string(text)
	}
	master, err := strconv.Atoi(strings.TrimSpace(word(st.pid)))
	if err != nil {
		return p
	}
	for child := range strings.FieldsSeq(word(fmt.Sprintf("/proc/%d/task/%d/children", master, master))) {
		title := word("/proc/" + child + "/cmdline")
		pid, err := strconv.Atoi(child)
		if err == nil && strings.HasPrefix(title, "nginx: worker process") && !strings.Contains(title, "shutting down") {
			p.workers = append(p.workers, pid)
		}
	}
	return p
}

// outputMax bounds what is read of what the kernel tells.
const outputMax = 16 << 10
