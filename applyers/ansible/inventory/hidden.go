package inventory

import (
	"slices"
	"strconv"

	"berth/desired"
)

// SecretsVar is the variable that tells which variables of a host were left out,
// since they are secrets: by their dotted path, the secret that each is.
const SecretsVar = "berth_secrets"

// shown are variables as they may be printed: without secrets, which are named in
// [SecretsVar]. In a list null stands in a secret's place, so that what follows
// keeps its own.
func shown(vars map[string]any) map[string]any {
	found := make(map[string]any)
	out, _ := without(vars, "", found).(map[string]any)
	if len(found) > 0 {
		out[SecretsVar] = found
	}
	return out
}

// hiding tells whether a secret is in a value.
func hiding(value any) bool {
	switch v := value.(type) {
	case desired.SecretRef, *desired.SecretRef, desired.Secret:
		return true
	case map[string]any:
		for _, one := range v {
			if hiding(one) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, hiding)
	}
	return false
}

// without is a copy of a value, or the value itself where there is no secret in it,
// save that the outermost map is always copied.
func without(value any, path string, found map[string]any) any {
	switch v := value.(type) {
	case map[string]any:
		if path != "" && !hiding(v) {
			return v
		}
		out := make(map[string]any, len(v)+1)
		for key, one := range v {
			if name, secret := named(one); secret {
				found[dotted(path, key)] = name
				continue
			}
			out[key] = without(one, dotted(path, key), found)
		}
		return out
	case []any:
		if !hiding(v) {
			return v
		}
		out := make([]any, len(v))
		for i, one := range v {
			at := dotted(path, strconv.Itoa(i))
			if name, secret := named(one); secret {
				found[at] = name
				continue
			}
			out[i] = without(one, at, found)
		}
		return out
	}
	return value
}

// named is what a secret is called; a value of which no more is known is called
// by what it is.
func named(value any) (name string, secret bool) {
	switch v := value.(type) {
	case *desired.SecretRef:
		if v == nil {
			return "", false
		}
		return named(*v)
	case desired.SecretRef:
		if v.Key != "" {
			return v.Secret + " " + v.Key, true
		}
		return v.Secret, true
	case desired.Secret:
		return v.String(), true
	}
	return "", false
}

func dotted(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
