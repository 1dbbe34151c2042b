package importer

import (
	"errors"
	"testing/fstest"

	"berth/desired"
)

// Name makes a fleet's name of a directory's; otherwise where nothing of it can
// stand in one.
func Name(directory, otherwise string) string {
	if name := valid(directory); name != "" {
		return name
	}
	return otherwise
}

// CheckNew tells what is wrong with a new fleet and its site before anything is
// read: names, endpoints, fingerprint, authority.
func CheckNew(o Options) error {
	site := o.Site
	m := &maker{Options: o, site: &site, siteKeep: map[desired.Path]bool{
		"endpoints": true, "token.secret": true, "tls.fingerprint": o.Site.TLS.Fingerprint != "", "tls.ca": o.Site.TLS.CA != "",
	}}
	files, err := m.files()
	if err != nil {
		return err
	}
	tree := fstest.MapFS{}
	for name, text := range files {
		tree[name] = &fstest.MapFile{Data: text}
	}
	_, err = desired.Load(tree)
	problems, ok := errors.AsType[desired.Problems](err)
	if !ok {
		return err
	}
	var all []error
	for _, p := range problems {
		all = append(all, errors.New(p.Text))
	}
	return errors.Join(all...)
}
