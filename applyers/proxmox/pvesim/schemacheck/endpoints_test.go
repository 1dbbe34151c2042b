package schemacheck

// endpoint is a write that Berth sends, or that its users' tools do beside it.
type endpoint struct{ method, path string }

const (
	vm  = "/nodes/{node}/qemu/{vmid}"
	ct  = "/nodes/{node}/lxc/{vmid}"
	sto = "/nodes/{node}/storage/{storage}"
)

// endpoints are those whose judgement is compared.
var endpoints = []endpoint{
	{"POST", "/nodes/{node}/qemu"},
	{"PUT", vm + "/config"},
	{"POST", vm + "/config"},
	{"PUT", vm + "/resize"},
	{"POST", vm + "/move_disk"},
	{"POST", vm + "/clone"},
	{"POST", vm + "/template"},
	{"POST", vm + "/migrate"},
	{"PUT", vm + "/cloudinit"},
	{"PUT", vm + "/unlink"},
	{"POST", vm + "/status/start"},
	{"POST", vm + "/status/stop"},
	{"POST", vm + "/status/shutdown"},
	{"POST", vm + "/status/reboot"},
	{"POST", vm + "/snapshot"},
	{"DELETE", vm + "/snapshot/{snapname}"},
	{"POST", vm + "/snapshot/{snapname}/rollback"},
	{"DELETE", vm},
	{"POST", "/nodes/{node}/lxc"},
	{"PUT", ct + "/config"},
	{"PUT", ct + "/resize"},
	{"POST", ct + "/move_volume"},
	{"POST", ct + "/clone"},
	{"POST", ct + "/template"},
	{"POST", ct + "/migrate"},
	{"POST", ct + "/status/start"},
	{"POST", ct + "/status/stop"},
	{"POST", ct + "/status/shutdown"},
	{"POST", ct + "/status/reboot"},
	{"POST", ct + "/snapshot"},
	{"DELETE", ct + "/snapshot/{snapname}"},
	{"POST", ct + "/snapshot/{snapname}/rollback"},
	{"DELETE", ct},
	{"POST", sto + "/upload"},
	{"POST", sto + "/download-url"},
	{"POST", sto + "/content"},
	{"DELETE", sto + "/content/{volume}"},
	{"DELETE", "/nodes/{node}/tasks/{upid}"},
	{"POST", "/pools"},
	{"PUT", "/pools"},
	{"PUT", "/pools/{poolid}"},
	{"DELETE", "/pools"},
	{"DELETE", "/pools/{poolid}"},
	{"POST", "/access/roles"},
	{"DELETE", "/access/roles/{roleid}"},
	{"PUT", "/access/acl"},
	{"POST", "/access/users"},
	{"PUT", "/access/users/{userid}"},
	{"POST", "/access/users/{userid}/token/{tokenid}"},
	{"PUT", "/access/users/{userid}/token/{tokenid}"},
	{"DELETE", "/access/users/{userid}/token/{tokenid}"},
}
