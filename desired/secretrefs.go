package desired

import (
	"cmp"
	"fmt"
	"slices"
)

// Compare orders references by name and key.
func (r SecretRef) Compare(other SecretRef) int {
	return cmp.Or(cmp.Compare(r.Secret, other.Secret), cmp.Compare(r.Key, other.Key))
}

// String is the reference as manifests write it.
func (r SecretRef) String() string {
	if r.Key == "" {
		return fmt.Sprintf("{secret: %s}", r.Secret)
	}
	return fmt.Sprintf("{secret: %s, key: %s}", r.Secret, r.Key)
}

// SecretRefs lists what variables refer to, at any depth, sorted, each once.
func SecretRefs(vars map[string]any) []SecretRef {
	var refs []SecretRef
	for _, value := range vars {
		refs = refsWithin(refs, value)
	}
	return sortedRefs(refs)
}

func refsWithin(refs []SecretRef, value any) []SecretRef {
	switch value := value.(type) {
	case SecretRef:
		refs = append(refs, value)
	case map[string]any:
		for _, below := range value {
			refs = refsWithin(refs, below)
		}
	case []any:
		for _, below := range value {
			refs = refsWithin(refs, below)
		}
	}
	return refs
}

// sortedRefs are references sorted, each once; nil for none.
func sortedRefs(refs []SecretRef) []SecretRef {
	if len(refs) == 0 {
		return nil
	}
	slices.SortFunc(refs, SecretRef.Compare)
	return slices.Compact(refs)
}

// Secrets lists what a run of the playbook refers to beside the variables of its
// hosts, sorted: its own variables, vaults, a webhook's headers and the key of its
// repository.
func (p *Playbook) Secrets() []SecretRef {
	refs := append(SecretRefs(p.Vars), p.vaultRefs()...)
	if p.Runner.Webhook != nil {
		for _, header := range p.Runner.Webhook.Headers {
			if ref := header.Ref(); ref != (SecretRef{}) {
				refs = append(refs, ref)
			}
		}
	}
	if p.Git != nil && p.Git.Key != (SecretRef{}) {
		refs = append(refs, p.Git.Key)
	}
	return sortedRefs(refs)
}

func (p *Playbook) vaultRefs() []SecretRef {
	var refs []SecretRef
	for _, ref := range p.Vaults {
		refs = append(refs, ref)
	}
	return refs
}
