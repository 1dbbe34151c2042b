package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		// The guests of the scripts are simulated: nobody is to be asked for their
		// addresses on the network of whoever runs this.
		"agent": func() { command(nil) },
	})
}

// TestScript runs the command as its users do: each file under testdata/script
// is a story.
func TestScript(t *testing.T) {
	programs := scripted(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       os.Getenv("UPDATE") != "",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			if programs != "" {
				env.Setenv("PATH", programs+string(os.PathListSeparator)+env.Getenv("PATH"))
			}
			return newTestWorld(t, env)
		},
		Cmds: testWorldCommands(),
	})
}
