package main

import (
	"io"
	"log/slog"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/config"
)

// newLogger returns the only logger of the process.
func newLogger(c config.Log, w io.Writer) logr.Logger {
	options := &slog.HandlerOptions{Level: slog.LevelInfo}
	if c.Level == config.LogDebug {
		options.Level = slog.LevelDebug // logr's V(1) is slog's -1, between info and debug
	}
	if c.Format == config.LogText {
		return logr.FromSlogHandler(slog.NewTextHandler(w, options))
	}
	return logr.FromSlogHandler(slog.NewJSONHandler(w, options))
}
