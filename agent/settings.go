package main

import (
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"berth/agent/internal/config"
	"berth/agent/internal/logs"
)

// defaultConfig is where the settings are unless somebody says.
const defaultConfig = config.Default

func loadSettings(cmd *cobra.Command, s streams) (*config.Settings, error) {
	file, err := cmd.Flags().GetString("config")
	if err != nil {
		return nil, fmt.Errorf("read the flags: %w", err)
	}
	return config.Load(file, s.Env)
}

// newLog logs to the error stream as the settings say.
func newLog(s streams, l config.Log) *slog.Logger {
	var level slog.Level
	// Check has seen to it that the word is one of slog's.
	_ = level.UnmarshalText([]byte(strings.ToUpper(l.Level)))
	f, ok := s.Err.(*os.File)
	return logs.New(s.Err, logs.Options{Format: l.Format, Level: level, Terminal: ok && terminal(f), Env: s.Env})
}

// quiet logs for a command that prints a report: only what it would not say.
func quiet(s streams, settings *config.Settings) *slog.Logger {
	l := settings.Log
	if l.Level == "" || strings.EqualFold(l.Level, "info") {
		l.Level = "warn"
	}
	return newLog(s, l)
}
