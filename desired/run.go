package desired

import (
	"crypto/sha256"
	"encoding/hex"
)

// Run is what a playbook's success on one host is measured by: what the manifests
// say of it, together with the guest's instance, so that a guest made anew is due
// again, and with the versions of what lies outside of the manifests.
type Run struct {
	// Digest covers the playbook's files, its variables and the host's own, as far as
	// the manifests tell; live, what was remembered of the last success. It is "" where
	// OnDemand is true.
	Digest string
	// Parts are what Digest covers, each by itself, so that people can be told which of
	// them is new. Nothing is decided by them; the zero Parts are not known.
	Parts RunParts
	// Guest is the host: a guest, or a Host.
	Guest ID
	// Play is the playbook.
	Play ID
	// Secrets are what the playbook's and the host's variables and the playbook's
	// vaults refer to, sorted: a new version of any makes the host due.
	Secrets []SecretRef
	// Git tells that the playbook lies in another repository: another commit there
	// makes the host due.
	Git bool
	// OnDemand tells that neither files nor variables make the host due, since the
	// playbook runs at its schedule alone or when somebody asks.
	OnDemand bool
	// Due is, live, why the host is due whatever the digests say, for people: "its
	// schedule came at 11:11". "" where it is not. What is wanted has none.
	Due string
}

// RunParts are what a run is known by, a few bytes each.
type RunParts struct {
	// Files are the playbook's, with the roles and variables of its directory, Vars what
	// its manifest says else, Host what the host's manifest says.
	Files, Vars, Host [6]byte
}

// FactVersion is, before a blank and the host's name, the fact of a playbook that
// tells the versions of the secrets and the commit which a [Run] there depends on.
const FactVersion = "version"

// VersionFact is the fact of a playbook that [Run.Resolve] asks for of a host.
func VersionFact(host string) string { return FactVersion + " " + host }

// Equal tells whether what has run is what must have: nobody says that the host is
// due, and the digests are the same, where any is asked for.
func (r Run) Equal(other Run) bool {
	switch {
	case r.Due != "" || other.Due != "":
		return false
	case r.OnDemand || other.OnDemand:
		return true
	}
	return r.Digest == other.Digest
}

// String is why the host is due, or the digest, shortened for people.
func (r Run) String() string {
	switch {
	case r.Due != "":
		return r.Due
	case r.OnDemand:
		return "a run when it is due"
	case len(r.Digest) > 12:
		return r.Digest[:12]
	}
	return r.Digest
}

// Outside tells whether something outside of the manifests counts: then
// [Run.Resolve] asks for the playbook's [VersionFact] of the host.
func (r Run) Outside() bool { return !r.OnDemand && (r.Git || len(r.Secrets) > 0) }

// Resolve binds the digest to the guest's instance, and to the versions of what
// lies outside. A Host has no instance: nobody tells when it was made anew.
func (r Run) Resolve(fact Lookup) (leaf any, from string) {
	if r.OnDemand {
		return r, ""
	}
	text := r.Digest
	if r.Guest.Kind() != KindHost {
		instance, known := fact(r.Guest, FactInstance)
		if !known {
			return r, string(r.Guest) + " " + FactInstance
		}
		text += "\n" + instance
	}
	if r.Outside() {
		version, known := fact(r.Play, VersionFact(r.Guest.Name()))
		if !known {
			return r, string(r.Play) + " " + VersionFact(r.Guest.Name())
		}
		text += "\n" + version
	}
	sum := sha256.Sum256([]byte(text))
	r.Digest = hex.EncodeToString(sum[:])
	return r, ""
}

var _ Deferred = Run{}
