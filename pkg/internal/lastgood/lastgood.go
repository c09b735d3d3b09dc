// Package lastgood keeps the last good value of files that may change while the process runs.
package lastgood

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/filewatch"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/secretfile"
)

// Config says which files a Value is read from and what they mean.
type Config[T any] struct {
	// What names the value in errors, as in "read certificate: …".
	What string
	// Paths are the files. They are read together and make one value.
	Paths []string
	// MaxBytes bounds each file. A larger file is an error.
	MaxBytes int64
	// Decode makes the value from the contents, in the order of Paths. Its error names the file at
	// fault and holds no secret.
	Decode func(contents [][]byte) (T, error)
	// Observe is called once for each version of the files, for metrics: with the value after it has
	// taken effect, or with the error if the version was refused. Nil = nobody observes.
	Observe func(value T, err error)
	// Poll is how often the files are read if no event comes. 0 = filewatch.DefaultPoll.
	Poll time.Duration
	Log  logr.Logger
}

// Value is the last good value of files. Current is safe for concurrent use. Load and Run are not:
// call Load first, then Run once.
type Value[T any] struct {
	cfg     Config[T]
	current atomic.Pointer[T]
	seen    finding
}

// finding distinguishes what one read found from what the next one finds: the digest of the
// contents, or the text of the error that kept them from being read. The zero value equals no
// finding.
type finding struct {
	digest [sha256.Size]byte
	fault  string
}

// New returns a Value that has not read anything.
func New[T any](cfg Config[T]) *Value[T] { return &Value[T]{cfg: cfg} }

// Current returns the last good value. It is the zero value before the first Load without an error.
func (v *Value[T]) Current() (value T) {
	if p := v.current.Load(); p != nil {
		return *p
	}
	return value
}

// Load reads the files. If they hold a good version that differs from the last one read, the
// version takes effect and changed is true. A version that is refused leaves the last good value in
// effect; its error is returned once, so that a log does not repeat it.
func (v *Value[T]) Load() (changed bool, err error) {
	contents, found, err := v.read()
	if found == v.seen {
		return false, nil
	}
	v.seen = found
	var value T
	if err == nil {
		value, err = v.cfg.Decode(contents)
	}
	if err != nil {
		err = fmt.Errorf("read %s: %w", v.cfg.What, err)
	} else {
		v.current.Store(&value)
	}
	if v.cfg.Observe != nil {
		v.cfg.Observe(value, err)
	}
	return err == nil, err
}

// Run loads the files whenever they may have changed, until ctx is done, and then returns nil. It
// calls report once for each new version, as Config.Observe.
func (v *Value[T]) Run(ctx context.Context, report func(value T, err error)) error {
	cfg := filewatch.Config{Paths: v.cfg.Paths, Poll: v.cfg.Poll, Log: v.cfg.Log}
	return filewatch.Run(ctx, cfg, func() {
		changed, err := v.Load()
		switch {
		case err != nil:
			var none T
			report(none, err)
		case changed:
			report(v.Current(), nil)
		}
	})
}

func (v *Value[T]) read() (contents [][]byte, found finding, err error) {
	h := sha256.New()
	contents = make([][]byte, len(v.cfg.Paths))
	for i, path := range v.cfg.Paths {
		data, fault := secretfile.Bounded(path, v.cfg.MaxBytes)
		err = errors.Join(err, fault)
		contents[i] = data
		digest := sha256.Sum256(data)
		h.Write(digest[:])
	}
	if err != nil {
		return nil, finding{fault: err.Error()}, err
	}
	return contents, finding{digest: [sha256.Size]byte(h.Sum(nil))}, nil
}
