package web_test

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"berth/agent/internal/web"
)

// TestTheSocketIsForOwnerAndGroup opens it for the group that this very user is in.
func TestTheSocketIsForOwnerAndGroup(t *testing.T) {
	gid := os.Getgid()
	groups, _ := os.Getgroups()
	for _, other := range groups {
		if other != gid {
			gid = other
		}
	}
	known, err := user.LookupGroupId(strconv.Itoa(gid))
	name := strconv.Itoa(gid)
	if err == nil {
		name = known.Name
	}
	for what, row := range map[string]struct {
		group string
		mode  os.FileMode
		gid   int
	}{
		"its own user's only":        {"", 0o600, os.Getgid()},
		"a group's too":              {name, 0o660, gid},
		"a group's too, by number":   {strconv.Itoa(gid), 0o660, gid},
		"again, over one left there": {name, 0o660, gid},
	} {
		socket := filepath.Join(t.TempDir(), "run", "agent.sock")
		for range 2 {
			listener, err := web.Listen(t.Context(), socket, row.group)
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			info, err := os.Stat(socket)
			if err != nil || info.Mode().Perm() != row.mode || int(info.Sys().(*syscall.Stat_t).Gid) != row.gid {
				t.Errorf("%s: %v, %v", what, info.Mode(), err)
			}
			if dir, err := os.Stat(filepath.Dir(socket)); err != nil || dir.Mode().Perm() != 0o750 || row.mode == 0o660 && int(dir.Sys().(*syscall.Stat_t).Gid) != row.gid {
				t.Errorf("%s: the directory: %v, %v", what, dir.Mode(), err)
			}
			if left, err := os.ReadDir(filepath.Dir(socket)); err != nil || len(left) != 1 {
				t.Errorf("%s: left behind: %v, %v", what, left, err)
			}
			// As after a kill: the socket stays.
			_ = listener.Close()
		}
	}
	socket := filepath.Join(t.TempDir(), "agent.sock")
	if _, err := web.Listen(t.Context(), socket, "no-such-group-here"); err == nil || !strings.Contains(err.Error(), `socketGroup: there is no group "no-such-group-here" here: groupadd --system no-such-group-here`) {
		t.Errorf("an unknown group: %v", err)
	}
	if _, err := os.Stat(socket); err == nil {
		t.Error("it listens nevertheless")
	}
}

// TestWhoAsksIsKnown holds that the log can tell who has unlocked.
func TestWhoAsksIsKnown(t *testing.T) {
	var by string
	client := serveAPI(t, web.API{Log: slog.New(slog.DiscardHandler), Lock: func(ctx context.Context) (web.Locked, error) {
		by = web.Peer(ctx)
		return web.Locked{}, nil
	}})
	if _, err := client.Lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	me, err := user.Current()
	if err != nil {
		t.Skip(err)
	}
	if by != me.Username {
		t.Errorf("asked by %q, want %q", by, me.Username)
	}
	if req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody); web.Peer(req.Context()) != "" {
		t.Error("somebody asks who does not")
	}
}
