// Package deps keeps the chosen libraries required until code uses them.
package deps

import (
	_ "github.com/cenkalti/backoff/v5"
	_ "github.com/go-git/go-git/v5"
	_ "github.com/google/go-cmp/cmp"
	_ "github.com/google/renameio/v2"
	_ "github.com/lmittmann/tint"
	_ "github.com/luthermonson/go-proxmox"
	_ "github.com/nginxinc/nginx-go-crossplane"
	_ "github.com/robfig/cron/v3"
	_ "github.com/rogpeppe/go-internal/testscript"
	_ "github.com/spf13/cobra"
	_ "github.com/diskfs/go-diskfs"
	_ "golang.org/x/crypto/ssh"
	_ "golang.org/x/sync/errgroup"
	_ "golang.org/x/time/rate"
	_ "golang.org/x/tools/go/packages"
	_ "golang.org/x/term"
	_ "gopkg.in/yaml.v3"
)
