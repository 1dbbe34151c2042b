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
	var fleet simFleet
	var guests simGuests
	cmd := &cobra.Command{
		Use:   "sim",
		Short: "Serve a simulated Proxmox cluster over TLS, and print a token for it",
		Long: `Serve a simulated Proxmox VE cluster, with some guests on it, over TLS, and print
what a client needs: a token, and the Site document that points a fleet at it.
Any Proxmox client can be pointed at it. It keeps everything in memory and
forgets it at the end.

With --guests, make up a cluster of so many guests of all sorts on --nodes nodes:
always the same for the same numbers. With --out, write into a directory what an
agent needs: the fleet that matches the cluster, as a Git repository, settings
and token. The guests belong to that fleet already, so that nothing differs; with
--unadopted they do not, and the first plan is to adopt them.

It has no network: what download-url fetches is made up from the URL, so that an
Image's sha256 must be that of what is made up; --sha256 URL prints it.
An agent that works on it asks its own network whether the addresses of guests to
be made are taken: choose some that are free there, or write
allowAddressConflict: true.

With --runtime lxc (as root, on Debian), containers that are made through the API
are real ones: systemd boots in them, sshd answers, and what the API does to them
happens. They lie with the cluster's API in a network namespace of their own with no
way out, so that nothing else meets them: agents, nginx and ssh reach them from within,
by the command that is printed. Templates whose names begin with debian-12 or
debian-13 can be booted; their root file systems are built once, from the mirror that
apt uses here, and kept in --cache. Everything else is gone when the simulator ends;
what a killed one leaves, the next removes.`,
		Example: `  agent sim
  agent sim --listen 127.0.0.1:8006
  agent sim --guests 1000 --nodes 3 --out big --listen 127.0.0.1:0
  agent sim --runtime lxc --address 10.111.1.1/24
  agent sim --sha256 https://example.com/debian-12.tar.zst`,
		Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("sha256") {
				if sum == "" || cmd.Flags().NFlag() > 1 {
					return usageError{errors.New("--sha256 takes a URL, and no other flag beside it: it serves nothing"), cmd.CommandPath()}
				}
				fmt.Fprintln(s.Out, pvesim.Sum(sum, "sha256"))
				return nil
			}
			if err := fleet.check(cmd); err != nil {
				return usageError{err, cmd.CommandPath()}
			}
			if err := unused(fleet.out); fleet.out != "" && err != nil {
				return err
			}
			if err := guests.check(cmd); err != nil {
				return usageError{err, cmd.CommandPath()}
			}
			return guests.with(cmd.Context(), s, func(o pvesim.Options, at network) error {
				return runSimulator(cmd.Context(), s, at, listen, &fleet, o)
			})
		},
	}
	guests.flags(cmd)
	cmd.Flags().StringVar(&sum, "sha256", "", "print the checksum of what this URL gives here, and end")
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:8006", "address and port to listen on; port 0 takes a free one")
	cmd.Flags().IntVar(&fleet.guests, "guests", 0, "make up a cluster of so many guests")
	cmd.Flags().IntVar(&fleet.nodes, "nodes", 3, "with --guests: nodes that they are on")
	cmd.Flags().StringVar(&fleet.out, "out", "", "write the matching fleet, settings and token into this directory, which must be empty")
	cmd.Flags().BoolVar(&fleet.unadopted, "unadopted", false, "with --out: leave it to the agent to adopt the guests")
	return cmd
}

// runSimulator serves the cluster that the flags ask for until it is told to end.
func runSimulator(ctx context.Context, s streams, at network, listen string, fleet *simFleet, o pvesim.Options) error {
	sim, err := serveSimulator(ctx, at, listen, fleet.cluster(o))
	if err != nil {
		return err
	}
	fmt.Fprintf(s.Out, "endpoint     %s\nfingerprint  %s\ntoken        %s\n\n", sim.endpoint, sim.fingerprint, sim.token)
	if fleet.out != "" {
		err = fleet.write(ctx, s, sim)
	} else {
		fmt.Fprintf(s.Out, simSite, sim.endpoint, sim.fingerprint, fleet.node(), at.lan.Masked(), at.lan.Addr())
		fmt.Fprintf(s.Out, "Try: %scurl --insecure --header 'Authorization: PVEAPIToken=%s' %s/api2/json/cluster/resources\n", at.prefix, sim.token, sim.endpoint)
	}
	if err != nil {
		return errors.Join(err, sim.close())
	}
	<-ctx.Done()
	return sim.close()
}

// simSite is the document that points a fleet at the simulator.
const simSite = `kind: Site
name: home
endpoints: ["%s"]
tls: {fingerprint: "%s"}
token: {secret: pve}                # secrets: {pve: FILE} in agent.yaml; FILE holds the token
node: %s
storage: {ssd: {store: local-nvme}}
images: local
networks: {lan: {bridge: vmbr0, subnet: %s, gateway: %s}}

`

// simulator is a simulated cluster that is being served.
type simulator struct {
	cluster                      *pvesim.Cluster
	endpoint, fingerprint, token string

	server *http.Server
	ended  chan error
}

// startSimulator serves a home server's cluster over TLS.
func startSimulator(ctx context.Context, listen string, o pvesim.Options) (*simulator, error) {
	return serveSimulator(ctx, network{}, listen, pvesim.Homelab(o))
}

// serveSimulator serves a cluster over TLS.
func serveSimulator(ctx context.Context, at network, listen string, cluster *pvesim.Cluster) (*simulator, error) {
	listener, err := at.open(ctx, listen)
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
