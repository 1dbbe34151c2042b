package web

import (
	_ "embed"
	"log/slog"
	"net/http"
)

// openAPI describes the API; a test holds it against what is served.
//
//go:embed openapi.yaml
var openAPI []byte

// handleDocument serves the description of the API.
func (a API) handleDocument(routes *routes) {
	routes.HandleFunc("GET /v1/openapi.yaml", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/yaml")
		if _, err := w.Write(openAPI); err != nil {
			a.Log.DebugContext(r.Context(), "answer not delivered", slog.Any("error", err))
		}
	})
}
