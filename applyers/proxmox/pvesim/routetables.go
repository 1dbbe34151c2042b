package pvesim

// What a call takes that both kinds of guests have, where they differ.

// migrateTables are what a migration of a VM, and of a container, takes.
var migrateTables = map[string]string{
	KindVM: "target str req fmt=node\nonline bool\nforce bool\nwith-local-disks bool\ntargetstorage str fmt=pair-list\nbwlimit int min=0\nmigration_type str enum=secure|insecure\nmigration_network str fmt=cidr",
	KindCT: "target str req fmt=node\nonline bool\nrestart bool\ntarget-storage str fmt=pair-list\nbwlimit num min=0\ntimeout int",
}

var startTables = map[string]string{
	KindVM: "skiplock bool\ntimeout int min=0\nmachine str prop=machine\nforce-cpu str\nmigratedfrom str fmt=node\nstateuri str len=128\ntargetstorage str fmt=pair-list\nmigration_type str enum=secure|insecure\nmigration_network str fmt=cidr\nnets-host-mtu str pat=mtus",
	KindCT: "skiplock bool\ndebug bool",
}

var stopTables = map[string]string{
	KindVM: "skiplock bool\ntimeout int min=0\nkeepActive bool\noverrule-shutdown bool\nmigratedfrom str fmt=node",
	KindCT: "skiplock bool\noverrule-shutdown bool",
}

var shutdownTables = map[string]string{
	KindVM: "skiplock bool\ntimeout int min=0\nforceStop bool\nkeepActive bool",
	KindCT: "timeout int min=0\nforceStop bool",
}

var destroyTables = map[string]string{
	KindVM: "purge bool\ndestroy-unreferenced-disks bool\nskiplock bool",
	KindCT: "purge bool\ndestroy-unreferenced-disks bool\nforce bool",
}

var snapshotTables = map[string]string{
	KindVM: "snapname str req len=40 fmt=id\ndescription str\nvmstate bool",
	KindCT: "snapname str req len=40 fmt=id\ndescription str",
}
