package main

import (
	"io"
	"log/slog"

	"github.com/go-logr/logr"
)

// newLogger returns the one logger of the process.
func newLogger(s settings, w io.Writer) logr.Logger {
	options := &slog.HandlerOptions{Level: slog.LevelInfo}
	if s.logLevel == logDebug {
		options.Level = slog.LevelDebug // logr's V(1) is slog's -1, between info and debug
	}
	if s.logFormat == logText {
		return logr.FromSlogHandler(slog.NewTextHandler(w, options))
	}
	return logr.FromSlogHandler(slog.NewJSONHandler(w, options))
}
