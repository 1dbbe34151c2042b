package machine

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// server is an SSH server in this process that keeps to sshd's ways: a command
// goes to a shell, its input ends with the connection, a signal to its group.
type server struct {
	t    *testing.T
	addr *net.TCPAddr
	l    net.Listener

	mu         sync.Mutex // guards what follows.
	config     *ssh.ServerConfig
	noForwards bool
	// ignores lets no question for a channel be answered.
	ignores bool
	// shell is what commands are given to.
	shell []string
	conns []net.Conn
	// came counts those who came in.
	came int
	// running counts the connections and programs that have not ended.
	running int
}

func (s *server) logins() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.came
}

func (s *server) count(more int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running += more
}

// quiet waits until nothing is connected and nothing runs any more.
func (s *server) quiet() {
	for deadline := time.Now().Add(30 * time.Second); ; <-time.After(2 * time.Millisecond) {
		s.mu.Lock()
		running := s.running
		s.mu.Unlock()
		if running == 0 {
			return
		}
		if time.Now().After(deadline) {
			s.t.Errorf("%d connections and programs do not end", running)
			return
		}
	}
}

// startServer lets one key in.
func startServer(t *testing.T, authorized ssh.PublicKey, hostKeys ...ssh.Signer) *server {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, l: l, addr: l.Addr().(*net.TCPAddr), shell: []string{"sh", "-c"}}
	s.keys(authorized, hostKeys...)
	go s.accept()
	t.Cleanup(func() {
		_ = l.Close()
		s.cut()
		s.quiet()
	})
	return s
}

// keys says who is let in, and what is shown, from now on.
func (s *server) keys(authorized ssh.PublicKey, hostKeys ...ssh.Signer) {
	config := &ssh.ServerConfig{PublicKeyCallback: func(meta ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if authorized == nil || string(key.Marshal()) != string(authorized.Marshal()) || meta.User() != "root" {
			return nil, errors.New("not this one")
		}
		return &ssh.Permissions{}, nil
	}}
	for _, key := range hostKeys {
		config.AddHostKey(key)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.config = config
}

// cut ends all connections.
func (s *server) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		_ = c.Close()
	}
	s.conns = nil
}

func (s *server) accept() {
	for {
		raw, err := s.l.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns = append(s.conns, raw)
		s.running++
		config := s.config
		s.mu.Unlock()
		go s.serve(raw, config)
	}
}

func (s *server) serve(raw net.Conn, config *ssh.ServerConfig) {
	defer s.count(-1)
	c, chans, reqs, err := ssh.NewServerConn(raw, config)
	if err != nil {
		_ = raw.Close()
		return
	}
	s.mu.Lock()
	s.came++
	s.mu.Unlock()
	go s.requests(c, reqs)
	for ch := range chans {
		s.mu.Lock()
		ignores := s.ignores
		s.mu.Unlock()
		if ignores {
			continue
		}
		switch ch.ChannelType() {
		case "session":
			s.count(1)
			go s.session(ch)
		case "direct-tcpip":
			go s.direct(ch)
		default:
			_ = ch.Reject(ssh.UnknownChannelType, "no")
		}
	}
}

func (s *server) forbids() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.noForwards
}

// requests answers those of a whole connection: to listen, and keepalives.
func (s *server) requests(c *ssh.ServerConn, reqs <-chan *ssh.Request) {
	listeners := make(map[uint32]net.Listener)
	defer func() {
		for _, l := range listeners {
			_ = l.Close()
		}
	}()
	for req := range reqs {
		var at struct {
			Host string
			Port uint32
		}
		if req.Type == "cancel-tcpip-forward" && ssh.Unmarshal(req.Payload, &at) == nil && listeners[at.Port] != nil {
			_ = listeners[at.Port].Close()
			_ = req.Reply(true, nil)
			continue
		}
		if req.Type != "tcpip-forward" || s.forbids() || ssh.Unmarshal(req.Payload, &at) != nil {
			_ = req.Reply(false, nil)
			continue
		}
		l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", net.JoinHostPort(at.Host, strconv.Itoa(int(at.Port))))
		if err != nil {
			_ = req.Reply(false, nil)
			continue
		}
		port := uint32(l.Addr().(*net.TCPAddr).Port)
		listeners[port] = l
		_ = req.Reply(true, ssh.Marshal(struct{ Port uint32 }{port}))
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				from := conn.RemoteAddr().(*net.TCPAddr)
				ch, reqs, err := c.OpenChannel("forwarded-tcpip", ssh.Marshal(struct {
					Host     string
					Port     uint32
					From     string
					FromPort uint32
				}{at.Host, port, from.IP.String(), uint32(from.Port)}))
				if err != nil {
					_ = conn.Close()
					continue
				}
				go ssh.DiscardRequests(reqs)
				go join(conn, ch)
			}
		}()
	}
}

func join(conn net.Conn, ch ssh.Channel) {
	go func() {
		_, _ = io.Copy(ch, conn)
		_ = ch.CloseWrite()
	}()
	_, _ = io.Copy(conn, ch)
	_ = conn.Close()
	_ = ch.Close()
}

func (s *server) direct(ch ssh.NewChannel) {
	var to struct {
		Host     string
		Port     uint32
		From     string
		FromPort uint32
	}
	if s.forbids() || ssh.Unmarshal(ch.ExtraData(), &to) != nil {
		_ = ch.Reject(ssh.Prohibited, "open failed")
		return
	}
	conn, err := new(net.Dialer).DialContext(context.Background(), "tcp", net.JoinHostPort(to.Host, strconv.Itoa(int(to.Port))))
	if err != nil {
		_ = ch.Reject(ssh.ConnectionFailed, "Connection refused")
		return
	}
	channel, reqs, err := ch.Accept()
	if err != nil {
		_ = conn.Close()
		return
	}
	go ssh.DiscardRequests(reqs)
	join(conn, channel)
}

func (s *server) session(ch ssh.NewChannel) {
	defer s.count(-1)
	channel, reqs, err := ch.Accept()
	if err != nil {
		return
	}
	var cmd *exec.Cmd
	for req := range reqs {
		var text struct{ Text string }
		_ = ssh.Unmarshal(req.Payload, &text)
		switch {
		case req.Type == "exec" && cmd == nil:
			s.mu.Lock()
			argv := append(append([]string(nil), s.shell...), text.Text)
			s.mu.Unlock()
			cmd = exec.CommandContext(context.Background(), argv[0], argv[1:]...)
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			cmd.Stdout, cmd.Stderr = channel, channel.Stderr()
			stdin, err := cmd.StdinPipe()
			if err != nil || cmd.Start() != nil {
				_ = req.Reply(false, nil)
				_ = channel.Close()
				return
			}
			_ = req.Reply(true, nil)
			go func() {
				_, _ = io.Copy(stdin, channel)
				_ = stdin.Close()
			}()
			s.count(1)
			go func() {
				defer s.count(-1)
				_ = cmd.Wait()
				s.ended(channel, cmd)
			}()
		case req.Type == "signal" && cmd != nil:
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		default:
			_ = req.Reply(false, nil)
		}
	}
}

func (s *server) ended(channel ssh.Channel, cmd *exec.Cmd) {
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		_, _ = channel.SendRequest("exit-signal", false, ssh.Marshal(struct {
			Signal string
			Core   bool
			Text   string
			Lang   string
		}{Signal: map[syscall.Signal]string{syscall.SIGTERM: "TERM", syscall.SIGKILL: "KILL"}[status.Signal()]}))
	} else {
		_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Code uint32 }{uint32(cmd.ProcessState.ExitCode())}))
	}
	_ = channel.Close()
}

// newKey makes a key as ssh-keygen writes it.
func newKey(t *testing.T) (signer ssh.Signer, text []byte) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signerOf(t, private)
}

func newRSAKey(t *testing.T) ssh.Signer {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	signer, _ := signerOf(t, private)
	return signer
}

func signerOf(t *testing.T, private any) (ssh.Signer, []byte) {
	t.Helper()
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	return signer, pem.EncodeToMemory(block)
}

// link is a connection that can be made to go wrong.
type link struct {
	net.Conn
	mu sync.Mutex // guards what follows.
	// dead lets nothing through any more, either way, and says nothing.
	dead chan struct{}
	once sync.Once
	// cutAfter is how many bytes go out before it breaks; -1 is all.
	cutAfter int
}

func (l *link) die() { l.once.Do(func() { close(l.dead) }) }

func (l *link) isDead() bool {
	select {
	case <-l.dead:
		return true
	default:
		return false
	}
}

func (l *link) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	for l.isDead() && err == nil {
		n, err = l.Conn.Read(p)
	}
	return n, err
}

func (l *link) Write(p []byte) (int, error) {
	if l.isDead() {
		return len(p), nil
	}
	l.mu.Lock()
	cut := l.cutAfter >= 0 && len(p) > l.cutAfter
	if l.cutAfter >= 0 && !cut {
		l.cutAfter -= len(p)
	}
	rest := l.cutAfter
	l.mu.Unlock()
	if !cut {
		return l.Conn.Write(p)
	}
	n, _ := l.Conn.Write(p[:rest])
	_ = l.Close()
	return n, fmt.Errorf("write: %w", syscall.ECONNRESET)
}

// wires makes links and keeps them.
type wires struct {
	mu       sync.Mutex // guards what follows.
	links    []*link
	cutAfter int
}

func (w *wires) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	l := &link{Conn: c, dead: make(chan struct{}), cutAfter: w.cutAfter}
	w.links = append(w.links, l)
	return l, nil
}

func (w *wires) last() *link {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.links[len(w.links)-1]
}
