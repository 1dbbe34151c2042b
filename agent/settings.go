package main

import (
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/lmittmann/tint"
	"github.com/spf13/cobra"

	"berth/agent/internal/config"
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
	if l.Format == "json" {
		return slog.New(slog.NewJSONHandler(s.Err, &slog.HandlerOptions{Level: level}))
	}
	if f, ok := s.Err.(*os.File); ok && terminal(f) {
		return slog.New(tint.NewTextHandler(f, &tint.Options{Level: level, TimeFormat: "15:04:05"}))
	}
	return slog.New(slog.NewTextHandler(s.Err, &slog.HandlerOptions{Level: level}))
}

// quiet logs for a command that prints a report: only what it would not say.
func quiet(s streams, settings *config.Settings) *slog.Logger {
	l := settings.Log
	if l.Level == "" || strings.EqualFold(l.Level, "info") {
		l.Level = "warn"
	}
	return newLog(s, l)
}
