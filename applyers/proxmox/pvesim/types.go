package pvesim

import (
	"net/url"
	"time"
)

// The two kinds of guests.
const (
	KindVM = "vm"
	KindCT = "ct"
)

// Storage describes a storage of the cluster.
type Storage struct {
	Name string
	// Type is the plugin: dir, nfs, cifs, lvm, lvmthin, zfspool, rbd, … The file
	// based ones hold files in several formats, all others raw volumes alone.
	Type string
	// Content lists what may be kept there; empty means images and rootdir.
	Content []string
	Shared  bool
	// Nodes limits the storage to some nodes; empty means all of them.
	Nodes []string
	// Size is the capacity in bytes; zero means 256 GiB.
	Size int64
	// Used is what everything but volumes takes, Reserved what nobody may use.
	Used, Reserved int64
	// Path is the directory of a file based storage; empty means
	// /var/lib/<name>, and /var/lib/vz for the storage named local.
	Path string
}

// Guest is a copy of a guest's state.
type Guest struct {
	Kind string // KindVM or KindCT
	Node string // empty in AddGuest: the first node
	VMID int
	// Config holds the current values as the configuration file has them, with
	// the description under its own key. In AddGuest, drives without a size get
	// the size of 1 GiB, and the volumes that drives name are allocated.
	Config map[string]string
	// Pending holds values that wait for the next stop, PendingDelete the keys
	// whose removal does.
	Pending       map[string]string
	PendingDelete []string
	Running       bool
	Lock          string
	Snapshots     []string
	// Digest is the SHA-1 over the whole configuration file. It is ignored by AddGuest.
	Digest string
	Pool   string
}

// Volume is a copy of a volume's state.
type Volume struct {
	ID      string // storage:name
	Storage string
	Node    string // empty on a shared storage
	Owner   int    // VMID, zero for files such as images
	Size    int64  // virtual size in bytes
	Format  string
	Content string // images, rootdir, iso, vztmpl, import, backup, snippets
	// Used is what the volume takes; AddVolume calculates it when it is zero.
	Used int64
	// Data holds the bytes of uploaded and downloaded files, and of disks that were
	// made from small ones; otherwise it is nil. It is shared, and not to be written to.
	Data []byte
	// SHA256 is the sum of the file that the volume was made from, followed
	// through imports and clones; empty for a blank disk.
	SHA256 string
}

// Task is a copy of a task's state.
type Task struct {
	UPID, Node, Type, ID, User string
	Started, Ended             time.Time // Ended is zero while it runs
	Exit                       string    // "OK", "WARNINGS: n" or the error; empty while it runs
	Log                        []string
}

// Request is one line of the request log.
type Request struct {
	Seq    int
	Time   time.Time
	Method string
	// Path is the decoded path without /api2/json and without the query.
	Path string
	// Form holds the parameters of the body and of the query together.
	Form    url.Values
	Token   string // user@realm!id, empty when authentication failed
	Status  int    // zero while the request is being worked on, or when its connection was dropped
	Message string // the error text of an answer of 400 and above
}

// Write reports whether the request could change anything.
func (r Request) Write() bool { return r.Method != "GET" }

// ACL is one entry of an access control list.
type ACL struct {
	Path string // as in Proxmox VE: "/", "/vms/100", "/storage/local", "/pool/p", …
	// Role names a role; when it is empty a role is made of Privs.
	Role      string
	Privs     []string
	Propagate bool
}
