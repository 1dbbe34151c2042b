package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"berth/agent/internal/trigger"
	"berth/agent/internal/turn"
	"berth/agent/internal/webhook"
	"berth/drift/report"
)

// looped is a handler before the agent's own loop.
type looped struct {
	*taker
	mu    sync.Mutex
	turns []turn.Request
	began chan struct{}
}

func startLoop(ctx context.Context, slow, settle time.Duration) (*looped, func()) {
	l := &looped{taker: newTaker(), began: make(chan struct{}, 100)}
	ids := 0
	loop := trigger.New(trigger.Work{
		Turn: func(_ context.Context, req turn.Request) (*report.Report, error) {
			l.mu.Lock()
			l.turns = append(l.turns, req)
			l.mu.Unlock()
			l.began <- struct{}{}
			<-time.After(slow)
			return &report.Report{Commit: report.Commit{Hash: commitA}}, nil
		},
		Tip:  func(context.Context) (string, error) { return commitA, nil },
		Poll: time.Hour, Sweep: time.Hour, Settle: settle, Log: slog.New(slog.DiscardHandler),
		NextID: func() string { ids++; return fmt.Sprintf("turn-%d", ids) },
	})
	l.Start, l.Seen, l.Log = loop.StartWhole, nil, slog.New(slog.DiscardHandler)
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() { defer close(ended); loop.Run(ctx) }()
	<-l.began // The turn that each start makes.
	return l, func() { stop(); <-ended }
}

func (l *looped) made() []turn.Request {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.turns[1:]
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Ten thousand pushes are one turn at once, and one after it.
func TestABurstOfWebhooksMakesTwoTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, stop := startLoop(t.Context(), 10*time.Second, 2*time.Second)
		defer stop()
		<-time.After(time.Minute)
		all := deliveries()
		send := func(n int) (id string) {
			d := all["github"].with("X-GitHub-Delivery", strconv.Itoa(n))
			code, answer := l.take(d.saying(fmt.Sprintf("%s%*s", d.body, n%100+n/100*101, "")).signed(secret).request())
			if code != http.StatusAccepted || answer.Turn == "" {
				t.Fatalf("delivery %d: %d %+v", n, code, answer)
			}
			return answer.Turn
		}
		began := time.Now()
		first := send(0)
		synctest.Wait()
		rest := send(1)
		for n := range 5000 { // Until no more of them are remembered, and then as many again.
			send(n + 2)
		}
		before := heap()
		for n := range 5000 {
			if id := send(n + 5002); id != rest || id == first {
				t.Fatalf("delivery %d is done in %s, want %s", n, id, rest)
			}
		}
		if after := heap(); after > before+1<<20 {
			t.Errorf("5000 deliveries more have grown the heap from %d to %d bytes", before, after)
		}
		if time.Since(began) != 0 {
			t.Error("an answer waits for something")
		}
		<-time.After(time.Minute)
		made := l.made()
		if len(made) != 2 || made[0].ID != first || made[1].ID != rest {
			t.Fatalf("turns %+v, want %s and %s", made, first, rest)
		}
		for _, req := range made {
			if req.Mode != report.Run || req.Quick || req.Why != "webhook from GitHub" {
				t.Errorf("made %+v", req)
			}
		}
	})
}

// Over the network: how long it takes, and what strangers may cost.
func TestOverHTTP(t *testing.T) {
	l, stop := startLoop(t.Context(), 0, 0)
	defer stop()
	server := httptest.NewServer(l)
	defer server.Close()
	post := func(d delivery, body io.Reader, length int64) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, body)
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = length
		for name, value := range d.headers {
			req.Header.Set(name, value)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0 // The server need not hear a long body to its end.
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode
	}
	// On a busy machine one may be late; none waits for anything.
	soonest := time.Hour
	for n := range 5 {
		d := deliveries()["gitea"].with("X-Gitea-Delivery", strconv.Itoa(n))
		d = d.saying(d.body + strings.Repeat(" ", n)).signed(secret)
		began := time.Now()
		if code := post(d, strings.NewReader(d.body), int64(len(d.body))); code != http.StatusAccepted {
			t.Fatalf("answered %d", code)
		}
		<-l.began
		soonest = min(soonest, time.Since(began))
	}
	if soonest > 50*time.Millisecond {
		t.Errorf("a turn begins %s after the push at the soonest", soonest)
	}
	d := deliveries()["gitea"].signed(secret)
	for _, length := range []int64{100 << 20, -1} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		body := &endless{left: 100 << 20, closed: make(chan struct{})}
		if code := post(d, body, length); code != http.StatusRequestEntityTooLarge && code != 0 {
			t.Errorf("answered %d", code)
		}
		runtime.ReadMemStats(&after)
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 8<<20 {
			t.Errorf("100 MB have cost %d bytes", grown)
		}
		<-body.closed // The transport may still have been at it when the answer came.
		if body.left < 80<<20 {
			t.Errorf("%d bytes were read of it", 100<<20-body.left)
		}
	}
}

// endless is a body of so many bytes, which its reader closes once it wants no more.
type endless struct {
	left   int64
	closed chan struct{}
	once   sync.Once
}

func (e *endless) Close() error {
	e.once.Do(func() { close(e.closed) })
	return nil
}

func (e *endless) Read(p []byte) (int, error) {
	if e.left <= 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), e.left)
	e.left -= n
	return int(n), nil
}

// Strangers who send slowly keep nobody's push waiting; those who send much before that
// keep large ones waiting for some seconds, and cost no more than so many bodies.
func TestStrangersWhoSendSlowlyKeepNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, all := newTaker(), deliveries()
		h.Seen, h.Log = nil, slog.New(slog.DiscardHandler)
		call := serve(t, h)
		small := all["github"].signed(secret)
		large := func(n int) delivery {
			d := all["github"].with("X-GitHub-Delivery", strconv.Itoa(n))
			return d.saying(d.body + strings.Repeat(" ", 200<<10+n)).signed(secret)
		}
		// slow sends so many bytes of a body, and no more.
		slow := func(callers, bytes int) *sync.WaitGroup {
			var all sync.WaitGroup
			for range callers {
				all.Go(func() {
					began := time.Now()
					if code, _ := call(small, io.MultiReader(strings.NewReader(strings.Repeat(" ", bytes)), silent{time.Minute})); code == 202 || time.Since(began) > 10*time.Second {
						t.Errorf("after %s a stranger is answered %d", time.Since(began), code)
					}
				})
			}
			synctest.Wait()
			return &all
		}
		began := time.Now()
		left := slow(40, 10)
		if code, text := call(small, strings.NewReader(small.body)); code != 202 || time.Since(began) > time.Second {
			t.Errorf("beside those who send a little, after %s: %d %s", time.Since(began), code, text)
		}
		if code, text := call(large(1), strings.NewReader(large(1).body)); code != 202 || time.Since(began) > time.Second {
			t.Errorf("a large one, after %s: %d %s", time.Since(began), code, text)
		}
		left.Wait()
		began = time.Now()
		left = slow(8, 100<<10)
		if code, text := call(large(2), strings.NewReader(large(2).body)); code != 202 || time.Since(began) > 5*time.Second {
			t.Errorf("beside those who send much, after %s: %d %s", time.Since(began), code, text)
		}
		left.Wait()
		began = time.Now()
		left = slow(40, 100<<10)
		// The server need not hear it to its end: a pipe is closed before the answer is read, then.
		if code, text := call(large(3), strings.NewReader(large(3).body)); code != 503 && code != 0 || time.Since(began) > 6*time.Second {
			t.Errorf("beside very many, after %s: %d %s", time.Since(began), code, text)
		}
		left.Wait()
		if code, text := call(large(3), strings.NewReader(large(3).body)); code != 202 {
			t.Errorf("afterwards: %d %s", code, text)
		}
	})
}

// silent says nothing for a while, and then ends.
type silent struct{ wait time.Duration }

func (s silent) Read([]byte) (int, error) {
	<-time.After(s.wait)
	return 0, io.EOF
}

// serve answers over connections of this process alone, as the agent's listener does.
func serve(t *testing.T, h http.Handler) (call func(d delivery, body io.Reader) (int, string)) {
	conns := make(chan net.Conn)
	server := &http.Server{Handler: h, ReadTimeout: 20 * time.Second, WriteTimeout: 20 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(piped{conns}) }()
	t.Cleanup(func() {
		<-time.After(time.Minute) // Who is silent still ends by then.
		close(conns)
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
	return func(d delivery, body io.Reader) (int, string) {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			conns <- theirs
			return ours, nil
		}}}
		req := d.request()
		req.RequestURI, req.URL.Scheme, req.URL.Host = "", "http", "agent"
		req.Body, req.ContentLength = io.NopCloser(body), -1
		resp, err := client.Do(req)
		if err != nil {
			return 0, err.Error()
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(text)
	}
}

// piped is a listener whose connections somebody hands over.
type piped struct{ conns chan net.Conn }

func (p piped) Accept() (net.Conn, error) {
	if conn, open := <-p.conns; open {
		return conn, nil
	}
	return nil, net.ErrClosed
}

func (p piped) Close() error   { return nil }
func (p piped) Addr() net.Addr { return &net.UnixAddr{Net: "unix", Name: "pipe"} }

var _ http.Handler = (*webhook.Handler)(nil)
