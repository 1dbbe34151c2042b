package desired

import (
	"encoding/hex"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strings"
)

var regexpFile = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.+-]*$`)

// The kinds of content that a Proxmox storage keeps images as.
const (
	contentImport   = "import"
	contentTemplate = "vztmpl"
	contentISO      = "iso"
)

// imageUse is an Image with what uses it.
type imageUse struct {
	*item
	*Image
	// by is the first use, whose content decides.
	by      ID
	bySrc   Source
	content string
	sites   map[string]bool
}

// imageDocuments reads the images.
func (l *loader) imageDocuments() {
	l.images = map[string]*imageUse{}
	for _, doc := range l.docs {
		if doc.kind.word != "Image" {
			continue
		}
		i := &imageUse{Image: &Image{}, sites: map[string]bool{}}
		i.item = l.open(doc, i.Image, l.defaults["Image"])
		i.Name, i.Source = doc.name, doc.src
		l.images[doc.name] = i
		l.checkImage(i)
		written := *i.Image
		l.fleet.Images[doc.name] = &written
	}
}

func (l *loader) checkImage(i *imageUse) {
	u, err := url.Parse(i.URL)
	switch {
	case i.bad["url"], i.URL == "" && i.explained("", "url"):
	case i.URL == "":
		l.wrong(i.item, i.src, "url is missing: write where the image is fetched from")
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		l.wrong(i.item, i.at("url"), "url: this is no http or https address: Proxmox fetches from these only")
	case u.User != nil:
		l.wrong(i.item, i.at("url"), "url: a user or password can't stand in the address: put the image where none is needed")
	}
	if !i.bad["sha256"] && !i.bad["sha512"] {
		switch {
		case i.SHA256 == "" && i.SHA512 == "" && (i.explained("", "sha256") || i.explained("", "sha512")):
		case i.SHA256 == "" && i.SHA512 == "":
			l.wrong(i.item, i.src, "sha256 or sha512 is missing: an image is taken only if its checksum agrees")
		case i.SHA256 != "" && i.SHA512 != "":
			l.wrong(i.item, i.at("sha512"), "sha512: sha256 is there as well: keep one")
		}
	}
	for _, sum := range []struct {
		word  string
		value *string
		bytes int
	}{{"sha256", &i.SHA256, 32}, {"sha512", &i.SHA512, 64}} {
		*sum.value = strings.ToLower(*sum.value)
		if raw, err := hex.DecodeString(*sum.value); *sum.value != "" && (err != nil || len(raw) != sum.bytes) {
			l.wrong(i.item, i.at(sum.word), "%s: %d hex digits are wanted, not %q", sum.word, 2*sum.bytes, shorten(*sum.value))
		}
	}
	if i.File != "" && !regexpFile.MatchString(i.File) {
		l.wrong(i.item, i.at("file"), "file: %q: write letters, digits and . _ + - only", i.File)
	}
	if i.Storage != "" && !isStore(i.Storage) {
		l.wrong(i.item, i.at("storage"), "storage: %q is no storage's name", i.Storage)
	}
}

func shorten(text string) string {
	if len(text) > 16 {
		return text[:13] + "..."
	}
	return text
}

// useImage notes that a guest's disk is made from an image, or that an image is
// in its CD-ROM drive, as word says.
func (l *loader) useImage(g *guest, key, word, name string) {
	i := l.images[name]
	src := g.at("disks", key, word)
	at := Path("disks").Sub(key).Sub(word)
	if i == nil {
		if !l.exists(MakeID(KindImage, name)) {
			l.wrong(g.item, src, "%s: %s", at, l.missing("image", name, l.documents(KindImage)))
		}
		return
	}
	content, what := contentImport, "a VM's disk is made"
	switch {
	case word == "iso":
		content, what = contentISO, "a CD-ROM drive is filled"
	case g.ct != nil:
		content, what = contentTemplate, "a container is made"
	}
	is, why := i.looks()
	switch {
	case i.bad["content"]:
		return
	case is != "" && is != content:
		l.wrong(g.item, src, "%s: %s is %s (%s): use %s", at, name, imageWord(is), why, imageWord(content))
		return
	case i.has("content") && i.Content != content:
		l.wrong(g.item, src, "%s: %s from content %s, and image %s says %s (%s): use another image", at, what, content, name, i.Content, i.at("content").place())
		return
	case i.content == "":
		i.content, i.by, i.bySrc = content, g.id, src
		l.settleFile(i)
	case i.content != content:
		l.wrong(g.item, src, "%s: image %s is used for %s as %s (%s), here it would be %s: write a second Image", at, name, i.by, i.content, i.bySrc.place(), content)
		return
	}
	g.images = append(g.images, imageClaim{name: name, content: content, src: src, here: g.site != nil && g.State != Absent})
	if g.site == nil || g.State == Absent {
		return
	}
	if i.Storage == "" && g.site.Images == "" && !g.site.explained("", "images") {
		l.wrong(g.site.item, g.site.src, "images is missing: say which storage keeps images, %s needs one", g.id)
	}
	i.sites[g.site.name] = true
}

// looks tells by its file's extension what content an image is and why; "" where
// it does not tell, or where the manifest says it.
func (i *imageUse) looks() (content, why string) {
	if i.has("content") {
		return "", ""
	}
	word, ext := "file", imageExt(i.File, false)
	if !i.has("file") {
		word, ext = "url", i.urlExt()
	}
	why = "its " + word + " ends in " + ext
	switch {
	case hasSuffix(ext, diskExts()...) || word == "url" && ext == ".img":
		return contentImport, why
	case hasSuffix(ext, templateExts()...):
		return contentTemplate, why
	case hasSuffix(ext, ".iso"):
		return contentISO, why
	}
	return "", ""
}

// imageWord is what people call a kind of content.
func imageWord(content string) string {
	switch content {
	case contentTemplate:
		return "a container template"
	case contentISO:
		return "a CD-ROM image"
	}
	return "a disk image"
}

// diskExts and templateExts are how files end that Proxmox takes as import and
// as vztmpl.
func diskExts() []string { return []string{".qcow2", ".raw", ".vmdk"} }

func templateExts() []string { return []string{".tar.gz", ".tar.xz", ".tar.zst", ".tar.bz2"} }

// urlExt is the extension of what is fetched, once it is unpacked.
func (i *imageUse) urlExt() string {
	base := ""
	if u, err := url.Parse(i.URL); err == nil {
		base = path.Base(u.Path)
	}
	return imageExt(base, i.Decompress != "")
}

// settleFile gives an image the name under which a storage keeps it.
func (l *loader) settleFile(i *imageUse) {
	i.Content = i.content
	file, src := i.File, i.at("file")
	if file == "" {
		src = i.at("url")
		file = i.Name + i.urlExt()
	}
	switch i.content {
	case contentImport:
		if i.File == "" {
			if cut, ok := strings.CutSuffix(file, ".img"); ok {
				file = cut + ".qcow2"
			}
		}
		if !hasSuffix(file, diskExts()...) {
			l.fileExt(i, src, file, "import takes .qcow2, .raw and .vmdk")
			return
		}
	case contentISO:
		if !hasSuffix(file, ".iso", ".img") {
			l.fileExt(i, src, file, "iso takes .iso and .img")
			return
		}
	default:
		if !hasSuffix(file, templateExts()...) {
			l.fileExt(i, src, file, "vztmpl takes .tar.gz, .tar.xz, .tar.zst and .tar.bz2")
			return
		}
	}
	i.File = file
}

func (l *loader) fileExt(i *imageUse, src Source, file, takes string) {
	if i.bad["url"] || i.bad["file"] || i.URL == "" {
		return
	}
	if i.has("file") {
		l.wrong(i.item, src, "file: %q: %s: write such a name", file, takes)
		return
	}
	l.wrong(i.item, src, "url: %s: use another image, or add file: with such a name", takes)
}

// imageExt is the extension that tells an image's format.
func imageExt(base string, decompressed bool) string {
	if decompressed {
		base = strings.TrimSuffix(base, path.Ext(base))
	}
	ext := path.Ext(base)
	if inner := path.Ext(strings.TrimSuffix(base, ext)); inner == ".tar" {
		return inner + ext
	}
	return ext
}

func hasSuffix(text string, suffixes ...string) bool {
	for _, s := range suffixes {
		if strings.HasSuffix(text, s) {
			return true
		}
	}
	return false
}

// imageID is the id of an image on a site.
func imageID(name, site string) ID { return ID(fmt.Sprintf("%s/%s@%s", KindImage, name, site)) }

// imageResources makes a resource of each image on each site that uses it.
func (l *loader) imageResources() {
	for _, name := range sortedKeys(l.images) {
		i := l.images[name]
		for _, site := range sortedKeys(i.sites) {
			store := i.Storage
			if store == "" {
				store = l.sites[site].Images
			}
			spec := &ImageAt{Image: *i.Image, Site: site, Store: l.sites[site].Store(store), Present: true}
			l.fleet.Resources = append(l.fleet.Resources, &Resource{
				ID: imageID(name, site), Site: site, Spec: spec, Source: i.src,
				Set: SettingsOf(map[Path]Source{"present": i.src}),
			})
		}
	}
}

// Store is the Proxmox storage that a word means: a class's, else the storage
// of that very name. On a node it may be another: see [Site.StoreOn].
func (s *Site) Store(word string) string { return s.StoreOn(word, "") }

// StoreOn is the Proxmox storage that a word means on a node: what the class
// says for that node, else the class's own, else the storage of that very name.
func (s *Site) StoreOn(word, node string) string {
	class, ok := s.Storage[word]
	if !ok {
		return word
	}
	if store := class.PerNode[node]; store != "" {
		return store
	}
	return class.Store
}
