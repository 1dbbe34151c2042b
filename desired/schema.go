package desired

import _ "embed"

// Schema is the JSON Schema (draft-07, which the language servers of editors
// read best) of one document of the manifest language. It says what can be said
// of one document alone: Load knows more.
func Schema() []byte { return []byte(schemaText) }

//go:embed schema.json
var schemaText string
