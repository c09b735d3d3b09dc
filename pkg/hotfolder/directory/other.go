//go:build !linux

package directory

import (
	"context"
	"errors"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
)

// Open works on Linux only, because it needs renameat2 and inotify.
func Open(Config) (hotfolder.Storage, error) {
	return nil, errNotLinux
}

var errNotLinux = errors.New("hot folders need Linux")

// Look works on Linux only.
func Look(Config) (View, error) { return nil, errNotLinux }

// Check works on Linux only.
func Check(context.Context, Config) ([]hotfolder.Finding, error) { return nil, errNotLinux }

// Retry works on Linux only.
func Retry(context.Context, Config, string) ([]Retried, error) { return nil, errNotLinux }

// OpenAs works on Linux only.
func OpenAs(Config) (hotfolder.Storage, error) { return nil, errNotLinux }

// FindAbandoned works on Linux only.
func FindAbandoned(context.Context, string, []string) ([]hotfolder.Abandoned, error) {
	return nil, errNotLinux
}
