package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"berth/desired"
	"berth/drift/report"
)

// release is the version that deploy/package links into what it builds; "" in all
// other builds. Nothing else sets it.
var release string

// version is what this build calls itself: its release, else the module's version, or
// the commit it was built from.
func version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	revision, dirty := "", ""
	for _, setting := range info.Settings {
		switch {
		case setting.Key == "vcs.revision" && len(setting.Value) >= 12:
			revision = setting.Value[:12]
		case setting.Key == "vcs.modified" && setting.Value == "true":
			dirty = "+changes"
		}
	}
	switch {
	case info.Main.Version != "" && info.Main.Version != "(devel)":
		return info.Main.Version
	case revision != "":
		return revision + dirty
	}
	return "(devel)"
}

func newVersion(s streams) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version, and those of what it reads and writes",
		Args:  atMost(0),
		RunE: func(*cobra.Command, []string) error {
			fmt.Fprintf(s.Out, "berth %s\nmanifest language %d, report %d\n%s %s/%s\n",
				version(), desired.Version, report.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return nil
		},
	}
}
