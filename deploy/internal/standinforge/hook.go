package standinforge

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"time"
)

// deliver tells a hook of a push, once, with the headers that the forge sends.
func (f *Forge) deliver(h hook, ref, before, after string) {
	if h.url == "" {
		return
	}
	body, err := json.Marshal(map[string]any{
		"ref": ref, "before": before, "after": after,
		"repository": map[string]any{"full_name": Owner + "/" + Name, "name": Name},
		"pusher":     map[string]string{"login": User, "name": User},
		"commits":    []map[string]string{{"id": after}},
	})
	if err != nil {
		return
	}
	mac := hmac.New(sha256.New, []byte(h.secret))
	mac.Write(body)
	sum := hex.EncodeToString(mac.Sum(nil))
	id := rand.Text()
	f.hooks.Go(func() {
		ctx, stop := context.WithTimeout(context.Background(), 5*time.Second)
		defer stop()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, bytes.NewReader(body))
		if err != nil {
			return
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("X-Github-Event", "push")
		req.Header.Set("X-Github-Delivery", id)
		req.Header.Set("X-Hub-Signature-256", "sha256="+sum)
		if f.kind == Gitea {
			req.Header.Set("X-Gitea-Event", "push")
			req.Header.Set("X-Gitea-Delivery", id)
			req.Header.Set("X-Gitea-Signature", sum)
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
		}
	})
}
