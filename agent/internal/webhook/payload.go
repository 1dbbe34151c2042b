package webhook

import (
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

// pushed is what a delivery says that happened.
type pushed struct {
	// event is set where it is no push after all.
	event string
	// repository is whose it is, as OWNER/NAME; "" if it does not say.
	repository string
	changes    []change
	// vague is that it names no branch: a turn is asked for, whatever happened.
	vague bool
}

// change is what became of one branch or tag.
type change struct {
	ref     string // In full, as in refs/heads/main.
	deleted bool
}

var (
	errNoRef  = errors.New("it names no branch or tag")
	errNoRepo = errors.New("it names no repository")
)

func isForm(header http.Header) bool {
	kind, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	return err == nil && kind == "application/x-www-form-urlencoded"
}

// payload is the JSON of a delivery: its body or, of a form, the field of that name.
// Whoever may send anything may also call it a form: curl --data does.
func (f forge) payload(header http.Header, body []byte) ([]byte, error) {
	if !isForm(header) {
		return body, nil
	}
	form, err := url.ParseQuery(string(body))
	switch {
	case err == nil && form.Get("payload") != "":
		return []byte(form.Get("payload")), nil
	case f.eventHeader == "":
		return body, nil
	}
	return nil, errors.New("the form has no field payload")
}

// parse reads JSON, and says what is wrong with it without Go's words.
func parse(text []byte, into any) error {
	err := json.Unmarshal(text, into)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return errors.New("its field " + quoted(wrong.Field) + " is of another kind")
	}
	if err != nil {
		return errors.New("it is no JSON, or not all of it")
	}
	return nil
}

// gone tells that a hash is the one that stands for none.
func gone(hash string) bool { return hash != "" && strings.Trim(hash, "0") == "" }

// readPush reads what GitHub sends, and Gitea, Forgejo and Gogs in the same words.
func readPush(text []byte) (pushed, error) {
	var in struct {
		Ref        string `json:"ref"`
		After      string `json:"after"`
		Deleted    bool   `json:"deleted"`
		Repository struct {
			FullName string `json:"full_name"`
		} `json:"repository"`
	}
	if err := parse(text, &in); err != nil {
		return pushed{}, err
	}
	return one(in.Repository.FullName, change{in.Ref, in.Deleted || gone(in.After)})
}

// one is a push of one branch or tag.
func one(repository string, c change) (pushed, error) {
	switch {
	case c.ref == "":
		return pushed{}, errNoRef
	case repository == "":
		return pushed{}, errNoRepo
	}
	return pushed{repository: repository, changes: []change{c}}, nil
}

// readGitLab reads a push; its system hooks tell of much else under one name.
func readGitLab(text []byte) (pushed, error) {
	var in struct {
		ObjectKind string `json:"object_kind"`
		EventName  string `json:"event_name"`
		Ref        string `json:"ref"`
		After      string `json:"after"`
		Project    struct {
			Path string `json:"path_with_namespace"`
		} `json:"project"`
	}
	if err := parse(text, &in); err != nil {
		return pushed{}, err
	}
	kind := in.ObjectKind
	if kind == "" {
		kind = in.EventName
	}
	if kind != "push" && kind != "tag_push" {
		return pushed{event: kind}, nil
	}
	return one(in.Project.Path, change{in.Ref, gone(in.After)})
}

// readBitbucket reads what Bitbucket Cloud sends: several branches and tags at once.
func readBitbucket(text []byte) (pushed, error) {
	type side struct {
		Type string `json:"type"`
		Name string `json:"name"`
	}
	var in struct {
		Push struct {
			Changes []struct {
				Old *side `json:"old"`
				New *side `json:"new"`
			} `json:"changes"`
		} `json:"push"`
		Repository struct {
			FullName string `json:"full_name"`
		} `json:"repository"`
	}
	if err := parse(text, &in); err != nil {
		return pushed{}, err
	}
	out := pushed{repository: in.Repository.FullName}
	for _, c := range in.Push.Changes {
		now, deleted := c.New, c.New == nil
		if deleted {
			now = c.Old
		}
		if now == nil || now.Name == "" {
			return pushed{}, errNoRef
		}
		kind := "refs/heads/"
		if strings.Contains(now.Type, "tag") {
			kind = "refs/tags/"
		}
		out.changes = append(out.changes, change{kind + now.Name, deleted})
	}
	return out.whole()
}

// readBitbucketDC reads what Bitbucket Data Center sends.
func readBitbucketDC(text []byte) (pushed, error) {
	var in struct {
		Changes []struct {
			RefID string `json:"refId"`
			Ref   struct {
				ID string `json:"id"`
			} `json:"ref"`
			Type string `json:"type"`
		} `json:"changes"`
		Repository struct {
			Slug    string `json:"slug"`
			Project struct {
				Key string `json:"key"`
			} `json:"project"`
		} `json:"repository"`
	}
	if err := parse(text, &in); err != nil {
		return pushed{}, err
	}
	out := pushed{}
	if r := in.Repository; r.Slug != "" && r.Project.Key != "" {
		out.repository = r.Project.Key + "/" + r.Slug
	}
	for _, c := range in.Changes {
		ref := c.Ref.ID
		if ref == "" {
			ref = c.RefID
		}
		if ref == "" {
			return pushed{}, errNoRef
		}
		out.changes = append(out.changes, change{ref, c.Type == "DELETE"})
	}
	return out.whole()
}

// whole refuses what lacks a part that a push has.
func (p pushed) whole() (pushed, error) {
	switch {
	case len(p.changes) == 0:
		return pushed{}, errNoRef
	case p.repository == "":
		return pushed{}, errNoRepo
	}
	return p, nil
}

// readAny reads what others than forges send: whatever is signed asks for a turn, unless
// it is JSON that names a branch or a repository.
func readAny(text []byte) (pushed, error) {
	var in struct {
		Ref        any `json:"ref"`
		Repository any `json:"repository"`
	}
	if json.Unmarshal(text, &in) != nil {
		return pushed{vague: true}, nil
	}
	out := pushed{vague: true}
	out.repository, _ = in.Repository.(string)
	if ref, named := in.Ref.(string); named && ref != "" {
		if !strings.HasPrefix(ref, "refs/") {
			ref = "refs/heads/" + ref
		}
		out.vague, out.changes = false, []change{{ref: ref}}
	}
	return out, nil
}
