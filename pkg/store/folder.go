package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/durable"
)

// layoutVersion is the version of the layout of the state folder. A store opens only its own
// version.
const layoutVersion = 1

// identity is the content of instance.json. It marks a folder as a store's own.
type identity struct {
	Layout   int       `json:"layout"`
	Instance string    `json:"instance"` // random; kept as long as the state is
	Created  time.Time `json:"created"`
	// Making is true from the first moment of a new folder until its database is complete. Only then
	// may the database be missing.
	Making bool `json:"making,omitempty"`
	// Generation is the newest generation of the database that was recorded; see generation.go. 0 = an
	// earlier release wrote the file.
	Generation int64 `json:"generation,omitempty"`
}

// folder is the state folder on disk, locked against other processes.
type folder struct {
	paths
	lock *durable.Lock
	identity
}

// openFolder creates, locks and checks the state folder and brings it to the current layout.
func openFolder(ctx context.Context, cfg Config) (*folder, error) {
	if err := durable.MkdirAll(cfg.Folder, 0o700); err != nil {
		return nil, fmt.Errorf("make state folder %s: %w", cfg.Folder, err)
	}
	lock, err := durable.AcquireLock(ctx, filepath.Join(cfg.Folder, lockName), cfg.LockWait)
	switch {
	case errors.Is(err, durable.ErrLocked):
		return nil, fmt.Errorf("state folder %s is in use by another process: %w", cfg.Folder, err)
	case err != nil:
		return nil, fmt.Errorf("lock state folder %s: %w", cfg.Folder, err)
	}
	f := &folder{paths: paths(cfg.Folder), lock: lock}
	if err := f.prepare(ctx, cfg.Recreate); err != nil {
		_ = lock.Release()
		return nil, fmt.Errorf("state folder %s: %w", cfg.Folder, err)
	}
	return f, nil
}

// prepare reads or creates the identity, and creates the folders below.
func (f *folder) prepare(ctx context.Context, recreate bool) error {
	known, err := f.readIdentity()
	if err != nil {
		return err
	}
	if !known {
		if err := f.mustBeFree(); err != nil {
			return err
		}
	}
	if f.exists(recreateName) || recreate && known {
		if err := f.throwAway(); err != nil {
			return fmt.Errorf("discard state: %w", err)
		}
		known = false
	}
	if known && !f.Making {
		if err := f.mustHaveDatabase(ctx); err != nil {
			return err
		}
	}
	if !known {
		if err := f.writeIdentity(); err != nil {
			return err
		}
	}
	for _, path := range []string{f.operations(), f.uploads()} {
		if err := durable.MkdirAll(path, 0o700); err != nil {
			return err
		}
	}
	if err := f.protect(); err != nil {
		return err
	}
	return f.clearUploads()
}

// readIdentity reports whether the folder has an identity. It refuses layouts that this release
// does not know.
func (f *folder) readIdentity() (known bool, err error) {
	data, err := os.ReadFile(filepath.Join(f.path(), identityName))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read identity: %w", err)
	}
	if err := json.Unmarshal(data, &f.identity); err != nil || f.Instance == "" {
		return false, fmt.Errorf("%s was not made by this program, so the folder is not changed", identityName)
	}
	if f.Layout != layoutVersion {
		return false, fmt.Errorf("layout version is %d, this release knows %d only", f.Layout, layoutVersion)
	}
	return true, nil
}

// writeIdentity gives the folder a new random identity. It is durable on return.
func (f *folder) writeIdentity() error {
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails
	f.identity = identity{
		Layout:   layoutVersion,
		Instance: hex.EncodeToString(random[:]),
		Created:  time.Now().UTC().Truncate(time.Second),
		Making:   true,
	}
	return f.writeFile(f.identity)
}

// mustBeFree refuses a folder that has no identity of ours but holds files with our names.
func (f *folder) mustBeFree() error {
	for _, name := range []string{databaseName, operationsName, uploadsName, recreateName} {
		if f.exists(name) {
			return fmt.Errorf("holds %s, but no %s: it was not made by this program, so it is not changed", name, identityName)
		}
	}
	return nil
}

// throwAway removes the state. It first writes a mark, so that a start after a crash in the middle
// continues the removal.
func (f *folder) throwAway() error {
	mark := filepath.Join(f.path(), recreateName)
	if err := durable.WriteFile(mark, nil, 0o600); err != nil {
		return err
	}
	state := []string{databaseName, databaseName + "-wal", databaseName + "-shm", operationsName, uploadsName}
	for _, name := range state {
		if err := os.RemoveAll(filepath.Join(f.path(), name)); err != nil {
			return err
		}
	}
	if err := f.writeIdentity(); err != nil { // syncs the folder as well
		return err
	}
	return durable.RemoveAll(mark)
}

// clearUploads removes the uploads that an earlier process did not finish.
func (f *folder) clearUploads() error {
	entries, err := os.ReadDir(f.uploads())
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(f.uploads(), e.Name())); err != nil {
			return err
		}
	}
	return nil
}
