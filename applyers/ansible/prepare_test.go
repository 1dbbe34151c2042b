package ansible

import (
	"strings"
	"testing"

	"berth/desired"
	"berth/drift"
)

// TestSecretsOfOthersAreMasked has a playbook tell what another has left on the host,
// as the difference of a file that both write. What nobody can read now keeps it from
// nothing.
func TestSecretsOfOthersAreMasked(t *testing.T) {
	b := newBench(t, fake(t, `tell '{"event":"failed","host":"web-1","task":"t","path":"x:1","msg":"no: TOKEN=app-token-4711"}'
tell '{"event":"host","host":"web-1","failures":1}'; ended; tell '{"event":"stats"}'`))
	b.guest("web-1", nil)
	b.play("base", "[]", "web-1")
	b.vault.values["app"], b.vault.locked["other"] = "app-token-4711", true
	b.play("app", "[]").Vars = map[string]any{"a": []any{map[string]any{"token": desired.SecretRef{Secret: "app"}}}}
	b.play("other", "[]").Vars = map[string]any{"token": desired.SecretRef{Secret: "other"}}
	o := b.one(t.Context())
	if o.Status != drift.Failed || !strings.Contains(o.Reason, "no: TOKEN="+desired.Hidden) || strings.Contains(show(o), "4711") {
		t.Error(show(o))
	}
}
