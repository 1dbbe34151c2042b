package pvesim

import (
	"bytes"
	"context"
	"crypto/md5"  //nolint:gosec // offered by the API
	"crypto/sha1" //nolint:gosec // offered by the API
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"net/url"
	"path"
	"strings"
	"syscall"
)

// imageSize is the virtual size of the disk images that are made up.
const imageSize = 2 << 30

// Bytes returns what the default download of a URL gives: made up from the URL,
// and a valid qcow2 header where the name looks like a disk image's.
func Bytes(rawURL string) []byte {
	seed := sha256.Sum256([]byte(rawURL))
	rng := rand.New(rand.NewPCG(binary.BigEndian.Uint64(seed[:8]), binary.BigEndian.Uint64(seed[8:16]))) //nolint:gosec // made-up bytes
	out := make([]byte, 4096)
	for i := range out {
		out[i] = byte(rng.UintN(256)) //nolint:gosec // below 256
	}
	if name := fileName(rawURL); strings.HasSuffix(name, ".qcow2") || strings.HasSuffix(name, ".img") {
		copy(out, "QFI\xfb\x00\x00\x00\x03")
		binary.BigEndian.PutUint64(out[24:], imageSize)
	}
	return out
}

// Sum returns the checksum of what the default download of a URL gives, by an
// algorithm that the API knows, in hex; an unknown algorithm gives "".
func Sum(rawURL, algo string) string { return sumOf(Bytes(rawURL), algo) }

// sumOf returns the checksum of a text by an algorithm that the API knows, in hex;
// an unknown algorithm gives "".
func sumOf[T string | []byte](data T, algo string) string {
	var h hash.Hash
	switch algo {
	case "md5":
		h = md5.New() //nolint:gosec // offered by the API
	case "sha1":
		h = sha1.New() //nolint:gosec // offered by the API
	case "sha224":
		h = sha256.New224()
	case "sha256":
		h = sha256.New()
	case "sha384":
		h = sha512.New384()
	case "sha512":
		h = sha512.New()
	default:
		return ""
	}
	h.Write([]byte(data))
	return hex.EncodeToString(h.Sum(nil))
}

func defaultDownload(_ context.Context, rawURL string) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(Bytes(rawURL))), nil
}

func fileName(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		return ""
	}
	return path.Base(u.Path)
}

// get downloads a URL while the cluster goes on.
func (q *call) get(rawURL string) ([]byte, error) {
	r, err := q.download(context.WithoutCancel(q.ctx), rawURL)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// refusal words an error as the two programs do that fetch URLs.
func refusal(err error, from, refused string) string {
	u, perr := url.Parse(from)
	if perr != nil || !errors.Is(err, syscall.ECONNREFUSED) {
		return err.Error()
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return fmt.Sprintf(refused, u.Hostname()+":"+port)
}

func (q *call) downloadURL() (any, error) {
	content, name, from := q.args["content"], q.args["filename"], q.args["url"]
	s, err := q.storageOn(q.node, q.args["storage"])
	if err != nil {
		return nil, err
	}
	if !s.holds(content) {
		return nil, fail("storage '%s' is not configured for content-type '%s'", s.Name, content)
	}
	if !validName(content, name) {
		return nil, badParam("filename", "invalid filename or wrong extension")
	}
	algo, sum := q.args["checksum-algorithm"], q.args["checksum"]
	return q.spawn(job{kind: "download", id: name, run: func(t *task) error {
		file := s.path(content + "/" + name)
		t.logf("downloading %s to %s", from, file)
		if s.volumes[s.key(q.node, content+"/"+name)] != nil {
			return fail("refusing to override existing file '%s'", file)
		}
		t.logf("--%s--  %s", q.now().UTC().Format("2006-01-02 15:04:05"), from)
		data, err := q.get(from)
		if err != nil {
			return fail("download failed: %s", refusal(err, from, "Connecting to %s... failed: Connection refused."))
		}
		if q.fault != nil && q.fault.Full {
			return fail("download failed: No space left on device")
		}
		t.logf("Length: %d", len(data))
		if err := verifySum(t, data, sum, algo); err != nil {
			return err
		}
		if content == "import" {
			if err := verifyImage(t, file+".tmp_dwnl", name, data); err != nil {
				return err
			}
		}
		q.store(s, content, name, data, "")
		t.logf("download of '%s' to '%s' finished", from, file)
		return nil
	}}), nil
}

func (q *call) queryURL() (any, error) {
	data, err := q.get(q.args["url"])
	if err != nil {
		return nil, fail("invalid server response: '500 %s'", refusal(err, q.args["url"], "Can't connect to %s (Connection refused)"))
	}
	return map[string]any{"filename": fileName(q.args["url"]), "size": len(data), "mimetype": "application/octet-stream"}, nil
}
