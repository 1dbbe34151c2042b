package pvesim

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
)

// appendJSON writes what json.Marshal would. Answers are maps and lists of words and
// numbers, and to write them was most of what a request cost.
func appendJSON(to []byte, v any) ([]byte, error) {
	var err error
	switch v := v.(type) {
	case nil, null:
		return append(to, "null"...), nil
	case bool:
		return strconv.AppendBool(to, v), nil
	case int:
		return strconv.AppendInt(to, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(to, v, 10), nil
	case string:
		if unescaped(v) {
			return append(append(append(to, '"'), v...), '"'), nil
		}
	case json.RawMessage:
		return append(to, v...), nil
	case map[string]any:
		if v != nil {
			return appendObject(to, v)
		}
	case []any:
		if v != nil {
			return appendList(to, v)
		}
	case []map[string]any:
		if v != nil {
			return appendList(to, v)
		}
	}
	text, err := json.Marshal(v)
	return append(to, text...), err
}

func appendObject(to []byte, v map[string]any) ([]byte, error) {
	var room [24]string
	keys := slices.AppendSeq(room[:0], maps.Keys(v))
	slices.Sort(keys)
	to = append(to, '{')
	for i, k := range keys {
		if i > 0 {
			to = append(to, ',')
		}
		var err error
		if to, err = appendJSON(to, k); err != nil {
			return nil, err
		}
		if to, err = appendJSON(append(to, ':'), v[k]); err != nil {
			return nil, err
		}
	}
	return append(to, '}'), nil
}

func appendList[T any](to []byte, v []T) ([]byte, error) {
	to = append(to, '[')
	for i, item := range v {
		if i > 0 {
			to = append(to, ',')
		}
		var err error
		if to, err = appendJSON(to, item); err != nil {
			return nil, err
		}
	}
	return append(to, ']'), nil
}

// unescaped tells that a text is written as it is, between quotes.
func unescaped(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return false
		}
	}
	return true
}
