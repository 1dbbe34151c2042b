package desired

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
)

// maxPlaybooks is how much the files beside a playbook may be together.
const maxPlaybooks = 64 << 20

// digest is the SHA-256 of a value's JSON, whose maps are sorted. Values that
// the loader makes can always be written as JSON.
func digest(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		text = fmt.Append(nil, v)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// digestDir is the SHA-256 over the names and contents of all files below a
// directory. Links are refused: what they lead to could change unseen.
func digestDir(fsys fs.FS, dir string) (string, error) {
	sum, total := sha256.New(), int64(0)
	err := fs.WalkDir(fsys, dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			if name != dir && strings.HasPrefix(path.Base(name), ".") {
				return fs.SkipDir
			}
			return nil
		case d.Type()&fs.ModeSymlink != 0:
			return fmt.Errorf("%s is a symbolic link: put the file itself here", name)
		case !d.Type().IsRegular():
			return nil
		}
		f, err := fsys.Open(name)
		if err != nil {
			return err
		}
		content := sha256.New()
		n, err := io.Copy(content, io.LimitReader(f, maxPlaybooks+1))
		if closeErr := f.Close(); err == nil {
			err = closeErr
		}
		if err != nil {
			return err
		}
		if total += n; total > maxPlaybooks {
			return fmt.Errorf("the files in %s are more than %d MiB: move what Ansible does not need", dir, maxPlaybooks>>20)
		}
		_, err = fmt.Fprintf(sum, "%q %x\n", strings.TrimPrefix(name, dir+"/"), content.Sum(nil))
		return err
	})
	if err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
