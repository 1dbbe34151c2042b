package webhook_test

import (
	"context"
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

// Many who send bodies slowly keep others from being read, and cost no more than so many
// bodies.
func TestBodiesAtOnceAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, all := newTaker(), deliveries()
		d := all["github"].signed(secret)
		reader, writer := net.Pipe()
		defer writer.Close()
		var slow sync.WaitGroup
		for range 16 {
			slow.Go(func() {
				r := d.request()
				r.Body, r.ContentLength = reader, -1
				h.ServeHTTP(httptest.NewRecorder(), r)
			})
		}
		synctest.Wait()
		h.Seen = nil
		began := time.Now()
		if code, answer := h.take(d.request()); code != 503 || time.Since(began) != 3*time.Second {
			t.Errorf("after %s: %d %+v", time.Since(began), code, answer)
		}
		if code, _ := h.take(all["github"].request()); code != 401 {
			t.Errorf("unsigned: %d", code)
		}
		_ = reader.Close()
		slow.Wait()
		if code, answer := h.take(d.request()); code != 202 {
			t.Errorf("afterwards: %d %+v", code, answer)
		}
	})
}

var _ http.Handler = (*webhook.Handler)(nil)
