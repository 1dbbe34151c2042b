package pvesim

import "sync"

const sumTable = "checksum str needs=checksum-algorithm\nchecksum-algorithm str enum=md5|sha1|sha224|sha256|sha384|sha512 needs=checksum\n"

// uploadSchema are the fields of an upload, which come as parts.
var uploadSchema = sync.OnceValue(func() *schema {
	return parseSchema("content str req enum=iso|vztmpl|import\n"+sumTable+"filename str req len=255", nil)
})

func storageRoutes() []*endpoint {
	const at = "/nodes/{node}/storage/{storage}"
	const set = "content str\nnodes str\nshared bool\ndisable bool\ndigest str len=40\ndelete str\nprune-backups str\npreallocation str\nbwlimit str\n"
	audit := need("/storage/{storage}", "Datastore.Audit", "Datastore.AllocateSpace")
	admin := need("/storage", "Datastore.Allocate")
	return []*endpoint{
		ep("GET /storage", nil, "type str enum=btrfs|cephfs|cifs|dir|esxi|glusterfs|iscsi|iscsidirect|lvm|lvmthin|nfs|pbs|rbd|zfs|zfspool", (*call).storageIndex),
		ep("GET /storage/{storage}", need("/storage/{storage}", "Datastore.Allocate"), "", (*call).storageGet),
		ep("POST /storage", admin, "storage str req\ntype str req\npath str\ncontent str\nnodes str\nshared bool\ndisable bool\npool str\nvgname str\nthinpool str\nserver str\nexport str\n", (*call).storageCreate),
		ep("PUT /storage/{storage}", admin, set, (*call).storageUpdate),
		ep("DELETE /storage/{storage}", admin, "", (*call).storageDelete),
		forwarded(ep("GET /nodes/{node}/storage", nil, "content str fmt=content-list\nenabled bool\nformat bool\nstorage str fmt=storage\ntarget str fmt=node", (*call).nodeStorages)),
		forwarded(ep("GET "+at+"/status", audit, "", (*call).storageStatus)),
		forwarded(ep("GET "+at+"/content", audit, "content str fmt=content\nvmid int fmt=vmid", (*call).contentList)),
		ep("POST "+at+"/content", need("/storage/{storage}", "Datastore.AllocateSpace"), "filename str req\nsize str req pat=bytes\nvmid int req fmt=vmid\nformat str enum=raw|qcow2|subvol|vmdk needs=size", (*call).contentAlloc),
		forwarded(ep("GET "+at+"/content/{volume...}", nil, "", (*call).contentGet)),
		ep("DELETE "+at+"/content/{volume...}", nil, "delay int min=1 max=30", (*call).contentDelete),
		ep("POST "+at+"/upload", need("/storage/{storage}", "Datastore.AllocateTemplate"), "", (*call).upload),
		ep("POST "+at+"/download-url", func(q *call) error {
			if err := q.check("/storage/"+q.args["storage"], "Datastore.AllocateTemplate"); err != nil {
				return err
			}
			return mayDownload(q)
		}, "content str req enum=iso|vztmpl|import\nfilename str req len=255\nurl str req pat=url\n"+sumTable+"compression str\nverify-certificates bool", (*call).downloadURL),
	}
}

func accessRoutes() []*endpoint {
	userAdmin := need("/access/groups", "User.Modify")
	tokenAdmin := ofUser("User.Modify")
	const tok = "/access/users/{userid}/token/{tokenid}"
	const userTable = "comment str len=2048\nenable bool\nexpire int min=0\ngroups str fmt=group-list\nemail str fmt=email\nfirstname str len=1024\nlastname str len=1024\nkeys str pat=keys\n"
	const tokTable = "comment str\nexpire int min=0\nprivsep bool"
	return []*endpoint{
		ep("POST /access/ticket", nil, "username str req\npassword str req\nrealm str\notp str\npath str\nprivs str\nnew-format bool\ntfa-challenge str", (*call).ticket),
		ep("GET /access/permissions", nil, "path str \nuserid str pat=usertoken", (*call).permissions),
		ep("GET /access/acl", nil, "", (*call).aclList),
		ep("PUT /access/acl", func(q *call) error { return q.check(q.args["path"], "Permissions.Modify") }, "path str req\nroles str req fmt=role-list\nusers str fmt=userid-list\ngroups str fmt=group-list\ntokens str fmt=tokenid-list\npropagate bool\ndelete bool", (*call).aclUpdate),
		ep("GET /access/roles", nil, "", (*call).roleList),
		ep("POST /access/roles", need("/access", "Sys.Modify"), "roleid str req fmt=role\nprivs str fmt=privs-list", (*call).roleCreate),
		ep("DELETE /access/roles/{roleid}", need("/access", "Sys.Modify"), "", (*call).roleDelete),
		ep("GET /access/users", nil, "enabled bool\nfull bool", (*call).userList),
		ep("POST /access/users", userAdmin, userTable+"userid str req fmt=userid\npassword str len=64 minlen=8", (*call).userCreate),
		ep("GET /access/users/{userid}", ofUser("User.Modify", "Sys.Audit"), "", (*call).userGet),
		ep("PUT /access/users/{userid}", userAdmin, userTable+"append bool needs=groups", (*call).userUpdate),
		ep("POST /access/groups", need("/access/groups", "Group.Allocate"), "groupid str req\ncomment str", (*call).groupCreate),
		ep("DELETE /access/groups/{groupid}", need("/access/groups", "Group.Allocate"), "", (*call).groupDelete),
		ep("GET /access/users/{userid}/token", orOneself(tokenAdmin), "", (*call).tokenList),
		ep("GET "+tok, orOneself(tokenAdmin), "", (*call).tokenGet),
		ep("POST "+tok, orOneself(tokenAdmin), tokTable, (*call).tokenCreate),
		ep("PUT "+tok, orOneself(tokenAdmin), tokTable, (*call).tokenUpdate),
		ep("DELETE "+tok, orOneself(tokenAdmin), "", (*call).tokenDelete),
	}
}
