package pvesim

import (
	"fmt"
	"io"
	"net/http"
	"testing"
)

// The simulator must not be what a benchmark of the agent measures.
func BenchmarkTenThousandGuests(b *testing.B) {
	c := New(Options{})
	for i := range 10_000 {
		id := 1000 + i
		c.AddGuest(Guest{VMID: id, Config: map[string]string{"name": fmt.Sprintf("g%d", id), "cores": "2", "memory": "2048", "boot": "order=scsi0", "scsi0": fmt.Sprintf("local-lvm:vm-%d-disk-0,size=8G", id), "net0": "virtio=BC:24:11:00:00:01,bridge=vmbr0"}})
	}
	token := c.AddToken("berth@pve", "agent", true, ACL{Path: "/", Role: "PVEVMAdmin", Propagate: true})
	for _, path := range []string{"/cluster/resources", "/nodes/pve1/qemu", "/nodes/pve1/qemu/5000/pending", "/nodes/pve1/storage/local-lvm/content"} {
		b.Run(path, func(b *testing.B) {
			for b.Loop() {
				r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, "https://pve.test/api2/json"+path, nil)
				if err != nil {
					b.Fatal(err)
				}
				r.Header.Set("Authorization", "PVEAPIToken="+token)
				resp, err := c.Transport().RoundTrip(r)
				if err != nil {
					b.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
		})
	}
}
