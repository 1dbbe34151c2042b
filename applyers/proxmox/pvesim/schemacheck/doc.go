// Package schemacheck holds requests against the parameter schema of Proxmox VE:
// a test that watches a simulated cluster fails for every request that a real
// server would not take as it is written.
//
// The schema is ../shared/pve/apischema.json, which is not part of the project. Where
// that file is absent nothing is checked. The package is for tests alone.
//
// It judges what the server's parameter verification judges: unknown paths and
// parameters, missing ones, types, formats, ranges, lengths and enumerations, down
// into property strings such as net0 and scsi0. What comes after that, such as
// rights or the state of a guest, is the simulator's.
package schemacheck
