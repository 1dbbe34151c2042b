package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// demoNginx is an nginx of the demo's own, without root and on a free port.
type demoNginx struct {
	dir, config, listen string
	cmd                 *exec.Cmd
	ended               chan struct{}
	err                 error // how it ended, once it has
}

// streamModule is where Debian keeps nginx's stream module.
const streamModule = "/usr/lib/nginx/modules/ngx_stream_module.so"

func installed(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}

// startDemoNginx starts nginx; nil where it, or its stream module, is not
// installed.
func startDemoNginx(ctx context.Context, dir string) (*demoNginx, error) {
	if _, err := os.Stat(streamModule); err != nil || !installed("nginx") {
		return nil, nil //nolint:nilnil // No nginx is no error: the demo goes on without.
	}
	var lc net.ListenConfig
	free, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start nginx: %w", err)
	}
	n := &demoNginx{dir: dir, config: filepath.Join(dir, "nginx.conf"), listen: free.Addr().String(), ended: make(chan struct{})}
	_ = free.Close()
	if err := os.MkdirAll(filepath.Join(dir, "berth"), 0o700); err != nil {
		return nil, fmt.Errorf("start nginx: %w", err)
	}
	conf := fmt.Sprintf("load_module %s;\npid %s;\nerror_log %s;\nevents {}\nstream {\n    include %s;\n}\n",
		streamModule, filepath.Join(dir, "pid"), filepath.Join(dir, "error.log"), filepath.Join(dir, "berth", "*.conf"))
	if err := os.WriteFile(n.config, []byte(conf), 0o600); err != nil {
		return nil, fmt.Errorf("start nginx: %w", err)
	}
	n.cmd = exec.Command("nginx", "-c", n.config, "-g", "daemon off;") //nolint:noctx // It ends by close, after everything that uses it.
	n.cmd.Dir = dir
	if err := n.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start nginx: %w", err)
	}
	go func() {
		n.err = n.cmd.Wait()
		close(n.ended)
	}()
	return n, n.wait(ctx)
}

// wait waits for the pid file, without which a reload can't be asked for.
func (n *demoNginx) wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if text, err := os.ReadFile(filepath.Join(n.dir, "pid")); err == nil && strings.TrimSpace(string(text)) != "" {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("start nginx: it does not come up; see %s", filepath.Join(n.dir, "error.log"))
		case <-n.ended:
			return fmt.Errorf("start nginx: it ended (%w); see %s", n.err, filepath.Join(n.dir, "error.log"))
		case <-tick.C:
		}
	}
}

// manifest is what the Edge document says about this nginx.
func (n *demoNginx) manifest() string {
	return fmt.Sprintf("nginx:\n  stream: %s\n  config: %s\n  sudo: false\n  test: [nginx, -t]\n  reload: [nginx, -c, %s, -s, reload]\n",
		filepath.Join(n.dir, "berth", "stream.conf"), n.config, n.config)
}

func (n *demoNginx) close() {
	_ = n.cmd.Process.Signal(syscall.SIGTERM)
	<-n.ended
}
