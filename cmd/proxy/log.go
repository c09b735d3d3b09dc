package main

import (
	"io"
	"log/slog"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/config"
)

// newLogger returns the logger for all packages of the process. It writes to w.
func newLogger(c config.Log, w io.Writer) logr.Logger {
	options := &slog.HandlerOptions{Level: slog.LevelInfo}
	if c.Level == config.LogDebug {
		options.Level = slog.LevelDebug // includes logr's V(1), which slog sees as level -1
	}
	if c.Format == config.LogText {
		return logr.FromSlogHandler(slog.NewTextHandler(w, options))
	}
	return logr.FromSlogHandler(slog.NewJSONHandler(w, options))
}
