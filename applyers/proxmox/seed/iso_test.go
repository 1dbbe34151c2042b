package seed

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem/iso9660"
)

func image(t *testing.T, s Seed) (path string, content []byte) {
	t.Helper()
	content, err := s.ISO()
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "seed.iso")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, content
}

// A reader that is not ours finds label and files.
func TestISOReadsBack(t *testing.T) {
	seed := Seed{
		UserData:      []byte("#cloud-config\n" + strings.Repeat("# x\n", 3*sector)),
		MetaData:      []byte("instance-id: i\n"),
		NetworkConfig: bytes.Repeat([]byte("n"), sector),
	}
	path, content := image(t, seed)
	if len(content)%isoSize != 0 {
		t.Errorf("it has %d bytes, no whole MiB", len(content))
	}
	disk, err := file.OpenFromPath(path, true)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = disk.Close() }()
	fs, err := iso9660.Read(disk, int64(len(content)), 0, sector)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(fs.Label()); got != label {
		t.Errorf("label %q", got)
	}
	entries, err := fs.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for _, e := range entries {
		f, err := fs.OpenFile(e.Name(), os.O_RDONLY)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(f)
		if err != nil {
			t.Fatal(err)
		}
		got[e.Name()] = string(text)
	}
	for name, want := range map[string][]byte{
		"user-data": seed.UserData, "meta-data": seed.MetaData, "network-config": seed.NetworkConfig,
	} {
		if got[name] != string(want) {
			t.Errorf("%s has %d bytes, want %d", name, len(got[name]), len(want))
		}
	}
	if len(got) != 3 {
		t.Errorf("%d files, want 3", len(got))
	}
}

// The very tool that guests identify block devices with.
func TestBlkid(t *testing.T) {
	if os.Getenv("BERTH_REAL") == "" {
		t.Skip("needs blkid; set BERTH_REAL=1")
	}
	path, _ := image(t, Seed{UserData: []byte("#cloud-config\n")})
	out, err := exec.CommandContext(t.Context(), "blkid", "-p", "-o", "export", path).CombinedOutput()
	if err != nil {
		t.Fatalf("blkid: %v\n%s", err, out)
	}
	for _, want := range []string{"LABEL=" + label + "\n", "TYPE=iso9660\n"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
}

func TestISORefusesTheAbsurd(t *testing.T) {
	_, err := Seed{UserData: make([]byte, fileMax+1)}.ISO()
	const want = "write seed image: user-data has 67108865 bytes, the most is 67108864"
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}
