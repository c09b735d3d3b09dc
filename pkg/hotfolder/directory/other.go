//go:build !linux

package directory

import (
	"errors"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
)

// Open works on Linux only, because it needs renameat2 and inotify.
func Open(Config) (hotfolder.Storage, error) {
	return nil, errors.New("hot folders need Linux")
}
