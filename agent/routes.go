package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"berth/agent/internal/config"
	"berth/agent/internal/turn"
	"berth/agent/internal/web"
	"berth/desired"
	"berth/drift/report"
	"berth/drift/report/diagram"
	"berth/drift/routes"
)

// routesAsked is what the command line asks of the routes.
type routesAsked struct {
	format                      string
	asJSON, graph, noProbe, all bool
	dir, about                  string
	within                      time.Duration
}

func newRoutes(s streams) *cobra.Command {
	var ask routesAsked
	cmd := &cobra.Command{
		Use:   "routes [NAME | ID]",
		Short: "Show which name goes where, through which proxies, and what answers",
		Long: `Show each name that the edges route, where it goes, and through which proxies; and
ask each, as a client from outside would, what answers: by a ClientHello with the
name as its SNI, or by a request with it as its Host, to the edge's own address,
from this host. Nothing is changed. Where an agent is running, it is asked what is
live; the names are asked by this command.

NAME shows what becomes of one name, be it a route of its own or not. ID shows what
leads to or through a guest, Host or edge: vm/web-1, ct/cache, host/nas, edge/main.

A line begins with + where a route is not live yet, ~ where the live one goes
elsewhere, - where it is gone from Git, ! where it leads nowhere, ✗ where the
answer is not what it should be, and ? where the edge could not be read.

With --no-probe nothing is contacted but the repository, and with --manifests not
even that: the routes are as the manifests have them. --graph draws those as an SVG
for a README.

Exits 2 where a route is not live, leads nowhere, is unknown or does not answer.`,
		Example: `  agent routes
  agent routes app.lab.example.net
  agent routes vm/web-1 --no-probe
  agent routes --graph >docs/network.svg`,
		Args: atMost(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				ask.about = args[0]
			}
			return ask.run(cmd, s)
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&ask.format, "output", "o", "text", "text, json or svg")
	flags.BoolVar(&ask.asJSON, "json", false, "the same as --output json")
	flags.BoolVar(&ask.graph, "graph", false, "draw the network as SVG: the same as --output svg")
	flags.BoolVar(&ask.noProbe, "no-probe", false, "contact nothing: the routes as the manifests have them")
	flags.BoolVarP(&ask.all, "verbose", "v", false, "leave nothing out")
	flags.StringVar(&ask.dir, "manifests", "", "directory of manifests, instead of the repository's newest commit; contacts nothing")
	flags.DurationVar(&ask.within, "within", 30*time.Second, "how long asking all names may take")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json", "svg"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// check finds what is wrong with the command line by itself.
func (ask *routesAsked) check(cmd *cobra.Command) error {
	chosen := cmd.Flags().Changed("output")
	switch {
	case ask.asJSON && ask.graph, chosen && ask.asJSON && ask.format != "json", chosen && ask.graph && ask.format != "svg":
		return errors.New("--output, --json and --graph each say what is printed: keep one of them")
	case ask.asJSON:
		ask.format = "json"
	case ask.graph:
		ask.format = "svg"
	}
	switch ask.format {
	case "text", "json", "svg":
	default:
		return fmt.Errorf("--output %q: write text, json or svg", ask.format)
	}
	if ask.within <= 0 {
		return fmt.Errorf("--within %s: write how long asking may take, as 30s", ask.within)
	}
	return ask.checkAbout()
}

// checkAbout finds what is wrong with what the routes are to be about.
func (ask *routesAsked) checkAbout() error {
	if ask.about == "" {
		return nil
	}
	id := desired.ID(ask.about)
	if strings.Contains(ask.about, "/") {
		switch id.Kind() {
		case desired.KindVM, desired.KindContainer, desired.KindHost, desired.KindEdge:
			if id.Name() != "" {
				return nil
			}
		}
		return fmt.Errorf("%q: write a name, as app.example.net, or vm/NAME, ct/NAME, host/NAME or edge/NAME", ask.about)
	}
	name := strings.ToLower(strings.TrimSuffix(ask.about, "."))
	if name == "" || len(name) > 255 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.*") != "" {
		return fmt.Errorf("%q is no DNS name, and no id as vm/web-1", ask.about)
	}
	ask.about = name
	return nil
}

func (ask *routesAsked) run(cmd *cobra.Command, s streams) error {
	if err := ask.check(cmd); err != nil {
		return usageError{err, cmd.CommandPath()}
	}
	settings, err := loadSettings(cmd, s)
	if err != nil {
		return err
	}
	rep, err := ask.report(cmd.Context(), s, settings)
	if err != nil {
		return err
	}
	if rep.Routes, err = ask.narrow(rep.Routes); err != nil {
		return err
	}
	looked := !ask.still()
	if looked {
		probeRoutes(cmd.Context(), rep.Routes, probing{within: ask.within, dial: dialOut})
	}
	if err := ask.show(s, rep); err != nil {
		return err
	}
	if rep.Refused != nil || looked && rep.Routes.Bad() {
		return exit(exitDiffers)
	}
	return nil
}

// still tells whether nothing is to be contacted.
func (ask *routesAsked) still() bool { return ask.noProbe || ask.dir != "" || ask.format == "svg" }

// report tells the routes, as they are or as the manifests have them.
func (ask *routesAsked) report(ctx context.Context, s streams, settings *config.Settings) (*report.Report, error) {
	if ask.still() {
		fleet, err := manifestsOf(ctx, s, settings, ask.dir)
		if err != nil {
			return nil, err
		}
		return &report.Report{Version: report.Version, Fleet: fleet.Spec.Name, Routes: routes.Of(fleet, nil, nil)}, nil
	}
	rep, err := web.NewClient(settings.Socket).Routes(ctx)
	if !errors.Is(err, web.ErrNoAgent) {
		return rep, err
	}
	return oneTurn(ctx, s, settings, turn.Request{Mode: report.Drift, Routes: true})
}

// narrow leaves what the routes are to be about.
func (ask *routesAsked) narrow(t *routes.Table) (*routes.Table, error) {
	if ask.about == "" {
		return t, nil
	}
	if !strings.Contains(ask.about, "/") {
		return t.Called(ask.about), nil
	}
	of := t.Of(desired.ID(ask.about))
	if len(of.Routes) == 0 {
		return nil, fmt.Errorf("no route leads to or through %s", ask.about)
	}
	return of, nil
}

func (ask *routesAsked) show(s streams, rep *report.Report) error {
	switch ask.format {
	case "json":
		return report.RoutesJSON(s.Out, rep)
	case "svg":
		return diagram.SVG(s.Out, rep.Fleet, rep.Routes)
	}
	return report.RoutesText(s.Out, rep, report.TextOptions{Color: s.Color, Width: s.Width, Now: time.Now(), Verbose: ask.all})
}
