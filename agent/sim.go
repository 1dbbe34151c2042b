package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"berth/applyers/proxmox/pvesim"
)

func newSim(s streams) *cobra.Command {
	var listen, sum string
	cmd := &cobra.Command{
		Use:   "sim",
		Short: "Serve a simulated Proxmox cluster over TLS, and print a token for it",
		Long: `Serve a simulated Proxmox VE cluster, with some guests on it, over TLS, and print
what a client needs: a token, and the Site document that points a fleet at it.
Any Proxmox client can be pointed at it. It keeps everything in memory and
forgets it at the end.

It has no network: what download-url fetches is made up from the URL, so that an
Image's sha256 must be that of what is made up; --sha256 URL prints it.`,
		Example: "  agent sim\n  agent sim --listen 127.0.0.1:8006\n  agent sim --sha256 https://example.com/debian-12.tar.zst",
		Args:    atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if sum != "" {
				fmt.Fprintln(s.Out, pvesim.Sum(sum, "sha256"))
				return nil
			}
			sim, err := startSimulator(cmd.Context(), listen, pvesim.Options{Now: time.Now})
			if err != nil {
				return err
			}
			fmt.Fprintf(s.Out, "endpoint     %s\nfingerprint  %s\ntoken        %s\n\n", sim.endpoint, sim.fingerprint, sim.token)
			fmt.Fprintf(s.Out, simSite, sim.endpoint, sim.fingerprint)
			fmt.Fprintf(s.Out, "Try: curl --insecure --header 'Authorization: PVEAPIToken=%s' %s/api2/json/cluster/resources\n", sim.token, sim.endpoint)
			<-cmd.Context().Done()
			return sim.close()
		},
	}
	cmd.Flags().StringVar(&sum, "sha256", "", "print the checksum of what this URL gives here, and end")
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:8006", "address and port to listen on; port 0 takes a free one")
	return cmd
}

// simSite is the document that points a fleet at the simulator.
const simSite = `kind: Site
name: home
endpoints: ["%s"]
tls: {fingerprint: "%s"}
token: {secret: pve}                # secrets: {pve: FILE} in agent.yaml; FILE holds the token
node: proxmox-1
storage: {ssd: {store: local-nvme}}
images: local
networks: {lan: {bridge: vmbr0, subnet: 10.111.1.0/24, gateway: 10.111.1.1}}

`

// simulator is a simulated cluster that is being served.
type simulator struct {
	cluster                      *pvesim.Cluster
	endpoint, fingerprint, token string

	server *http.Server
	ended  chan error
}

// startSimulator serves a populated cluster over TLS.
func startSimulator(ctx context.Context, listen string, o pvesim.Options) (*simulator, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("serve the simulator: %w", err)
	}
	host, _, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		return nil, fmt.Errorf("serve the simulator: %w", err)
	}
	cert, fingerprint, err := selfSigned(host)
	if err != nil {
		return nil, err
	}
	cluster := pvesim.Homelab(o)
	sim := &simulator{
		cluster: cluster, fingerprint: fingerprint, endpoint: "https://" + listener.Addr().String(),
		token: cluster.AddToken("root@pam", "berth", false),
		server: &http.Server{
			Handler: cluster, ReadHeaderTimeout: 10 * time.Second,
			ErrorLog:  log.New(io.Discard, "", 0), // Clients tell what they think of the certificate.
			TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12},
			// Proxmox speaks HTTP/1.1 only.
			Protocols: http1(),
		},
		ended: make(chan error, 1),
	}
	go func() {
		err := sim.server.ServeTLS(listener, "", "")
		if errors.Is(err, http.ErrServerClosed) {
			err = nil
		}
		sim.ended <- err
	}()
	return sim, nil
}

func http1() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	return p
}

func (s *simulator) close() error {
	_ = s.server.Close()
	return <-s.ended
}
