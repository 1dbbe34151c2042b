package web_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"berth/agent/internal/web"
)

// An output that takes minutes on a slow line comes whole, and who takes nothing of it
// keeps no connection.
func TestAnOutputGoesOverASlowLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		archive, id := kept(t)
		text := bytes.Repeat([]byte("ok: [web-1]\n"), 16<<10)
		if err := os.WriteFile(filepath.Join(archive.Journal, id+".play.base.run.log"), text, 0o600); err != nil {
			t.Fatal(err)
		}
		api := remoteAPI()
		api.Archive = archive
		listener := newPipes()
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- web.ServeHTTP(ctx, listener, api.Remote(gate(map[string]string{"a": readToken})), slog.New(slog.DiscardHandler))
		}()
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: listener.dial}}
		for _, row := range []struct {
			wait  time.Duration
			whole bool
		}{{7 * time.Second, true}, {time.Minute, false}} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://agent/v1/turns/last/output/play.base.run.log", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+readToken)
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			for err == nil {
				<-time.After(row.wait)
				_, err = io.CopyN(&got, resp.Body, 32<<10)
			}
			resp.Body.Close()
			if whole := errors.Is(err, io.EOF) && bytes.Equal(got.Bytes(), text); whole != row.whole {
				t.Errorf("a piece each %s: %d of %d bytes, %v", row.wait, got.Len(), len(text), err)
			}
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
