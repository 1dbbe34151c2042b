package config

import (
	"os"
	"path/filepath"
	"strings"

	"gopkg.in/yaml.v3"
)

// LoadSocket reads nothing of a file of settings but where the agent may be asked: one
// that runs goes on by what the file was before somebody broke it. It answers nil where
// there is no file.
func LoadSocket(file string, environ func(string) string) *Settings {
	if file == "" {
		file = environ("BERTH_CONFIG")
	}
	if file == "" {
		file = Default
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	var told struct {
		Socket string `yaml:"socket"`
	}
	_ = yaml.Unmarshal(text, &told) // What can't be read of it is told by Load.
	for line := range strings.Lines(string(text)) {
		// A file that is no YAML any more has its lines still.
		if told.Socket == "" && strings.HasPrefix(line, "socket:") {
			_ = yaml.Unmarshal([]byte(line), &told)
		}
	}
	s := &Settings{Socket: told.Socket, File: file}
	if dir, err := filepath.Abs(filepath.Dir(file)); err == nil {
		s.Socket = within(dir, s.Socket)
	}
	if socket := environ("BERTH_SOCKET"); socket != "" {
		s.Socket = socket
	}
	s.defaults()
	return s
}
