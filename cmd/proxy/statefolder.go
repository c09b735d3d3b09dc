package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/audit"
	"github.com/signstash-proxy/signstash-proxy/pkg/config"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/store"
)

// auditFolder is the folder of the audit record inside the state folder. The lock of the state
// folder keeps other processes out.
const auditFolder = "audit"

// stateFolder is the open state folder.
type stateFolder struct {
	store   *store.Store
	audit   *audit.Log    // nil = no audit record
	signing signing.Store // the store behind the audit record
}

// openStateFolder opens the state folder and locks it.
func openStateFolder(ctx context.Context, cfg config.Config, log logr.Logger) (*stateFolder, error) {
	opened, err := store.Open(ctx, store.Config{
		Folder:    cfg.StateFolder,
		Ordinal:   cfg.InstanceOrdinal,
		Log:       log.WithName("store"),
		Retention: cfg.Retention.Retention,
		Recreate:  cfg.ForceDatabaseRecreate,
		LockWait:  orNone(cfg.StateLockWait),
		MinFree:   orNone(cfg.Retention.MinFreeBytes),
	})
	if err != nil {
		return nil, err
	}
	s := &stateFolder{store: opened, signing: opened}
	if !cfg.Audit.Enabled {
		return s, nil
	}
	s.audit, err = audit.Open(audit.Config{
		Folder: filepath.Join(cfg.StateFolder, auditFolder), Keep: cfg.Audit.Keep, Log: log.WithName("audit"),
	})
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	s.signing = audit.NewStore(opened, s.audit)
	return s, nil
}

// close closes the audit record and the store, and releases the lock.
func (s *stateFolder) close() error {
	if s.audit != nil {
		_ = s.audit.Close() // its content is already durable
	}
	if err := s.store.Close(); err != nil {
		return fmt.Errorf("close state folder: %w", err)
	}
	return nil
}

// orNone converts 0, which means none in the settings, to -1, which means none in the store.
func orNone[T ~int64](v T) T {
	if v == 0 {
		return -1
	}
	return v
}
