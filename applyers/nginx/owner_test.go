package nginx

import (
	"io/fs"
	"syscall"
	"testing"
)

func owner(t *testing.T, info fs.FileInfo) (uid, gid uint32) {
	t.Helper()
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		t.Fatalf("%T has no owner", info.Sys())
	}
	return stat.Uid, stat.Gid
}
